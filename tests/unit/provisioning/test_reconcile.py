"""The reconciler, and several of them at once."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from datetime import timedelta

import pytest
from support.carrier_account import AccountInMemory
from support.number_world import AGENT, DOWN, NO_ANSWER, NUMBER, WORKSPACE, NumberWorld

from sip_edge.provisioning.carrier_port import Order
from sip_edge.provisioning.number_values import PurchaseRequest, PurchaseState

pytestmark = pytest.mark.asyncio

WANTED = PurchaseRequest(agent_id=AGENT, phone_number=NUMBER)


class FaultyOnce(AccountInMemory):
    """Another's account, through a client with a defect that shows at the first look-up."""

    def __init__(self, account: AccountInMemory) -> None:
        super().__init__()
        vars(self).update(vars(account))
        self._is_faulty = True

    async def find_order(self, phone_number: str, *, reference: str) -> Order | None:
        if self._is_faulty:
            self._is_faulty = False
            raise ZeroDivisionError
        return await super().find_order(phone_number, reference=reference)


async def left_open() -> tuple[NumberWorld, AccountInMemory]:
    """A purchase whose request has ended while its order was pending."""
    carrier = AccountInMemory()
    carrier.for_sale = [NUMBER]
    carrier.is_slow = True
    world = NumberWorld(platform=carrier)
    await world.purchases.purchase(WORKSPACE, WANTED)
    carrier.settle()
    world.clock.pass_time(timedelta(minutes=1))
    return world, carrier


async def test_what_a_request_left_open_is_finished_in_one_go() -> None:
    world, _ = await left_open()
    assert await world.reconciler.run_once() == 1
    assert world.only_purchase().state is PurchaseState.ACTIVE
    assert await world.reconciler.run_once() == 0


async def test_what_is_not_due_is_left_alone() -> None:
    world, carrier = await left_open()
    carrier.fail("find_order", DOWN)
    assert await world.reconciler.run_once() == 1
    assert await world.reconciler.run_once() == 0
    world.clock.pass_time(timedelta(minutes=10))
    assert await world.reconciler.run_once() == 1


async def test_an_order_that_takes_longer_than_its_request_is_finished_within_seconds() -> None:
    carrier = AccountInMemory()
    carrier.for_sale = [NUMBER]
    carrier.is_slow = True
    world = NumberWorld(platform=carrier)
    await world.purchases.purchase(WORKSPACE, WANTED)
    await world.reconciler.run_once()
    carrier.settle()
    world.clock.pass_time(timedelta(seconds=5))
    await world.reconciler.run_once()
    assert world.only_purchase().state is PurchaseState.ACTIVE


async def test_a_fault_of_ours_at_one_purchase_does_not_keep_the_others_from_their_turn() -> None:
    carrier = AccountInMemory()
    carrier.for_sale = [NUMBER, "+12025550101"]
    carrier.is_slow = True
    world = NumberWorld(platform=carrier)
    for number in (NUMBER, "+12025550101"):
        await world.purchases.purchase(WORKSPACE, replace(WANTED, phone_number=number))
    carrier.settle()
    faulty = FaultyOnce(carrier)
    heir = NumberWorld(tables=world.tables, clock=world.clock, platform=faulty)
    heir.clock.pass_time(timedelta(minutes=1))
    with pytest.raises(ZeroDivisionError):
        await heir.reconciler.run_once()
    assert heir.states() == ["ordering", "active"]
    heir.clock.pass_time(timedelta(minutes=2))
    await heir.reconciler.run_once()
    assert heir.states() == ["active", "active"]


async def test_two_reconcilers_share_the_work() -> None:
    world, carrier = await left_open()
    second = NumberWorld(tables=world.tables, clock=world.clock, platform=carrier)
    counts = await asyncio.gather(world.reconciler.run_once(), second.reconciler.run_once())
    assert sorted(counts) == [0, 1]
    assert world.only_purchase().state is PurchaseState.ACTIVE


async def test_a_process_that_died_after_the_carrier_said_yes_is_followed_by_another() -> None:
    carrier = AccountInMemory()
    carrier.for_sale = [NUMBER]
    carrier.fail("buy", NO_ANSWER)
    carrier.fail("find_order", *[DOWN] * 30)
    dead = NumberWorld(platform=carrier)
    await dead.purchases.purchase(WORKSPACE, WANTED)
    carrier.faults.clear()
    heir = NumberWorld(tables=dead.tables, clock=dead.clock, platform=carrier)
    heir.clock.pass_time(timedelta(minutes=10))
    await heir.reconciler.run_once()
    assert heir.only_purchase().state is PurchaseState.ACTIVE
    assert len(carrier.sold) == 1


async def test_each_round_tells_how_many_purchases_take_too_long() -> None:
    carrier = AccountInMemory()
    carrier.for_sale = [NUMBER]
    carrier.is_slow = True
    world = NumberWorld(platform=carrier)
    await world.purchases.purchase(WORKSPACE, WANTED)
    world.clock.pass_time(timedelta(minutes=10))
    await world.reconciler.run_once()
    world.clock.pass_time(timedelta(minutes=6))
    await world.reconciler.run_once()
    carrier.settle()
    world.clock.pass_time(timedelta(minutes=11))
    await world.reconciler.run_once()
    assert world.observed.overdue == [0, 1, 0]
