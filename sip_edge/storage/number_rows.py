"""The rows of `phone_numbers` and `outbound_trunks`, as the control API reads and writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import asyncpg

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import Origin, PhoneNumber, dispatch_rule_id
from sip_edge.storage.pages import fetch_page

if TYPE_CHECKING:
    from sip_edge.provisioning.number_values import NewNumber, NewOutboundTrunk, NumberFilter
    from sip_edge.provisioning.values import JsonObject, Page, PageRequest
    from sip_edge.storage.control_database import ControlDatabase

_COLUMNS: Final = (
    "id, workspace_id, phone_number, friendly_name, provider, agent_id, status, inbound_trunk_id,"
    " outbound_trunk_id, inbound_routing::text AS inbound_routing, credential_id, sms_capable,"
    " origin, is_verified, carrier_number_id, was_attached, previous_trunk_id, created_at,"
    " updated_at"
)
_FIND: Final = f"SELECT {_COLUMNS} FROM phone_numbers WHERE workspace_id = $1 AND id = $2"
_HOLDER: Final = f"SELECT {_COLUMNS} FROM phone_numbers WHERE phone_number = $1"
_LOCK: Final = """
SELECT id, workspace_id, is_verified FROM phone_numbers WHERE phone_number = $1 FOR UPDATE
"""
_INSERT: Final = f"""
INSERT INTO phone_numbers (
    id, workspace_id, phone_number, friendly_name, provider, agent_id, status, inbound_trunk_id,
    outbound_trunk_id, dispatch_rule_id, credential_id, provider_config, inbound_routing,
    sms_capable, origin, is_verified, carrier_number_id, was_attached, previous_trunk_id
) VALUES (
    $1, $2, $3, $4, $5, $6, 'active', $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18
) RETURNING {_COLUMNS}
"""
_INSERT_TRUNK: Final = """
INSERT INTO outbound_trunks
    (id, workspace_id, phone_number_id, provider, trunk_address, auth_username, sealed_password)
VALUES ($1, $2, $3, $4, $5, $6, $7)
"""
_DELETE: Final = f"""
DELETE FROM phone_numbers WHERE workspace_id = $1 AND id = $2 AND origin = 'registered'
RETURNING {_COLUMNS}
"""
_CHANGEABLE: Final = ("agent_id", "friendly_name", "inbound_routing")


class PostgresNumbers:
    """See provisioning.number_ports.NumberStore."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def find(self, workspace_id: UUID, number_id: UUID) -> PhoneNumber | None:
        """See NumberStore.find."""
        row = await self._database.fetchrow(_FIND, workspace_id, number_id)
        return None if row is None else _number(row)

    async def holder(self, phone_number: str) -> PhoneNumber | None:
        """See NumberStore.holder."""
        row = await self._database.fetchrow(_HOLDER, phone_number)
        return None if row is None else _number(row)

    async def page(
        self, workspace_id: UUID, request: PageRequest, which: NumberFilter
    ) -> Page[PhoneNumber]:
        """See NumberStore.page."""
        return await fetch_page(
            self._database,
            select=f"SELECT {_COLUMNS} FROM phone_numbers",
            time_column="created_at",
            conditions={
                "workspace_id = {}": workspace_id,
                "phone_number = {}": which.phone_number,
                "agent_id = {}": which.agent_id,
                "provider = {}": which.provider,
                "status = {}": which.status,
            },
            request=request,
            read=_number,
        )

    async def add(self, number: NewNumber, outbound: NewOutboundTrunk | None) -> PhoneNumber:
        """See NumberStore.add."""
        try:
            async with self._database.transaction() as connection:
                return await insert_number(connection, number, outbound)
        except asyncpg.UniqueViolationError as error:
            raise taken() from error

    async def update(
        self, workspace_id: UUID, number_id: UUID, changes: JsonObject
    ) -> PhoneNumber | None:
        """See NumberStore.update."""
        values = {name: changes[name] for name in _CHANGEABLE if name in changes}
        if "inbound_routing" in values:
            routing = values["inbound_routing"]
            values["inbound_routing"] = _json(routing)
            values["dispatch_rule_id"] = None if routing is None else _rule(number_id)
        assignments = ", ".join(f"{name} = ${place}" for place, name in enumerate(values, start=3))
        row = await self._database.fetchrow(
            f"UPDATE phone_numbers SET {assignments} WHERE workspace_id = $1 AND id = $2"
            f" RETURNING {_COLUMNS}",
            workspace_id,
            number_id,
            *values.values(),
        )
        return None if row is None else _number(row)

    async def remove(self, workspace_id: UUID, number_id: UUID) -> PhoneNumber | None:
        """See NumberStore.remove. A trigger takes its outbound trunk, too."""
        row = await self._database.fetchrow(_DELETE, workspace_id, number_id)
        return None if row is None else _number(row)


