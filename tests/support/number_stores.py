"""The stores of numbers and purchases, in memory: each call is a transaction."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from uuid import UUID

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import (
    FINAL_STATES,
    UNDER_WAY,
    NewNumber,
    NewOutboundTrunk,
    NumberFilter,
    Origin,
    PhoneNumber,
    Purchase,
    PurchaseState,
    limit_reached,
)
from sip_edge.provisioning.values import JsonObject, Page, PageRequest, Position

EPOCH = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


class TestClock:
    """The time of day, moved by hand; `sleep` moves it too."""

    __test__ = False

    def __init__(self) -> None:
        self.now = EPOCH

    def __call__(self) -> datetime:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.pass_time(timedelta(seconds=seconds))

    def pass_time(self, delta: timedelta) -> None:
        self.now += delta


@dataclass
class Tables:
    """What PostgreSQL would hold."""

    numbers: dict[UUID, PhoneNumber] = field(default_factory=dict)
    trunks: dict[UUID, NewOutboundTrunk] = field(default_factory=dict)
    configs: dict[UUID, JsonObject] = field(default_factory=dict)
    purchases: dict[UUID, Purchase] = field(default_factory=dict)
    count: int = 0

    def holder(self, phone_number: str) -> PhoneNumber | None:
        return next((n for n in self.numbers.values() if n.phone_number == phone_number), None)

    def insert(self, new: NewNumber, outbound: NewOutboundTrunk | None) -> PhoneNumber:
        number_id = new.id
        held = self.holder(new.phone_number)
        if held is not None:
            if held.is_verified or not new.is_verified:
                raise _taken()
            self.drop(held.id)
            if held.workspace_id == new.workspace_id and new.origin is Origin.REGISTERED:
                number_id = held.id
        self.count += 1
        at = EPOCH + timedelta(seconds=self.count)
        number = PhoneNumber(
            id=number_id,
            workspace_id=new.workspace_id,
            phone_number=new.phone_number,
            friendly_name=new.friendly_name,
            provider=new.provider,
            agent_id=new.agent_id,
            status="active",
            inbound_trunk_id=new.inbound_trunk_id,
            outbound_trunk_id=None if outbound is None else str(outbound.id),
            inbound_routing=new.inbound_routing,
            credential_id=new.credential_id,
            sms_capable=new.sms_capable,
            origin=new.origin,
            is_verified=new.is_verified,
            carrier_number_id=new.carrier_number_id,
            was_attached=new.was_attached,
            previous_trunk_id=new.previous_trunk_id,
            created_at=at,
            updated_at=at,
        )
        self.numbers[number_id] = number
        self.configs[number_id] = new.provider_config
        if outbound is not None:
            self.trunks[outbound.id] = outbound
        return number

    def drop(self, number_id: UUID) -> PhoneNumber:
        number = self.numbers.pop(number_id)
        self.configs.pop(number_id)
        if number.outbound_trunk_id is not None:
            del self.trunks[UUID(number.outbound_trunk_id)]
        return number


class InMemoryNumbers:
    """See NumberStore."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def find(self, workspace_id: UUID, number_id: UUID) -> PhoneNumber | None:
        number = self._tables.numbers.get(number_id)
        return number if number is not None and number.workspace_id == workspace_id else None

    async def holder(self, phone_number: str) -> PhoneNumber | None:
        return self._tables.holder(phone_number)

    async def page(
        self, workspace_id: UUID, request: PageRequest, which: NumberFilter
    ) -> Page[PhoneNumber]:
        wanted = {
            "phone_number": which.phone_number,
            "agent_id": which.agent_id,
            "provider": which.provider,
            "status": which.status,
        }
        found = [
            number
            for number in self._tables.numbers.values()
            if number.workspace_id == workspace_id
            and all(value in (None, getattr(number, name)) for name, value in wanted.items())
        ]
        found.sort(key=lambda number: (number.created_at, number.id), reverse=True)
        if request.after is not None:
            after = (request.after.at, request.after.id)
            found = [number for number in found if (number.created_at, number.id) < after]
        kept = found[: request.limit]
        more = len(found) > request.limit
        return Page(tuple(kept), Position(kept[-1].created_at, kept[-1].id) if more else None)

    async def add(self, number: NewNumber, outbound: NewOutboundTrunk | None) -> PhoneNumber:
        return self._tables.insert(number, outbound)

    async def update(
        self, workspace_id: UUID, number_id: UUID, changes: JsonObject
    ) -> PhoneNumber | None:
        number = await self.find(workspace_id, number_id)
        if number is None:
            return None
        changed = replace(number, **changes)
        self._tables.numbers[number_id] = changed
        return changed

    async def remove(self, workspace_id: UUID, number_id: UUID) -> PhoneNumber | None:
        number = await self.find(workspace_id, number_id)
        if number is None or number.origin is not Origin.REGISTERED:
            return None
        return self._tables.drop(number_id)


