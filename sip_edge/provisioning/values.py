"""What the control API speaks of, as values. Instants have a time zone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING, Any, Generic, TypeVar

if TYPE_CHECKING:
    from datetime import datetime
    from uuid import UUID

T = TypeVar("T")

JsonObject = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: `key_id` is None for somebody at the dashboard (a JWT)."""

    workspace_id: UUID
    key_id: UUID | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierCredentials:
    """What a carrier's API asks for: `secret` is Twilio's auth token or Telnyx's API key."""

    provider: str
    account_sid: str | None
    secret: str = field(repr=False)
    metadata: JsonObject


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a list that is sorted by time and id, both descending: after this row."""

    at: datetime
    id: UUID


@dataclass(frozen=True, slots=True)
class PageRequest:
    """At most `limit` rows, after `after`; None for the first page."""

    limit: int
    after: Position | None


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """Rows in their order, and where the next page begins; None if this is the last one."""

    items: tuple[T, ...]
    next: Position | None


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentDraft:
    """All that a client may say of an agent."""

    name: str
    status: str
    worker_url: str | None
    worker_options: JsonObject
    voicemail_message: str | None
    language: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A row of `agents` that is not deleted."""

    id: UUID
    name: str
    status: str
    worker_url: str | None
    worker_options: JsonObject
    voicemail_message: str | None
    language: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class IntegrationDraft:
    """A new integration, without its key."""

    id: UUID
    name: str
    provider: str
    metadata: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """An account at a carrier, without its key."""

    id: UUID
    name: str
    provider: str
    metadata: JsonObject
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiKey:
    """A key of the API without its secret. `prefix` is how it begins, for people's eyes."""

    id: UUID
    workspace_id: UUID
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None


@dataclass(frozen=True, slots=True)
class NewApiKey:
    """A key that was just made: `secret` is shown once and kept nowhere."""

    key: ApiKey
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class KeptAnswer:
    """What a request with an idempotency key was answered: a status, and a body in JSON."""

    status: int
    body: bytes


class Claim(Enum):
    """What comes of claiming an idempotency key, other than the answer that is kept for it.

    `CLAIMED`: it is the caller's to work on. `BUSY`: somebody works on it. `OTHER_REQUEST`: it was
    used for something else.
    """

    CLAIMED = "claimed"
    BUSY = "busy"
    OTHER_REQUEST = "other_request"


@dataclass(frozen=True, slots=True)
class Workspace:
    """Whose rows are whose."""

    id: UUID
    name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CallFilter:
    """Which calls; None where all will do. `since` is inclusive, `until` is not."""

    number: str | None = None
    caller: str | None = None
    outcome: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """A row of `calls` that belongs to a workspace."""

    id: UUID
    state: str
    provider: str | None
    call_sid: str
    carrier_call_id: str | None
    phone_number: str | None
    caller_number: str | None
    caller: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    refusal: str | None
    status: int | None
    ended_by: str | None
    agent_id: UUID | None
    role: str | None
    agent_end: str | None
    codec: str | None
    attempts: tuple[JsonObject, ...]
    timeline: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicemailFilter:
    """Which messages; None where all will do. `since` is inclusive, `until` is not."""

    number: str | None = None
    caller: str | None = None
    since: datetime | None = None
    until: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class VoicemailRecord:
    """A row of `voicemails` that belongs to a workspace. `path` is for this side alone."""

    id: UUID
    call_id: UUID
    phone_number: str
    caller_number: str | None
    agent_id: UUID | None
    received_at: datetime
    seconds: float
    size: int
    path: str