async def insert_number(
    connection: asyncpg.Connection, number: NewNumber, outbound: NewOutboundTrunk | None
) -> PhoneNumber:
    """Write a number within a transaction of the caller's.

    A verified one replaces an unverified one. Raises ProvisioningError(NUMBER_TAKEN), or
    UniqueViolationError if somebody else writes the same number at the same moment.
    """
    number_id = number.id
    held = await connection.fetchrow(_LOCK, number.phone_number)
    if held is not None:
        if held["is_verified"] or not number.is_verified:
            raise taken()
        await connection.execute("DELETE FROM phone_numbers WHERE id = $1", held["id"])
        if held["workspace_id"] == number.workspace_id and number.origin is Origin.REGISTERED:
            number_id = _uuid(held["id"])
    row = await connection.fetchrow(
        _INSERT,
        number_id,
        number.workspace_id,
        number.phone_number,
        number.friendly_name,
        number.provider,
        number.agent_id,
        number.inbound_trunk_id,
        None if outbound is None else str(outbound.id),
        None if number.inbound_routing is None else _rule(number_id),
        number.credential_id,
        _json(number.provider_config),
        _json(number.inbound_routing),
        number.sms_capable,
        number.origin.value,
        number.is_verified,
        number.carrier_number_id,
        number.was_attached,
        number.previous_trunk_id,
    )
    if outbound is not None:
        await connection.execute(
            _INSERT_TRUNK,
            outbound.id,
            number.workspace_id,
            number_id,
            number.provider,
            outbound.trunk_address,
            outbound.auth_username,
            outbound.sealed_password,
        )
    return _number(row)


def taken() -> ProvisioningError:
    """Somebody has this number."""
    return ProvisioningError(ErrorCode.NUMBER_TAKEN, "This number has been registered already.")


def _json(value: object) -> str | None:
    return None if value is None else json.dumps(value)


def _rule(number_id: UUID) -> str:
    return str(dispatch_rule_id(number_id))


def _number(row: Any) -> PhoneNumber:
    return PhoneNumber(
        id=_uuid(row["id"]),
        workspace_id=_uuid(row["workspace_id"]),
        phone_number=row["phone_number"],
        friendly_name=row["friendly_name"],
        provider=row["provider"],
        agent_id=_uuid_or_none(row["agent_id"]),
        status=row["status"],
        inbound_trunk_id=row["inbound_trunk_id"],
        outbound_trunk_id=row["outbound_trunk_id"],
        inbound_routing=_routing(row["inbound_routing"]),
        credential_id=_uuid_or_none(row["credential_id"]),
        sms_capable=row["sms_capable"],
        origin=Origin(row["origin"]),
        is_verified=row["is_verified"],
        carrier_number_id=row["carrier_number_id"],
        was_attached=row["was_attached"],
        previous_trunk_id=row["previous_trunk_id"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _routing(text: str | None) -> JsonObject | None:
    """None for NULL, JSON null and {}; whoever writes by SQL may have written anything."""
    value = None if text is None else json.loads(text)
    return value if isinstance(value, dict) and value else None


def _uuid(value: UUID) -> UUID:
    """asyncpg's own UUIDs, which are subclasses, as the standard library's."""
    return UUID(int=value.int)


def _uuid_or_none(value: UUID | None) -> UUID | None:
    return None if value is None else _uuid(value)
