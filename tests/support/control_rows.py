"""Records of calls and messages as tests of the control API need them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

from sip_edge.provisioning.values import CallRecord, VoicemailRecord

STARTED_AT = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)


def call_record(number: int, **changes: Any) -> CallRecord:
    """The call of this minute."""
    at = STARTED_AT + timedelta(minutes=number)
    values: dict[str, Any] = {
        "id": UUID(f"ca110000-0000-4000-8000-{number:012}"),
        "state": "ended",
        "provider": "twilio",
        "call_sid": f"CA{number:032x}",
        "carrier_call_id": None,
        "phone_number": "+12025550101",
        "caller_number": "+12025550123",
        "caller": "sip:+12025550123@192.0.2.1",
        "started_at": at,
        "answered_at": at + timedelta(seconds=1),
        "ended_at": at + timedelta(seconds=9),
        "outcome": "agent",
        "refusal": None,
        "status": 200,
        "ended_by": "caller",
        "agent_id": None,
        "role": "primary",
        "agent_end": None,
        "codec": "PCMU",
        "attempts": (),
        "timeline": {},
    }
    return CallRecord(**{**values, **changes})


def voicemail_record(number: int, **changes: Any) -> VoicemailRecord:
    """The message of this minute."""
    message_id = UUID(f"0e550000-0000-4000-8000-{number:012}")
    values: dict[str, Any] = {
        "id": message_id,
        "call_id": UUID(f"ca110000-0000-4000-8000-{number:012}"),
        "phone_number": "+12025550101",
        "caller_number": "+12025550123",
        "agent_id": None,
        "received_at": STARTED_AT + timedelta(minutes=number),
        "seconds": 2.5,
        "size": 20058,
        "path": f"2026-07-01/{message_id}.wav",
    }
    return VoicemailRecord(**{**values, **changes})
