"""A carrier's account in memory, whose answers can be lost, late, or wrong."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from sip_edge.provisioning.carrier_port import (
    AvailableNumber,
    CarrierError,
    CarrierFault,
    Order,
    OrderState,
    OwnedNumber,
    SearchQuery,
    TrunkHint,
)

TRUNK = "TK1"


class AccountInMemory:
    """See CarrierAccount.

    `faults` maps a method's name to what happens at its next calls: a CarrierError is raised before
    anything is done, or after if its `may_have_happened` says so. `late` orders are carried out
    only by `catch_up`. With `is_slow`, orders are pending until `settle`.
    """

    def __init__(self, *, account_id: str | None = "AC1") -> None:
        self.account_id = account_id
        self.for_sale: list[str] = []
        self.owned: dict[str, OwnedNumber] = {}
        self.orders: dict[str, Order] = {}
        self.trunks: list[str] = []
        self.faults: dict[str, list[CarrierError]] = {}
        self.sold: list[tuple[str, str]] = []
        self.returned: list[str] = []
        self.calls: list[str] = []
        self.is_slow = False
        self.is_late = False
        self.late: list[tuple[str, str, str]] = []
        self.hints: list[TrunkHint] = []
        self.closed = 0
        self._pending: dict[str, str] = {}
        self._trunk_ids: dict[str, str] = {}
        self._count = 0

    def fail(self, method: str, *errors: CarrierError) -> None:
        self.faults.setdefault(method, []).extend(errors)

    def own(self, phone_number: str, trunk_id: str | None = None) -> OwnedNumber:
        """A number that the account had before."""
        self._count += 1
        number = OwnedNumber(
            carrier_number_id=f"PN{self._count}",
            phone_number=phone_number,
            trunk_id=trunk_id,
            sms_capable=True,
        )
        self.owned[phone_number] = number
        return number

    def settle(self, *, refuse: bool = False) -> None:
        """What was pending succeeds, or is refused."""
        for reference, order in list(self.orders.items()):
            if order.state is OrderState.PENDING:
                self._settle(reference, self._pending[reference], refuse=refuse)

    def catch_up(self) -> None:
        """Orders that got stuck on their way arrive."""
        for phone_number, reference, trunk_id in self.late:
            if phone_number in self.for_sale:
                self._sell(phone_number, reference, trunk_id)
        self.late.clear()

    async def search(self, query: SearchQuery) -> Sequence[AvailableNumber]:
        self._begin("search")
        found = [n for n in self.for_sale if (query.contains or "") in n][: query.limit]
        return [AvailableNumber(phone_number=n, country=query.country) for n in found]

    async def find_number(self, phone_number: str) -> OwnedNumber | None:
        self._begin("find_number")
        return self.owned.get(phone_number)

    async def buy(self, phone_number: str, *, reference: str, trunk_id: str) -> Order:
        after = self._begin("buy")
        if self.is_late:
            self.late.append((phone_number, reference, trunk_id))
            raise CarrierError(CarrierFault.DOWN, "no answer", may_have_happened=True)
        if phone_number not in self.for_sale:
            if after is not None:
                raise after
            raise CarrierError(CarrierFault.NUMBER_GONE, "gone")
        self._sell(phone_number, reference, trunk_id)
        if after is not None:
            raise after
        return self.orders[reference]

    async def find_order(self, phone_number: str, *, reference: str) -> Order | None:
        self._begin("find_order")
        return self.orders.get(reference)

    async def ensure_trunk(self, origination_uri: str, hint: TrunkHint) -> str:
        self._begin("ensure_trunk")
        self.hints.append(hint)
        if hint.trunk_id is not None and hint.trunk_id in self.trunks:
            return hint.trunk_id
        return TRUNK

    async def attach(self, number: OwnedNumber, trunk_id: str) -> None:
        self._begin("attach")
        self.owned[number.phone_number] = replace(
            self.owned[number.phone_number], trunk_id=trunk_id
        )

    async def detach(self, number: OwnedNumber, trunk_id: str) -> None:
        self._begin("detach")
        self.owned[number.phone_number] = replace(self.owned[number.phone_number], trunk_id=None)

    async def release(self, carrier_number_id: str) -> None:
        after = self._begin("release")
        for phone_number, number in list(self.owned.items()):
            if number.carrier_number_id == carrier_number_id:
                del self.owned[phone_number]
                self.returned.append(phone_number)
                self.for_sale.append(phone_number)
        if after is not None:
            raise after

    async def aclose(self) -> None:
        self.closed += 1

    def _begin(self, method: str) -> CarrierError | None:
        """Note the call; raise its fault, or give it back if it comes after the deed."""
        self.calls.append(method)
        waiting = self.faults.get(method)
        if not waiting:
            return None
        error = waiting.pop(0)
        if error.may_have_happened:
            return error
        raise error

    def _sell(self, phone_number: str, reference: str, trunk_id: str) -> None:
        self.for_sale.remove(phone_number)
        self._trunk_ids[reference] = trunk_id
        if self.is_slow:
            self._pending[reference] = phone_number
            self.orders[reference] = Order(state=OrderState.PENDING)
            return
        self._settle(reference, phone_number)

    def _settle(self, reference: str, phone_number: str, *, refuse: bool = False) -> None:
        if refuse:
            self.for_sale.append(phone_number)
            self.orders[reference] = Order(state=OrderState.REFUSED, fault=CarrierFault.NUMBER_GONE)
            return
        number = self.own(phone_number, self._trunk_ids[reference])
        self.sold.append((reference, phone_number))
        self.orders[reference] = Order(state=OrderState.BOUGHT, number=number)
