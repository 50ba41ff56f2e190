"""The rows of `calls` and `voicemails`, as the control API reads them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sip_edge.provisioning.values import CallRecord, VoicemailRecord
from sip_edge.storage.pages import fetch_page

if TYPE_CHECKING:
    from sip_edge.provisioning.values import (
        CallFilter,
        JsonObject,
        Page,
        PageRequest,
        VoicemailFilter,
    )
    from sip_edge.storage.control_database import ControlDatabase

_CALLS: Final = """
SELECT id, state, provider, call_sid, carrier_call_id, called_number, caller_number, caller,
    started_at, answered_at, ended_at, outcome, refusal, status, ended_by, agent_id, role,
    agent_end, codec, attempts::text AS attempts, timeline::text AS timeline
FROM calls
"""
_VOICEMAILS: Final = """
SELECT id, call_id, phone_number, caller_number, agent_id, received_at, seconds, bytes, path
FROM voicemails
"""
_ONE: Final = "WHERE workspace_id = $1 AND id = $2"


class PostgresRecords:
    """See provisioning.ports.RecordStore."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def calls(
        self, workspace_id: UUID, request: PageRequest, which: CallFilter
    ) -> Page[CallRecord]:
        """See RecordStore.calls."""
        return await fetch_page(
            self._database,
            select=_CALLS,
            time_column="started_at",
            conditions={
                "workspace_id = {}": workspace_id,
                "called_number = {}": which.number,
                "caller_number = {}": which.caller,
                "outcome = {}": which.outcome,
                "started_at >= {}": which.since,
                "started_at < {}": which.until,
            },
            request=request,
            read=_call,
        )

    async def call(self, workspace_id: UUID, call_id: UUID) -> CallRecord | None:
        """See RecordStore.call."""
        row = await self._database.fetchrow(_CALLS + _ONE, workspace_id, call_id)
        return None if row is None else _call(row)

    async def voicemails(
        self, workspace_id: UUID, request: PageRequest, which: VoicemailFilter
    ) -> Page[VoicemailRecord]:
        """See RecordStore.voicemails."""
        return await fetch_page(
            self._database,
            select=_VOICEMAILS,
            time_column="received_at",
            conditions={
                "workspace_id = {}": workspace_id,
                "phone_number = {}": which.number,
                "caller_number = {}": which.caller,
                "received_at >= {}": which.since,
                "received_at < {}": which.until,
            },
            request=request,
            read=_voicemail,
        )

    async def voicemail(self, workspace_id: UUID, message_id: UUID) -> VoicemailRecord | None:
        """See RecordStore.voicemail."""
        row = await self._database.fetchrow(_VOICEMAILS + _ONE, workspace_id, message_id)
        return None if row is None else _voicemail(row)


def _call(row: Any) -> CallRecord:
    attempts = json.loads(row["attempts"])
    timeline = json.loads(row["timeline"])
    return CallRecord(
        id=UUID(int=row["id"].int),
        state=row["state"],
        provider=row["provider"],
        call_sid=row["call_sid"],
        carrier_call_id=row["carrier_call_id"],
        phone_number=row["called_number"],
        caller_number=row["caller_number"],
        caller=row["caller"],
        started_at=row["started_at"],
        answered_at=row["answered_at"],
        ended_at=row["ended_at"],
        outcome=row["outcome"],
        refusal=row["refusal"],
        status=row["status"],
        ended_by=row["ended_by"],
        agent_id=_optional(row["agent_id"]),
        role=row["role"],
        agent_end=row["agent_end"],
        codec=row["codec"],
        attempts=_objects(attempts),
        timeline=timeline if isinstance(timeline, dict) else {},
    )


def _voicemail(row: Any) -> VoicemailRecord:
    return VoicemailRecord(
        id=UUID(int=row["id"].int),
        call_id=UUID(int=row["call_id"].int),
        phone_number=row["phone_number"],
        caller_number=row["caller_number"],
        agent_id=_optional(row["agent_id"]),
        received_at=row["received_at"],
        seconds=round(row["seconds"], 3),  # What `real` adds in the tenth place is noise.
        size=row["bytes"],
        path=row["path"],
    )


def _objects(value: object) -> tuple[JsonObject, ...]:
    items = value if isinstance(value, list) else []
    return tuple(item for item in items if isinstance(item, dict))


def _optional(value: UUID | None) -> UUID | None:
    return None if value is None else UUID(int=value.int)
