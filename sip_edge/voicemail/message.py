"""A message: what is known of it while it is recorded and when it is complete."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol
from uuid import UUID

import msgspec

from sip_edge.voicemail.results import RowResult


class Message(msgspec.Struct, frozen=True, kw_only=True):
    """A row of `voicemails`, and the content of the file beside a recording.

    `path` is where the WAV file is (or will be), below the voicemail's directory; `seconds` and
    `size` (bytes) are 0 until it is complete. `received_at` is when the recording began, UTC.
    """

    id: UUID
    call_id: str
    phone_number: str
    caller_number: str | None
    agent_id: str | None
    received_at: datetime
    path: str
    seconds: float = 0.0
    size: int = 0
    workspace_id: str | None = None


class MessageStore(Protocol):
    """Where the rows go. Must be idempotent: a message may be written twice, by two processes."""

    async def insert(self, message: Message) -> RowResult:
        """Write one row; `unavailable` if that may work later. Never raises."""
        ...
