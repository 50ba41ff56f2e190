"""The ports of the control API's use cases: small Protocols, each implemented by one adapter.

Every method may raise ProvisioningError with DATABASE_UNAVAILABLE. What belongs to another
workspace does not exist.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection
    from datetime import datetime
    from uuid import UUID

    from sip_edge.provisioning.values import (
        Agent,
        AgentDraft,
        ApiKey,
        CallFilter,
        CallRecord,
        CarrierCredentials,
        Claim,
        Integration,
        IntegrationDraft,
        JsonObject,
        KeptAnswer,
        Page,
        PageRequest,
        VoicemailFilter,
        VoicemailRecord,
        Workspace,
    )


class WallClock(Protocol):
    """The time of day, with its time zone."""

    def __call__(self) -> datetime: ...


class SecretBox(Protocol):
    """Encrypts what must be kept and read again. `context` binds a secret to its row."""

    @property
    def is_configured(self) -> bool:
        """False when there is no key: nothing can be sealed."""
        ...

    def seal(self, plain: bytes, context: bytes) -> bytes:
        """Encrypt. Raises ProvisioningError(ENCRYPTION_NOT_CONFIGURED)."""
        ...

    def open(self, sealed: bytes, context: bytes) -> bytes:
        """Decrypt. Raises ProvisioningError(CREDENTIAL_UNREADABLE): no such key, or tampering."""
        ...


class Credentials(Protocol):
    """Gives use cases what a carrier's API asks for."""

    async def credentials(self, workspace_id: UUID, credential_id: UUID) -> CarrierCredentials:
        """Those of an integration. Raises ProvisioningError(NOT_FOUND, CREDENTIAL_UNREADABLE)."""
        ...


class WorkerPlaces(Protocol):
    """Knows where workers may be."""

    async def problem(self, worker_url: str) -> str | None:
        """Why calls may not be brought to this URL, None if they may; within seconds."""
        ...


class AgentStore(Protocol):
    """The rows of `agents`; deleted ones do not exist."""

    async def insert(self, workspace_id: UUID, draft: AgentDraft) -> Agent: ...

    async def find(self, workspace_id: UUID, agent_id: UUID) -> Agent | None: ...

    async def page(
        self, workspace_id: UUID, request: PageRequest, *, status: str | None
    ) -> Page[Agent]:
        """Newest first; of one status, or of all."""
        ...

    async def update(self, workspace_id: UUID, agent_id: UUID, changes: JsonObject) -> Agent | None:
        """Write only the columns in `changes` (fields of AgentDraft)."""
        ...

    async def delete(self, workspace_id: UUID, agent_id: UUID) -> bool:
        """Mark as deleted; False if there is no such agent."""
        ...

    async def existing(self, workspace_id: UUID, agent_ids: Collection[UUID]) -> set[UUID]:
        """Those of `agent_ids` that are agents of the workspace."""
        ...


class IntegrationStore(Protocol):
    """The rows of `integrations`."""

    async def insert(
        self, workspace_id: UUID, draft: IntegrationDraft, sealed_key: bytes
    ) -> Integration: ...

    async def find(self, workspace_id: UUID, integration_id: UUID) -> Integration | None: ...

    async def sealed_key(self, workspace_id: UUID, integration_id: UUID) -> bytes | None: ...

    async def page(
        self, workspace_id: UUID, request: PageRequest, *, provider: str | None
    ) -> Page[Integration]:
        """Newest first; of one provider, or of all."""
        ...

    async def delete(self, workspace_id: UUID, integration_id: UUID) -> bool: ...


class ApiKeyStore(Protocol):
    """The rows of `api_keys`; revoked ones do not exist."""

    async def insert(self, workspace_id: UUID, name: str, prefix: str, digest: bytes) -> ApiKey: ...

    async def find_by_digest(self, digest: bytes) -> tuple[ApiKey, bytes] | None:
        """The key with this SHA-256, and the SHA-256 that is stored."""
        ...

    async def touch(self, key_id: UUID, at: datetime) -> None:
        """Note that a key was used."""
        ...

    async def page(self, workspace_id: UUID, request: PageRequest) -> Page[ApiKey]:
        """Newest first."""
        ...

    async def revoke(self, workspace_id: UUID, key_id: UUID) -> bool: ...

    async def is_empty(self) -> bool:
        """True if nobody has a key."""
        ...


class WorkspaceStore(Protocol):
    """The rows of `workspaces`."""

    async def default(self) -> Workspace: ...

    async def find(self, workspace_id: UUID) -> Workspace | None: ...

    async def named(self, name: str) -> Workspace | None: ...

    async def named_or_new(self, name: str) -> Workspace:
        """The workspace of this name, made if there is none."""
        ...


class RecordStore(Protocol):
    """The rows of `calls` and `voicemails`, for reading. Newest first."""

    async def calls(
        self, workspace_id: UUID, request: PageRequest, which: CallFilter
    ) -> Page[CallRecord]: ...

    async def call(self, workspace_id: UUID, call_id: UUID) -> CallRecord | None: ...

    async def voicemails(
        self, workspace_id: UUID, request: PageRequest, which: VoicemailFilter
    ) -> Page[VoicemailRecord]: ...

    async def voicemail(self, workspace_id: UUID, message_id: UUID) -> VoicemailRecord | None: ...


class IdempotencyStore(Protocol):
    """Remembers what requests with an idempotency key were answered. Times in seconds."""

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
        """Take the key to work on it, for `hold_seconds` at most, unless it is taken or answered.

        `request` is a digest of what is asked for.
        """
        ...

    async def keep(self, workspace_id: UUID, key: str, *, holder: UUID, answer: KeptAnswer) -> None:
        """Keep the answer until the key expires; nothing happens if the claim has run out."""
        ...

    async def release(self, workspace_id: UUID, key: str, *, holder: UUID) -> None:
        """Give the key back: the request may be tried again."""
        ...

    async def forget_expired(self) -> int:
        """Remove the keys that have expired; how many they were."""
        ...


class AudioFile(Protocol):
    """An open file of sound. Its methods block no event loop."""

    @property
    def size(self) -> int:
        """In bytes."""
        ...

    async def read(self, offset: int, length: int) -> bytes:
        """What is there, `length` bytes at most; empty at the end, or when the disk fails."""
        ...

    async def close(self) -> None: ...


class AudioFiles(Protocol):
    """The folder of the messages' sound."""

    async def open(self, path: str) -> AudioFile:
        """Open a file below the folder.

        Raises ProvisioningError(AUDIO_NOT_HERE) if this process cannot reach the folder, and
        AUDIO_NOT_FOUND if the file is not in it.
        """
        ...
