"""Buying a number: what a client gets, and what it costs."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from uuid import UUID

import pytest
from support.carrier_account import TRUNK, AccountInMemory
from support.number_stores import InMemoryPurchases, Tables
from support.number_world import (
    AGENT,
    DOWN,
    FALLBACK,
    GONE,
    NO_ANSWER,
    NUMBER,
    OTHER_WORKSPACE,
    WORKSPACE,
    NumberWorld,
)

from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault, SearchQuery
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import Origin, PurchaseRequest, PurchaseState

pytestmark = pytest.mark.asyncio

SECOND = "+12025550101"
THIRD = "+12025550102"
ROUTING = {"agent_id": str(AGENT), "fallback": {"agent_id": str(FALLBACK)}}
WANTED = PurchaseRequest(
    agent_id=AGENT, phone_number=NUMBER, friendly_name="Sales", inbound_routing=ROUTING
)
ANY = PurchaseRequest(agent_id=AGENT)


@pytest.fixture
def carrier() -> AccountInMemory:
    account = AccountInMemory()
    account.for_sale = [NUMBER, SECOND, THIRD]
    return account


@pytest.fixture
def world(carrier: AccountInMemory) -> NumberWorld:
    return NumberWorld(platform=carrier)


class AlwaysRoom(InMemoryPurchases):
    """A store that others write to between the look and the purchase."""

    async def has_room(self, workspace_id: UUID, phone_number: str | None, *, most: int) -> bool:
        return True


async def refusal(
    world: NumberWorld, request: PurchaseRequest = WANTED, key: str | None = None
) -> ErrorCode:
    with pytest.raises(ProvisioningError) as caught:
        await world.purchases.purchase(WORKSPACE, request, key)
    return caught.value.code


async def test_a_number_is_bought_and_wired_in_one_step(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    number = await world.purchases.purchase(WORKSPACE, WANTED)
    assert (number.phone_number, number.status, number.agent_id) == (NUMBER, "active", AGENT)
    assert (number.inbound_trunk_id, number.inbound_routing) == (TRUNK, ROUTING)
    assert (number.origin, number.is_verified, number.friendly_name) == (
        Origin.PURCHASED,
        True,
        "Sales",
    )
    assert carrier.owned[NUMBER].trunk_id == TRUNK
    assert world.tables.configs[number.id] == {"account_sid": "AC1"}
    assert world.observed.moves == [
        (None, PurchaseState.ORDERING),
        (PurchaseState.ORDERING, PurchaseState.BOUGHT),
        (PurchaseState.BOUGHT, PurchaseState.ACTIVE),
    ]


async def test_the_first_number_that_fits_is_bought_when_none_is_named(
    world: NumberWorld,
) -> None:
    number = await world.purchases.purchase(
        WORKSPACE, PurchaseRequest(agent_id=AGENT, contains="0101")
    )
    assert number.phone_number == SECOND


async def test_the_next_number_is_tried_when_the_first_is_gone(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.fail("buy", GONE, GONE)
    number = await world.purchases.purchase(WORKSPACE, ANY)
    assert number.phone_number == THIRD
    assert world.states() == ["failed", "failed", "active"]


async def test_not_more_than_five_numbers_are_tried(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.for_sale = [f"+120255501{n:02}" for n in range(20)]
    carrier.fail("buy", *[GONE] * 20)
    assert await refusal(world, ANY) is ErrorCode.NUMBER_UNAVAILABLE
    assert carrier.calls.count("buy") == 5


async def test_a_number_that_was_named_is_not_replaced_by_another(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.for_sale.remove(NUMBER)
    assert await refusal(world) is ErrorCode.NUMBER_UNAVAILABLE
    assert carrier.sold == []


async def test_nothing_for_sale_is_said_before_anything_is_written(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.for_sale = []
    assert await refusal(world, ANY) is ErrorCode.NO_NUMBER_FOUND
    assert world.states() == []


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (CarrierFault.NUMBER_GONE, ErrorCode.NUMBER_UNAVAILABLE),
        (CarrierFault.BAD_CREDENTIALS, ErrorCode.CARRIER_REJECTED_CREDENTIALS),
        (CarrierFault.REGULATORY, ErrorCode.REGULATORY_BUNDLE_REQUIRED),
        (CarrierFault.RATE_LIMITED, ErrorCode.CARRIER_RATE_LIMITED),
        (CarrierFault.DOWN, ErrorCode.CARRIER_UNAVAILABLE),
        (CarrierFault.UNKNOWN, ErrorCode.CARRIER_REFUSED),
    ],
)
@pytest.mark.parametrize("method", ["ensure_trunk", "buy"])
async def test_each_fault_of_the_carrier_has_a_code(
    world: NumberWorld,
    carrier: AccountInMemory,
    method: str,
    fault: CarrierFault,
    code: ErrorCode,
) -> None:
    carrier.fail(method, CarrierError(fault, "no"))
    assert await refusal(world) is code
    assert carrier.sold == []
    assert world.states() == ([] if method == "ensure_trunk" else ["failed"])


async def test_an_order_that_timed_out_is_looked_up_and_finished(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.fail("buy", NO_ANSWER)
    number = await world.purchases.purchase(WORKSPACE, WANTED)
    assert number.status == "active"
    assert carrier.calls.count("buy") == 1


async def test_an_order_that_takes_long_is_answered_as_pending_and_finished_later(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.is_slow = True
    pending = await world.purchases.purchase(WORKSPACE, WANTED)
    assert (pending.status, pending.phone_number) == ("pending", NUMBER)
    assert (await world.numbers.get(WORKSPACE, pending.id)).status == "pending"
    carrier.settle()
    await world.reconciler.run_once()
    found = await world.numbers.get(WORKSPACE, pending.id)
    assert (found.status, found.id) == ("active", pending.id)


async def test_an_order_that_fails_later_says_so_under_the_id_that_was_given(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.is_slow = True
    pending = await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.settle(refuse=True)
    world.clock.pass_time(timedelta(minutes=1))
    await world.reconciler.run_once()
    assert (await world.numbers.get(WORKSPACE, pending.id)).status == "failed"


async def test_the_same_key_buys_once_and_gets_the_same_number(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    first = await world.purchases.purchase(WORKSPACE, ANY, "key-1")
    second = await world.purchases.purchase(WORKSPACE, ANY, "key-1")
    assert second == first
    assert len(carrier.sold) == 1


async def test_the_same_key_may_be_tried_again_after_a_refusal_that_cost_nothing(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.fail("buy", DOWN)
    assert await refusal(world, ANY, "key-1") is ErrorCode.CARRIER_UNAVAILABLE
    assert (await world.purchases.purchase(WORKSPACE, ANY, "key-1")).status == "active"
    assert len(carrier.sold) == 1


async def test_a_key_that_bought_another_number_is_refused(world: NumberWorld) -> None:
    await world.purchases.purchase(WORKSPACE, WANTED, "key-1")
    another = PurchaseRequest(agent_id=AGENT, phone_number=SECOND)
    assert await refusal(world, another, "key-1") is ErrorCode.IDEMPOTENCY_KEY_REUSED


async def test_the_same_key_of_another_workspace_is_another_key(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    await world.purchases.purchase(WORKSPACE, ANY, "key-1")
    await world.purchases.purchase(OTHER_WORKSPACE, ANY, "key-1")
    assert len(carrier.sold) == 2


async def test_the_same_number_is_bought_once_while_its_order_is_pending(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    carrier.is_slow = True
    first = await world.purchases.purchase(WORKSPACE, WANTED)
    second = await world.purchases.purchase(WORKSPACE, WANTED)
    assert second.id == first.id
    assert carrier.calls.count("buy") == 1
    other_wish = PurchaseRequest(agent_id=FALLBACK, phone_number=NUMBER)
    assert await refusal(world, other_wish) is ErrorCode.PURCHASE_PENDING
    with pytest.raises(ProvisioningError) as caught:
        await world.purchases.purchase(OTHER_WORKSPACE, WANTED_BY_OTHER)
    assert caught.value.code is ErrorCode.NUMBER_UNAVAILABLE


WANTED_BY_OTHER = PurchaseRequest(agent_id=AGENT, phone_number=NUMBER)


async def test_a_number_that_is_ours_already_is_not_bought(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.for_sale.append(NUMBER)
    assert await refusal(world) is ErrorCode.NUMBER_TAKEN
    assert len(carrier.sold) == 1


async def test_a_workspace_that_has_all_it_may_have_is_refused_before_the_carrier_is_asked(
    carrier: AccountInMemory,
) -> None:
    world = NumberWorld(platform=carrier, most_numbers=1)
    number = await world.purchases.purchase(WORKSPACE, WANTED, "key-1")
    carrier.calls.clear()
    assert await refusal(world, ANY) is ErrorCode.NUMBER_LIMIT_REACHED
    assert carrier.calls == []
    # The same request again is no other purchase, and another workspace has its own bound.
    assert await world.purchases.purchase(WORKSPACE, WANTED, "key-1") == number
    await world.purchases.purchase(OTHER_WORKSPACE, ANY)
    # Room again.
    await world.numbers.delete(WORKSPACE, number.id)
    assert (await world.purchases.purchase(WORKSPACE, ANY)).status == "active"


async def test_a_number_on_its_way_is_waited_for_though_no_other_may_be_bought(
    carrier: AccountInMemory,
) -> None:
    world = NumberWorld(platform=carrier, most_numbers=1)
    carrier.is_slow = True
    first = await world.purchases.purchase(WORKSPACE, WANTED)
    assert (await world.purchases.purchase(WORKSPACE, WANTED)).id == first.id
    assert await refusal(world, ANY) is ErrorCode.NUMBER_LIMIT_REACHED


async def test_a_bound_that_is_reached_meanwhile_costs_nothing(carrier: AccountInMemory) -> None:
    tables = Tables()
    world = NumberWorld(
        tables=tables, platform=carrier, most_numbers=1, purchases=AlwaysRoom(tables)
    )
    await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.sold.clear()
    assert await refusal(world, ANY) is ErrorCode.NUMBER_LIMIT_REACHED
    assert carrier.sold == []


async def test_a_request_that_lets_go_of_its_purchase_says_so_once(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    await world.purchases.purchase(WORKSPACE, replace(WANTED, phone_number=SECOND))
    assert world.observed.left_open == []
    carrier.is_slow = True
    await world.purchases.purchase(WORKSPACE, WANTED)
    assert world.observed.left_open == [PurchaseState.ORDERING]


async def test_an_agent_that_does_not_exist_costs_nothing(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    with pytest.raises(ProvisioningError) as caught:
        await world.purchases.purchase(OTHER_WORKSPACE, WANTED)
    assert caught.value.code is ErrorCode.AGENT_NOT_FOUND
    assert carrier.calls == []


async def test_without_an_account_of_the_platform_nothing_can_be_bought_or_searched() -> None:
    world = NumberWorld(platform=None)
    assert await refusal(world) is ErrorCode.PURCHASING_DISABLED
    with pytest.raises(ProvisioningError) as caught:
        await world.purchases.search(SearchQuery(country="US"))
    assert caught.value.code is ErrorCode.PURCHASING_DISABLED


async def test_searching_tells_what_the_carrier_says(
    world: NumberWorld, carrier: AccountInMemory
) -> None:
    found = await world.purchases.search(SearchQuery(country="US", limit=2))
    assert [each.phone_number for each in found] == [NUMBER, SECOND]
    slow_down = CarrierError(CarrierFault.RATE_LIMITED, "429", retry_after_seconds=9.0)
    carrier.fail("search", slow_down)
    with pytest.raises(ProvisioningError) as caught:
        await world.purchases.search(SearchQuery(country="US"))
    assert (caught.value.code, caught.value.retry_after_seconds) == (
        ErrorCode.CARRIER_RATE_LIMITED,
        9.0,
    )
