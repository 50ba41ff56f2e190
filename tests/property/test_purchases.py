"""Purchases under any sequence of requests, faults, crashes and other processes.

Whatever happens: a purchase never spends money twice, and when everything has calmed down each
number on the platform's account has a row that somebody can use, or is gone from the account.
"""

from __future__ import annotations

import asyncio
import inspect
from collections import Counter
from collections.abc import Awaitable, Callable, Coroutine
from datetime import timedelta
from typing import Any
from uuid import UUID

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule
from support.carrier_account import AccountInMemory
from support.number_stores import (
    InMemoryNumbers,
    InMemoryPurchases,
    Tables,
    TestClock,
)
from support.number_world import AGENT, OTHER_WORKSPACE, WORKSPACE, NumberWorld, OneAccount

from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault
from sip_edge.provisioning.errors import ProvisioningError
from sip_edge.provisioning.number_values import NewNumber, PurchaseRequest, PurchaseState

NUMBERS = [f"+120255501{n:02}" for n in range(4)]
SETTLED = {PurchaseState.ACTIVE, PurchaseState.FAILED, PurchaseState.RELEASED}

FAULTS = st.sampled_from(
    [
        CarrierError(CarrierFault.DOWN, "no connection"),
        CarrierError(CarrierFault.DOWN, "no answer", may_have_happened=True),
        CarrierError(CarrierFault.NUMBER_GONE, "gone"),
        CarrierError(CarrierFault.RATE_LIMITED, "429", retry_after_seconds=30.0),
        CarrierError(CarrierFault.UNKNOWN, "what?"),
    ]
)
METHODS = st.sampled_from(["buy", "find_order", "find_number", "attach", "release", "search"])


class Killed(BaseException):
    """kill -9: nothing after it is carried out, and nobody catches it."""


class Mortal:
    """A port whose calls may be the last thing that a process does, before or after the deed."""

    def __init__(self, subject: object, fuse: Fuse) -> None:
        self._subject = subject
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        member = getattr(self._subject, name)
        if not inspect.iscoroutinefunction(member):
            return member
        return self._fuse.around(member)


class Fuse:
    """Burns down by two with each call: one for the moment before, one for the moment after."""

    def __init__(self) -> None:
        self.left: int | None = None

    def burn(self) -> None:
        if self.left is not None:
            self.left -= 1
            if self.left < 0:
                raise Killed

    def around(
        self, member: Callable[..., Awaitable[Any]]
    ) -> Callable[..., Coroutine[Any, Any, Any]]:
        async def call(*args: Any, **kwargs: Any) -> Any:
            self.burn()
            # Time goes by with each call, and others may come in between.
            await asyncio.sleep(0)
            result = await member(*args, **kwargs)
            self.burn()
            return result

        return call


