"""The rows of `purchases`: written before money is spent, and never removed."""

from __future__ import annotations

import json
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import Origin, Purchase, PurchaseState, limit_reached
from sip_edge.storage.number_rows import insert_number, taken

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.provisioning.number_values import NewNumber
    from sip_edge.storage.control_database import ControlDatabase

_COLUMNS: Final = (
    "id, workspace_id, number_id, provider, account_id, phone_number, agent_id, friendly_name,"
    " inbound_routing::text AS inbound_routing, idempotency_key, state, trunk_id,"
    " carrier_number_id, sms_capable, failure, attempts, is_order_known, state_since, due_at,"
    " created_at, version"
)
# Without ON CONFLICT's target: whichever of the unique indexes says no.
_INSERT: Final = f"""
INSERT INTO purchases (
    id, workspace_id, number_id, provider, account_id, phone_number, agent_id, friendly_name,
    inbound_routing, idempotency_key, state, trunk_id, state_since, due_at, created_at
) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15)
ON CONFLICT DO NOTHING RETURNING {_COLUMNS}
"""
# One purchase of a workspace at a time is recorded: none can be written between another's count and
# its commit. The weaker lock, so that rows that refer to the workspace can be written meanwhile.
_LOCK: Final = "SELECT FROM workspaces WHERE id = $1 FOR NO KEY UPDATE"
# Both conditions as the index of idempotency keys has the first: it finds a workspace's rows.
_COUNT: Final = """
SELECT count(*) FROM purchases
WHERE workspace_id = $1 AND state <> 'failed' AND state <> 'released'
"""
_HAS_ROOM: Final = """
SELECT count(*) < $2
    OR coalesce(bool_or(phone_number = $3 AND state IN ('ordering', 'bought', 'releasing')), false)
FROM purchases WHERE workspace_id = $1 AND state <> 'failed' AND state <> 'released'
"""
_OVERDUE: Final = """
SELECT count(*) FROM purchases
WHERE state IN ('ordering', 'bought', 'releasing') AND state_since <= $1
"""
_HELD: Final = "SELECT is_verified, origin FROM phone_numbers WHERE phone_number = $1"
_UNDER_WAY: Final = f"""
SELECT {_COLUMNS} FROM purchases
WHERE phone_number = $1 AND state IN ('ordering', 'bought', 'releasing')
"""
_BY_KEY: Final = f"""
SELECT {_COLUMNS} FROM purchases
WHERE workspace_id = $1 AND idempotency_key = $2 AND state <> 'failed'
"""
_FIND: Final = f"SELECT {_COLUMNS} FROM purchases WHERE id = $1"
_BY_NUMBER: Final = f"SELECT {_COLUMNS} FROM purchases WHERE workspace_id = $1 AND number_id = $2"
_SAVE: Final = f"""
UPDATE purchases SET
    state = $3, trunk_id = $4, carrier_number_id = $5, sms_capable = $6, failure = $7,
    attempts = $8, is_order_known = $9, state_since = $10, due_at = $11, version = version + 1
WHERE id = $1 AND version = $2 RETURNING {_COLUMNS}
"""
_REMOVE_NUMBER: Final = """
DELETE FROM phone_numbers WHERE workspace_id = $1 AND id = $2 AND origin = 'purchased'
"""
_GIVE_BACK: Final = f"""
UPDATE purchases SET
    state = 'releasing', attempts = 0, state_since = $3, due_at = $4, version = version + 1
WHERE workspace_id = $1 AND number_id = $2 AND state = 'active' RETURNING {_COLUMNS}
"""
_LEASE: Final = f"""
WITH due AS (
    SELECT id FROM purchases
    WHERE state IN ('ordering', 'bought', 'releasing', 'doubtful') AND due_at <= $1
    ORDER BY due_at LIMIT $3 FOR UPDATE SKIP LOCKED
)
UPDATE purchases SET due_at = $2, version = version + 1
WHERE id IN (SELECT id FROM due) RETURNING {_COLUMNS}
"""

GIVE_BACK_RETRY_SECONDS: Final = 5.0
"""When to ask again: a carrier refuses to sell what we have within a second or two."""


