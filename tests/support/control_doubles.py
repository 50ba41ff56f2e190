"""The stores of the control API without a database: they keep the same promises."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar
from uuid import UUID, uuid4

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.values import (
    Agent,
    AgentDraft,
    ApiKey,
    CallFilter,
    CallRecord,
    Claim,
    Integration,
    IntegrationDraft,
    KeptAnswer,
    Page,
    PageRequest,
    Position,
    VoicemailFilter,
    VoicemailRecord,
    Workspace,
)

T = TypeVar("T", Agent, ApiKey, Integration, CallRecord, VoicemailRecord)

DEFAULT_WORKSPACE = Workspace(UUID("99999999-9999-4999-8999-999999999999"), "default")


class Clock:
    """A wall clock that is set by hand, and goes on by a microsecond with each look."""

    def __init__(self) -> None:
        self.at = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)

    def __call__(self) -> datetime:
        self.at += timedelta(microseconds=1)
        return self.at


def page_of(rows: Collection[T], request: PageRequest, time: str) -> Page[T]:
    """The rows after a place, newest first."""

    def place(row: T) -> tuple[datetime, UUID]:
        return getattr(row, time), row.id

    after = request.after
    later = [row for row in rows if after is None or place(row) < (after.at, after.id)]
    found = sorted(later, key=place, reverse=True)
    kept = tuple(found[: request.limit])
    more = len(found) > request.limit
    return Page(kept, Position(*place(kept[-1])) if more else None)


@dataclass
class InMemoryAgents:
    """See provisioning.ports.AgentStore."""

    clock: Clock = field(default_factory=Clock)
    rows: dict[UUID, tuple[UUID, Agent]] = field(default_factory=dict)

    async def insert(self, workspace_id: UUID, draft: AgentDraft) -> Agent:
        now = self.clock()
        agent = Agent(
            id=uuid4(),
            name=draft.name,
            status=draft.status,
            worker_url=draft.worker_url,
            worker_options=draft.worker_options,
            voicemail_message=draft.voicemail_message,
            language=draft.language,
            created_at=now,
            updated_at=now,
        )
        self.rows[agent.id] = (workspace_id, agent)
        return agent

    def _of(self, workspace_id: UUID) -> list[Agent]:
        return [
            agent
            for owner, agent in self.rows.values()
            if owner == workspace_id and agent.status != "deleted"
        ]

    async def find(self, workspace_id: UUID, agent_id: UUID) -> Agent | None:
        found = [agent for agent in self._of(workspace_id) if agent.id == agent_id]
        return found[0] if found else None

    async def page(
        self, workspace_id: UUID, request: PageRequest, *, status: str | None
    ) -> Page[Agent]:
        rows = [agent for agent in self._of(workspace_id) if status in (None, agent.status)]
        return page_of(rows, request, "created_at")

    async def update(
        self, workspace_id: UUID, agent_id: UUID, changes: Mapping[str, Any]
    ) -> Agent | None:
        agent = await self.find(workspace_id, agent_id)
        if agent is None:
            return None
        changed = replace(agent, **changes, updated_at=self.clock())
        self.rows[agent_id] = (workspace_id, changed)
        return changed

    async def delete(self, workspace_id: UUID, agent_id: UUID) -> bool:
        return await self.update(workspace_id, agent_id, {"status": "deleted"}) is not None

    async def existing(self, workspace_id: UUID, agent_ids: Collection[UUID]) -> set[UUID]:
        return {agent.id for agent in self._of(workspace_id)} & set(agent_ids)


@dataclass
class InMemoryIntegrations:
    """See provisioning.ports.IntegrationStore."""

    clock: Clock = field(default_factory=Clock)
    rows: dict[UUID, tuple[UUID, Integration, bytes]] = field(default_factory=dict)

    async def insert(
        self, workspace_id: UUID, draft: IntegrationDraft, sealed_key: bytes
    ) -> Integration:
        now = self.clock()
        integration = Integration(
            id=draft.id,
            name=draft.name,
            provider=draft.provider,
            metadata=draft.metadata,
            created_at=now,
            updated_at=now,
        )
        self.rows[draft.id] = (workspace_id, integration, sealed_key)
        return integration

    async def find(self, workspace_id: UUID, integration_id: UUID) -> Integration | None:
        owner, integration, _ = self.rows.get(integration_id, (None, None, b""))
        return integration if owner == workspace_id else None

    async def sealed_key(self, workspace_id: UUID, integration_id: UUID) -> bytes | None:
        owner, _, sealed = self.rows.get(integration_id, (None, None, b""))
        return sealed if owner == workspace_id else None

    async def page(
        self, workspace_id: UUID, request: PageRequest, *, provider: str | None
    ) -> Page[Integration]:
        rows = [
            each
            for owner, each, _ in self.rows.values()
            if owner == workspace_id and provider in (None, each.provider)
        ]
        return page_of(rows, request, "created_at")

    async def delete(self, workspace_id: UUID, integration_id: UUID) -> bool:
        if await self.find(workspace_id, integration_id) is None:
            return False
        del self.rows[integration_id]
        return True


@dataclass
class InMemoryApiKeys:
    """See provisioning.ports.ApiKeyStore."""

    clock: Clock = field(default_factory=Clock)
    rows: dict[UUID, tuple[ApiKey, bytes]] = field(default_factory=dict)
    touched: list[tuple[UUID, datetime]] = field(default_factory=list)

    async def insert(self, workspace_id: UUID, name: str, prefix: str, digest: bytes) -> ApiKey:
        key = ApiKey(
            id=uuid4(),
            workspace_id=workspace_id,
            name=name,
            prefix=prefix,
            created_at=self.clock(),
            last_used_at=None,
        )
        self.rows[key.id] = (key, digest)
        return key

    async def find_by_digest(self, digest: bytes) -> tuple[ApiKey, bytes] | None:
        found = [row for row in self.rows.values() if row[1] == digest]
        return found[0] if found else None

    async def touch(self, key_id: UUID, at: datetime) -> None:
        self.touched.append((key_id, at))
        key, digest = self.rows[key_id]
        self.rows[key_id] = (replace(key, last_used_at=at), digest)

    async def page(self, workspace_id: UUID, request: PageRequest) -> Page[ApiKey]:
        rows = [key for key, _ in self.rows.values() if key.workspace_id == workspace_id]
        return page_of(rows, request, "created_at")

    async def revoke(self, workspace_id: UUID, key_id: UUID) -> bool:
        key, _ = self.rows.get(key_id, (None, b""))
        if key is None or key.workspace_id != workspace_id:
            return False
        del self.rows[key_id]
        return True

    async def is_empty(self) -> bool:
        return not self.rows


@dataclass
class InMemoryWorkspaces:
    """See provisioning.ports.WorkspaceStore."""

    rows: dict[UUID, Workspace] = field(
        default_factory=lambda: {DEFAULT_WORKSPACE.id: DEFAULT_WORKSPACE}
    )

    async def default(self) -> Workspace:
        return DEFAULT_WORKSPACE

    async def find(self, workspace_id: UUID) -> Workspace | None:
        return self.rows.get(workspace_id)

    async def named(self, name: str) -> Workspace | None:
        found = [each for each in self.rows.values() if each.name == name]
        return found[0] if found else None

    async def named_or_new(self, name: str) -> Workspace:
        found = await self.named(name)
        if found is None:
            found = Workspace(uuid4(), name)
            self.rows[found.id] = found
        return found


@dataclass
class InMemoryRecords:
    """See provisioning.ports.RecordStore."""

    call_rows: list[tuple[UUID | None, CallRecord]] = field(default_factory=list)
    voicemail_rows: list[tuple[UUID | None, VoicemailRecord]] = field(default_factory=list)

    async def calls(
        self, workspace_id: UUID, request: PageRequest, which: CallFilter
    ) -> Page[CallRecord]:
        rows = [
            call
            for owner, call in self.call_rows
            if owner == workspace_id
            and which.number in (None, call.phone_number)
            and which.caller in (None, call.caller_number)
            and which.outcome in (None, call.outcome)
            and (which.since is None or call.started_at >= which.since)
            and (which.until is None or call.started_at < which.until)
        ]
        return page_of(rows, request, "started_at")

    async def call(self, workspace_id: UUID, call_id: UUID) -> CallRecord | None:
        found = [
            call for owner, call in self.call_rows if owner == workspace_id and call.id == call_id
        ]
        return found[0] if found else None

    async def voicemails(
        self, workspace_id: UUID, request: PageRequest, which: VoicemailFilter
    ) -> Page[VoicemailRecord]:
        rows = [
            each
            for owner, each in self.voicemail_rows
            if owner == workspace_id
            and which.number in (None, each.phone_number)
            and which.caller in (None, each.caller_number)
            and (which.since is None or each.received_at >= which.since)
            and (which.until is None or each.received_at < which.until)
        ]
        return page_of(rows, request, "received_at")

    async def voicemail(self, workspace_id: UUID, message_id: UUID) -> VoicemailRecord | None:
        found = [
            each
            for owner, each in self.voicemail_rows
            if owner == workspace_id and each.id == message_id
        ]
        return found[0] if found else None


@dataclass
class _Kept:
    request: bytes
    holder: UUID
    held_until: float
    expires_at: float
    answer: KeptAnswer | None = None


@dataclass
class InMemoryIdempotency:
    """See provisioning.ports.IdempotencyStore. `now` is set by hand, in seconds."""

    now: float = 0.0
    rows: dict[tuple[UUID, str], _Kept] = field(default_factory=dict)

    async def claim(
        self,
        workspace_id: UUID,
        key: str,
        *,
        request: bytes,
        holder: UUID,
        hold_seconds: float,
        keep_seconds: float,
    ) -> Claim | KeptAnswer:
        known = self.rows.get((workspace_id, key))
        is_free = known is None or known.expires_at <= self.now
        if known is not None and not is_free and known.request != request:
            return Claim.OTHER_REQUEST
        if known is not None and not is_free and known.answer is not None:
            return known.answer
        if known is not None and not is_free and known.held_until > self.now:
            return Claim.BUSY
        self.rows[workspace_id, key] = _Kept(
            request, holder, self.now + hold_seconds, self.now + keep_seconds
        )
        return Claim.CLAIMED

    async def keep(self, workspace_id: UUID, key: str, *, holder: UUID, answer: KeptAnswer) -> None:
        known = self.rows.get((workspace_id, key))
        if known is not None and known.holder == holder:
            known.answer = answer

    async def release(self, workspace_id: UUID, key: str, *, holder: UUID) -> None:
        known = self.rows.get((workspace_id, key))
        if known is not None and known.holder == holder and known.answer is None:
            del self.rows[workspace_id, key]

    async def forget_expired(self) -> int:
        gone = [place for place, kept in self.rows.items() if kept.expires_at <= self.now]
        for place in gone:
            del self.rows[place]
        return len(gone)


@dataclass
class Places:
    """See provisioning.ports.WorkerPlaces."""

    refused: dict[str, str] = field(default_factory=dict)

    async def problem(self, worker_url: str) -> str | None:
        return self.refused.get(worker_url)


@dataclass
class InMemoryAudio:
    """See provisioning.ports.AudioFiles. `is_here` is False on another machine."""

    files: dict[str, bytes] = field(default_factory=dict)
    is_here: bool = True
    open_files: int = 0

    async def open(self, path: str) -> InMemoryAudioFile:
        if not self.is_here:
            raise ProvisioningError(ErrorCode.AUDIO_NOT_HERE, "Another machine has it.")
        if path not in self.files:
            raise ProvisioningError(ErrorCode.AUDIO_NOT_FOUND, "It is gone.")
        self.open_files += 1
        return InMemoryAudioFile(self, self.files[path])


@dataclass
class InMemoryAudioFile:
    """See provisioning.ports.AudioFile."""

    folder: InMemoryAudio
    data: bytes

    @property
    def size(self) -> int:
        return len(self.data)

    async def read(self, offset: int, length: int) -> bytes:
        return self.data[offset : offset + length]

    async def close(self) -> None:
        self.folder.open_files -= 1