class MoneyIsNeverLost(RuleBasedStateMachine):
    """Two processes over the same tables and the same account."""

    @initialize(is_slow=st.booleans())
    def begin(self, is_slow: bool) -> None:
        self.carrier = AccountInMemory()
        self.carrier.for_sale = list(NUMBERS)
        self.carrier.is_slow = is_slow
        self.tables = Tables()
        self.clock = TestClock()
        self.fuse = Fuse()
        mortal_account: Any = Mortal(self.carrier, self.fuse)
        self.processes = [
            NumberWorld(
                tables=self.tables,
                clock=self.clock,
                numbers=Mortal(InMemoryNumbers(self.tables), self.fuse),
                purchases=Mortal(InMemoryPurchases(self.tables), self.fuse),
                accounts=OneAccount(mortal_account),
            )
            for _ in range(2)
        ]

    def run(self, *work: Coroutine[Any, Any, Any], fuse: int | None = None) -> None:
        """Run pieces of work at once, until they are done or the fuse is burnt."""
        self.fuse.left = fuse

        async def survive(piece: Coroutine[Any, Any, Any]) -> None:
            try:
                await piece
            except (ProvisioningError, Killed):
                return

        async def all_at_once() -> None:
            await asyncio.gather(*(survive(piece) for piece in work))

        asyncio.run(all_at_once())
        self.fuse.left = None

    def purchase(
        self, process: int, number: str | None, key: str | None, workspace: UUID = WORKSPACE
    ) -> Coroutine[Any, Any, Any]:
        wanted = PurchaseRequest(agent_id=AGENT, phone_number=number)
        return self.processes[process].purchases.purchase(workspace, wanted, key)

    @rule(
        number=st.sampled_from([*NUMBERS, None]),
        key=st.sampled_from(["a", "b", None]),
        fuse=st.none() | st.integers(0, 30),
    )
    def buy(self, number: str | None, key: str | None, fuse: int | None) -> None:
        self.run(self.purchase(0, number, key), fuse=fuse)

    @rule(number=st.sampled_from(NUMBERS), key=st.sampled_from(["a", None]))
    def buy_in_two_processes_at_once(self, number: str, key: str | None) -> None:
        self.run(
            self.purchase(0, number, key),
            self.purchase(1, number, key),
            self.purchase(1, number, None, OTHER_WORKSPACE),
        )

    @rule(fuse=st.none() | st.integers(0, 12))
    def delete_one(self, fuse: int | None) -> None:
        for number in list(self.tables.numbers.values())[:1]:
            work = self.processes[0].numbers.delete(number.workspace_id, number.id)
            self.run(work, fuse=fuse)

    @rule(number=st.sampled_from(NUMBERS), is_verified=st.booleans())
    def somebody_registers(self, number: str, is_verified: bool) -> None:
        new = NewNumber(
            id=UUID(int=len(self.tables.numbers) + 7_000 + self.tables.count),
            workspace_id=OTHER_WORKSPACE,
            phone_number=number,
            friendly_name=None,
            provider="twilio",
            agent_id=AGENT,
            inbound_routing=None,
            is_verified=is_verified,
        )
        if self.tables.holder(number) is None:
            self.tables.insert(new, None)

    @rule(fuse=st.none() | st.integers(0, 20), seconds=st.sampled_from([0, 1, 95, 600, 4000]))
    def reconcile(self, fuse: int | None, seconds: int) -> None:
        self.clock.pass_time(timedelta(seconds=seconds))
        self.run(
            self.processes[0].reconciler.run_once(),
            self.processes[1].reconciler.run_once(),
            fuse=fuse,
        )

    @rule(method=METHODS, fault=FAULTS, times=st.integers(1, 3))
    def break_carrier(self, method: str, fault: CarrierError, times: int) -> None:
        self.carrier.fail(method, *[fault] * times)

    @rule(refuse=st.booleans())
    def settle(self, refuse: bool) -> None:
        self.carrier.settle(refuse=refuse)

    @rule()
    def orders_get_stuck(self) -> None:
        self.carrier.is_late = True

    @rule()
    def stuck_orders_arrive(self) -> None:
        self.carrier.is_late = False
        self.carrier.catch_up()

    @invariant()
    def no_purchase_spends_money_twice(self) -> None:
        if hasattr(self, "carrier"):
            sales = Counter(reference for reference, _ in self.carrier.sold)
            assert all(count == 1 for count in sales.values())

    @invariant()
    def a_number_with_a_row_is_owned(self) -> None:
        if hasattr(self, "carrier"):
            for number in self.tables.numbers.values():
                if number.origin.value == "purchased":
                    assert number.phone_number in self.carrier.owned

    def teardown(self) -> None:
        """The storm is over: everything that was begun ends, and nothing is left lying about."""
        if not hasattr(self, "carrier"):
            return
        self.carrier.faults.clear()
        self.carrier.is_late = False
        self.carrier.catch_up()
        self.carrier.settle()
        for _ in range(60):
            self.clock.pass_time(timedelta(hours=1))
            self.run(self.processes[1].reconciler.run_once())
        states = {each.state for each in self.tables.purchases.values()}
        assert states <= SETTLED
        usable = {
            number.phone_number
            for number in self.tables.numbers.values()
            if number.origin.value == "purchased"
        }
        assert set(self.carrier.owned) == usable
        keys = Counter(
            (each.workspace_id, each.idempotency_key)
            for each in self.tables.purchases.values()
            if each.idempotency_key is not None and each.state is PurchaseState.ACTIVE
        )
        assert all(count == 1 for count in keys.values())


TestMoneyIsNeverLost = MoneyIsNeverLost.TestCase
TestMoneyIsNeverLost.settings = settings(
    max_examples=120,
    stateful_step_count=25,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow],
)