class PostgresPurchases:
    """See provisioning.number_ports.PurchaseStore."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def record(self, purchase: Purchase, *, most: int) -> tuple[Purchase, bool]:
        """See PurchaseStore.record."""
        async with self._database.transaction() as connection:
            held = await connection.fetchrow(_HELD, purchase.phone_number)
            if held is not None and held["is_verified"]:
                raise taken()
            await connection.execute(_LOCK, purchase.workspace_id)
            row = await connection.fetchrow(_INSERT, *_wishes(purchase))
            # Counted last: what is there already is joined, however many there are.
            if row is not None and await connection.fetchval(_COUNT, purchase.workspace_id) > most:
                raise limit_reached(most)
        if row is not None:
            return _purchase(row), True
        return await self._rival(purchase), False

    async def has_room(self, workspace_id: UUID, phone_number: str | None, *, most: int) -> bool:
        """See PurchaseStore.has_room."""
        row = await self._database.fetchrow(_HAS_ROOM, workspace_id, most, phone_number)
        return row is not None and bool(row[0])

    async def count_overdue(self, since: datetime) -> int:
        """See PurchaseStore.count_overdue."""
        row = await self._database.fetchrow(_OVERDUE, since)
        return 0 if row is None else int(row[0])

    async def by_key(self, workspace_id: UUID, idempotency_key: str) -> Purchase | None:
        """See PurchaseStore.by_key."""
        return await self._one(_BY_KEY, workspace_id, idempotency_key)

    async def find(self, purchase_id: UUID) -> Purchase | None:
        """See PurchaseStore.find."""
        return await self._one(_FIND, purchase_id)

    async def by_number(self, workspace_id: UUID, number_id: UUID) -> Purchase | None:
        """See PurchaseStore.by_number."""
        return await self._one(_BY_NUMBER, workspace_id, number_id)

    async def save(self, purchase: Purchase) -> Purchase | None:
        """See PurchaseStore.save."""
        try:
            return await self._one(_SAVE, *_changes(purchase))
        except asyncpg.UniqueViolationError:
            return None

    async def is_sold(self, phone_number: str) -> bool:
        """See PurchaseStore.is_sold."""
        held = await self._database.fetchrow(_HELD, phone_number)
        return held is not None and held["origin"] == Origin.PURCHASED.value

    async def finish(self, purchase: Purchase, number: NewNumber) -> Purchase | None:
        """See PurchaseStore.finish."""
        try:
            async with self._database.transaction() as connection:
                # First, so that whoever is late finds out before anything is written.
                row = await connection.fetchrow(_SAVE, *_changes(purchase))
                if row is None:
                    return None
                await insert_number(connection, number, None)
        except asyncpg.UniqueViolationError as error:
            raise taken() from error
        return _purchase(row)

    async def give_back(
        self, workspace_id: UUID, number_id: UUID, *, now: datetime, due_at: datetime
    ) -> Purchase | None:
        """See PurchaseStore.give_back."""
        try:
            async with self._database.transaction() as connection:
                row = await connection.fetchrow(_GIVE_BACK, workspace_id, number_id, now, due_at)
                if row is None:
                    return None
                await connection.execute(_REMOVE_NUMBER, workspace_id, number_id)
        except asyncpg.UniqueViolationError as error:
            raise ProvisioningError(
                ErrorCode.PURCHASE_PENDING,
                "Somebody is trying to buy this number; try again.",
                retry_after_seconds=GIVE_BACK_RETRY_SECONDS,
            ) from error
        return _purchase(row)

    async def lease(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Purchase]:
        """See PurchaseStore.lease."""
        rows = await self._database.fetch(_LEASE, now, until, limit)
        return sorted((_purchase(row) for row in rows), key=lambda each: each.created_at)

    async def _rival(self, purchase: Purchase) -> Purchase:
        """The purchase whose key or number is the same."""
        if purchase.idempotency_key is not None:
            same = await self.by_key(purchase.workspace_id, purchase.idempotency_key)
            if same is not None:
                return same
        same = await self._one(_UNDER_WAY, purchase.phone_number)
        if (
            same is None
            or same.workspace_id != purchase.workspace_id
            or same.state is PurchaseState.RELEASING
        ):
            raise ProvisioningError(
                ErrorCode.NUMBER_UNAVAILABLE, "This number is not for sale at the moment."
            )
        return same

    async def _one(self, statement: str, *arguments: object) -> Purchase | None:
        row = await self._database.fetchrow(statement, *arguments)
        return None if row is None else _purchase(row)


def _wishes(purchase: Purchase) -> tuple[object, ...]:
    """In the order of `_INSERT`."""
    return (
        purchase.id,
        purchase.workspace_id,
        purchase.number_id,
        purchase.provider,
        purchase.account_id,
        purchase.phone_number,
        purchase.agent_id,
        purchase.friendly_name,
        None if purchase.inbound_routing is None else json.dumps(purchase.inbound_routing),
        purchase.idempotency_key,
        purchase.state.value,
        purchase.trunk_id,
        purchase.state_since,
        purchase.due_at,
        purchase.created_at,
    )


def _changes(purchase: Purchase) -> tuple[object, ...]:
    """In the order of `_SAVE`."""
    return (
        purchase.id,
        purchase.version,
        purchase.state.value,
        purchase.trunk_id,
        purchase.carrier_number_id,
        purchase.sms_capable,
        None if purchase.failure is None else purchase.failure.value,
        purchase.attempts,
        purchase.is_order_known,
        purchase.state_since,
        purchase.due_at,
    )


def _purchase(row: Any) -> Purchase:
    routing = row["inbound_routing"]
    failure = row["failure"]
    return Purchase(
        id=_uuid(row["id"]),
        workspace_id=_uuid(row["workspace_id"]),
        number_id=_uuid(row["number_id"]),
        provider=row["provider"],
        account_id=row["account_id"],
        phone_number=row["phone_number"],
        agent_id=_uuid(row["agent_id"]),
        friendly_name=row["friendly_name"],
        inbound_routing=None if routing is None else json.loads(routing),
        idempotency_key=row["idempotency_key"],
        state=PurchaseState(row["state"]),
        trunk_id=row["trunk_id"],
        carrier_number_id=row["carrier_number_id"],
        sms_capable=row["sms_capable"],
        failure=None if failure is None else ErrorCode(failure),
        attempts=row["attempts"],
        is_order_known=row["is_order_known"],
        state_since=row["state_since"],
        due_at=row["due_at"],
        created_at=row["created_at"],
        version=row["version"],
    )


def _uuid(value: UUID) -> UUID:
    """asyncpg's own UUIDs, which are subclasses, as the standard library's."""
    return UUID(int=value.int)