class InMemoryPurchases:
    """See PurchaseStore."""

    def __init__(self, tables: Tables) -> None:
        self._tables = tables

    async def record(self, purchase: Purchase, *, most: int) -> tuple[Purchase, bool]:
        held = self._tables.holder(purchase.phone_number)
        if held is not None and held.is_verified:
            raise _taken()
        if purchase.idempotency_key is not None:
            same = await self.by_key(purchase.workspace_id, purchase.idempotency_key)
            if same is not None:
                return same, False
        for other in self._tables.purchases.values():
            if other.phone_number == purchase.phone_number and other.state in UNDER_WAY:
                is_ours = other.workspace_id == purchase.workspace_id
                if not is_ours or other.state is PurchaseState.RELEASING:
                    raise ProvisioningError(ErrorCode.NUMBER_UNAVAILABLE, "not for sale")
                return other, False
        if self._count(purchase.workspace_id) >= most:
            raise limit_reached(most)
        self._tables.purchases[purchase.id] = purchase
        return purchase, True

    async def has_room(self, workspace_id: UUID, phone_number: str | None, *, most: int) -> bool:
        return self._count(workspace_id) < most or any(
            each.phone_number == phone_number and each.state in UNDER_WAY
            for each in self._tables.purchases.values()
            if each.workspace_id == workspace_id
        )

    async def count_overdue(self, since: datetime) -> int:
        return sum(
            each.state in UNDER_WAY and each.state_since <= since
            for each in self._tables.purchases.values()
        )

    async def by_key(self, workspace_id: UUID, idempotency_key: str) -> Purchase | None:
        for each in self._tables.purchases.values():
            if (
                each.workspace_id == workspace_id
                and each.idempotency_key == idempotency_key
                and each.state is not PurchaseState.FAILED
            ):
                return each
        return None

    async def find(self, purchase_id: UUID) -> Purchase | None:
        return self._tables.purchases.get(purchase_id)

    async def by_number(self, workspace_id: UUID, number_id: UUID) -> Purchase | None:
        for each in self._tables.purchases.values():
            if each.workspace_id == workspace_id and each.number_id == number_id:
                return each
        return None

    async def save(self, purchase: Purchase) -> Purchase | None:
        known = self._tables.purchases[purchase.id]
        if known.version != purchase.version:
            return None
        if purchase.state in UNDER_WAY and self._has_rival(purchase):
            return None
        return self._write(purchase)

    async def is_sold(self, phone_number: str) -> bool:
        held = self._tables.holder(phone_number)
        return held is not None and held.origin is Origin.PURCHASED

    async def finish(self, purchase: Purchase, number: NewNumber) -> Purchase | None:
        if self._tables.purchases[purchase.id].version != purchase.version:
            return None
        self._tables.insert(number, None)
        return self._write(purchase)

    async def give_back(
        self, workspace_id: UUID, number_id: UUID, *, now: datetime, due_at: datetime
    ) -> Purchase | None:
        purchase = await self.by_number(workspace_id, number_id)
        if purchase is None or purchase.state is not PurchaseState.ACTIVE:
            return None
        if self._has_rival(purchase):
            raise ProvisioningError(ErrorCode.PURCHASE_PENDING, "being bought")
        self._tables.drop(number_id)
        return self._write(
            replace(
                purchase,
                state=PurchaseState.RELEASING,
                attempts=0,
                state_since=now,
                due_at=due_at,
            )
        )

    async def lease(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Purchase]:
        due = sorted(
            (
                each
                for each in self._tables.purchases.values()
                if each.state not in FINAL_STATES and each.due_at <= now
            ),
            key=lambda each: each.due_at,
        )[:limit]
        taken = [self._write(replace(each, due_at=until)) for each in due]
        return sorted(taken, key=lambda each: each.created_at)

    def _count(self, workspace_id: UUID) -> int:
        return sum(
            each.workspace_id == workspace_id
            and each.state not in (PurchaseState.FAILED, PurchaseState.RELEASED)
            for each in self._tables.purchases.values()
        )

    def _has_rival(self, purchase: Purchase) -> bool:
        return any(
            other.phone_number == purchase.phone_number and other.id != purchase.id
            for other in self._tables.purchases.values()
            if other.state in UNDER_WAY
        )

    def _write(self, purchase: Purchase) -> Purchase:
        written = replace(purchase, version=purchase.version + 1)
        self._tables.purchases[purchase.id] = written
        return written


class KnownAgents:
    """See AgentCheck: a workspace has these agents."""

    def __init__(self, *known: tuple[UUID, UUID]) -> None:
        self.known = set(known)

    async def require(self, workspace_id: UUID, agent_ids: Collection[UUID]) -> None:
        for agent_id in agent_ids:
            if (workspace_id, agent_id) not in self.known:
                raise ProvisioningError(ErrorCode.AGENT_NOT_FOUND, f"There is no agent {agent_id}.")


def _taken() -> ProvisioningError:
    return ProvisioningError(ErrorCode.NUMBER_TAKEN, "This number has been registered already.")
