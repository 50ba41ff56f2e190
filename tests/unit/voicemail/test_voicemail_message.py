"""A message as the content of its sidecar."""

from __future__ import annotations

import msgspec
from support.voicemail import MESSAGE_ID, message

from sip_edge.voicemail.message import Message


def test_it_survives_being_written_and_read() -> None:
    whole = message(seconds=2.5, size=20058)

    assert msgspec.json.decode(msgspec.json.encode(whole), type=Message) == whole


def test_it_is_readable_for_people() -> None:
    assert msgspec.json.decode(msgspec.json.encode(message())) == {
        "id": str(MESSAGE_ID),
        "call_id": "44444444-4444-4444-8444-444444444444",
        "phone_number": "+12025550100",
        "caller_number": "+12025550123",
        "agent_id": None,
        "received_at": "2025-11-21T15:30:00Z",
        "path": "2025-11-21/55555555-5555-4555-8555-555555555555.wav",
        "seconds": 0.0,
        "size": 0,
        "workspace_id": None,
    }


def test_message_of_an_older_version_belongs_to_nobody() -> None:
    sidecar = msgspec.json.decode(msgspec.json.encode(message(seconds=2.5)))
    del sidecar["workspace_id"]

    read = msgspec.json.decode(msgspec.json.encode(sidecar), type=Message)

    assert read == message(seconds=2.5)
    assert read.workspace_id is None
