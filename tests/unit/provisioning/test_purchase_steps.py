"""The steps of a purchase, one by one: what each finds, and where it leads."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import uuid4

import pytest
from support.carrier_account import TRUNK, AccountInMemory
from support.number_world import (
    AGENT,
    DOWN,
    NO_ANSWER,
    NUMBER,
    OTHER_WORKSPACE,
    WORKSPACE,
    NumberWorld,
)

from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault
from sip_edge.provisioning.errors import ErrorCode
from sip_edge.provisioning.number_values import (
    NewNumber,
    Origin,
    Purchase,
    PurchaseRequest,
    PurchaseState,
)
from sip_edge.provisioning.purchase_steps import account_config

pytestmark = pytest.mark.asyncio

WANTED = PurchaseRequest(agent_id=AGENT, phone_number=NUMBER)


@pytest.fixture
def carrier() -> AccountInMemory:
    account = AccountInMemory()
    account.for_sale = [NUMBER]
    return account


@pytest.fixture
def world(carrier: AccountInMemory) -> NumberWorld:
    return NumberWorld(platform=carrier)


async def after(world: NumberWorld, delta: timedelta) -> Purchase:
    """Let time pass, and the reconciler take what is due."""
    world.clock.pass_time(delta)
    await world.reconciler.run_once()
    return world.only_purchase()


async def lost_order(world: NumberWorld, carrier: AccountInMemory) -> None:
    """An order of which the carrier never hears in time."""
    carrier.is_late = True
    assert (await world.purchases.purchase(WORKSPACE, WANTED)).status == "pending"


async def test_an_order_that_never_arrived_is_doubtful_after_fifteen_minutes_and_over_in_a_day(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    await lost_order(world, carrier)
    assert (await after(world, timedelta(minutes=14))).state is PurchaseState.ORDERING
    doubtful = await after(world, timedelta(minutes=10))
    assert (doubtful.state, doubtful.failure) == (
        PurchaseState.DOUBTFUL,
        ErrorCode.CARRIER_UNAVAILABLE,
    )
    assert (await world.numbers.get(WORKSPACE, doubtful.number_id)).status == "failed"
    assert (await after(world, timedelta(hours=2))).state is PurchaseState.DOUBTFUL
    assert (await after(world, timedelta(hours=23))).state is PurchaseState.FAILED
    assert carrier.sold == []


async def test_an_order_that_arrives_when_nobody_waits_any_more_is_given_back(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    await lost_order(world, carrier)
    await after(world, timedelta(minutes=5))
    await after(world, timedelta(minutes=20))
    carrier.catch_up()
    assert (await after(world, timedelta(hours=2))).state is PurchaseState.RELEASED
    assert (len(carrier.sold), carrier.returned) == (1, [NUMBER])


async def test_an_order_that_turns_up_takes_no_number_from_whoever_bought_it_since(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    await lost_order(world, carrier)
    await after(world, timedelta(minutes=5))
    doubtful = await after(world, timedelta(minutes=20))
    carrier.catch_up()
    bought = replace(proved_by_another(doubtful), origin=Origin.PURCHASED)
    world.tables.insert(bought, None)
    assert (await after(world, timedelta(hours=2))).state is PurchaseState.FAILED
    assert carrier.returned == []


async def test_an_order_that_the_carrier_has_confirmed_is_waited_for_however_long(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.is_slow = True
    await world.purchases.purchase(WORKSPACE, WANTED)
    for _ in range(12):
        assert (await after(world, timedelta(hours=4))).state is PurchaseState.ORDERING
    carrier.settle()
    assert (await after(world, timedelta(hours=4))).state is PurchaseState.ACTIVE


async def test_questions_are_asked_less_and_less_often(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    await lost_order(world, carrier)
    asked = carrier.calls.count("find_order")
    for _ in range(800):
        await after(world, timedelta(seconds=1))
    assert carrier.calls.count("find_order") - asked <= 12


async def test_a_carrier_that_fails_in_the_middle_is_asked_again(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.fail("buy", NO_ANSWER)
    carrier.fail("find_order", DOWN)
    carrier.fail("find_number", DOWN)
    await world.purchases.purchase(WORKSPACE, WANTED)
    purchase = await after(world, timedelta(minutes=1))
    assert purchase.state is PurchaseState.ACTIVE


async def test_a_number_is_attached_again_when_its_trunk_is_gone(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.is_slow = True
    await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.settle()
    carrier.owned[NUMBER] = replace(carrier.owned[NUMBER], trunk_id=None)
    assert (await after(world, timedelta(minutes=1))).state is PurchaseState.ACTIVE
    assert carrier.owned[NUMBER].trunk_id == TRUNK


async def test_a_number_that_cannot_be_attached_for_an_hour_is_given_back(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.is_slow = True
    await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.settle()
    carrier.owned[NUMBER] = replace(carrier.owned[NUMBER], trunk_id=None)
    carrier.fail("attach", *[CarrierError(CarrierFault.UNKNOWN, "no")] * 100)
    for _ in range(12):
        await after(world, timedelta(minutes=10))
    assert world.only_purchase().state is PurchaseState.RELEASED
    assert carrier.owned == {}


async def test_a_number_is_finished_after_hours_in_which_nobody_worked_on_it(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.fail("find_number", *[DOWN] * 30)
    assert (await world.purchases.purchase(WORKSPACE, WANTED)).status == "pending"
    assert world.only_purchase().state is PurchaseState.BOUGHT
    carrier.faults.clear()
    assert (await after(world, timedelta(hours=3))).state is PurchaseState.ACTIVE
    assert carrier.returned == []


async def test_a_number_that_its_owner_proved_meanwhile_is_given_back(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.is_slow = True
    await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.settle()
    world.tables.insert(proved_by_another(world.only_purchase()), None)
    done = await after(world, timedelta(minutes=1))
    assert (done.state, done.failure) == (PurchaseState.RELEASED, ErrorCode.NUMBER_TAKEN)
    assert carrier.owned == {}


async def test_a_release_that_fails_is_repeated_until_it_succeeds(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    number = await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.fail("release", DOWN, NO_ANSWER, DOWN)
    await world.numbers.delete(WORKSPACE, number.id)
    assert world.only_purchase().state is PurchaseState.RELEASING
    for _ in range(4):
        await after(world, timedelta(minutes=5))
    assert world.only_purchase().state is PurchaseState.RELEASED
    assert carrier.owned == {}


async def test_a_purchase_is_never_continued_on_another_account(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    number = await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.account_id = "AC2"
    await world.numbers.delete(WORKSPACE, number.id)
    assert (await after(world, timedelta(hours=1))).state is PurchaseState.RELEASING
    assert "release" not in carrier.calls
    carrier.account_id = "AC1"
    assert (await after(world, timedelta(hours=1))).state is PurchaseState.RELEASED


async def test_a_number_is_not_taken_for_returned_on_an_account_that_never_had_it() -> None:
    carrier, another = AccountInMemory(account_id=None), AccountInMemory(account_id=None)
    carrier.for_sale = [NUMBER]
    world = NumberWorld(platform=carrier)
    number = await world.purchases.purchase(WORKSPACE, WANTED)
    exchanged = NumberWorld(tables=world.tables, clock=world.clock, platform=another)
    await exchanged.numbers.delete(WORKSPACE, number.id)
    assert (await after(exchanged, timedelta(hours=1))).state is PurchaseState.RELEASING
    carrier.fail("release", NO_ANSWER)
    await after(world, timedelta(hours=1))
    assert (await after(world, timedelta(hours=1))).state is PurchaseState.RELEASED
    assert (carrier.returned, another.returned) == ([NUMBER], [])


async def test_money_is_not_spent_when_the_lease_is_nearly_over(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.is_slow = True
    await world.purchases.purchase(WORKSPACE, WANTED)
    late = replace(world.only_purchase(), due_at=world.clock() + timedelta(seconds=29))
    assert await world.steps.order(late) == late
    assert carrier.calls.count("buy") == 1


async def test_whoever_is_late_writes_nothing(world: NumberWorld, carrier: AccountInMemory) -> None:
    carrier.is_slow = True
    await world.purchases.purchase(WORKSPACE, WANTED)
    stale = replace(world.only_purchase(), version=0)
    carrier.settle()
    assert await world.steps.advance(stale) is stale
    assert world.only_purchase().state is PurchaseState.ORDERING


async def test_only_twilios_account_is_told_in_calls() -> None:
    assert account_config("twilio", "AC1") == {"account_sid": "AC1"}
    assert account_config("telnyx", "x") == {}


def proved_by_another(purchase: Purchase) -> NewNumber:
    return NewNumber(
        id=uuid4(),
        workspace_id=OTHER_WORKSPACE,
        phone_number=purchase.phone_number,
        friendly_name=None,
        provider="twilio",
        agent_id=AGENT,
        inbound_routing=None,
        is_verified=True,
    )
