"""Records of calls and voicemails, for reading."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from uuid import UUID

    from sip_edge.provisioning.ports import RecordStore
    from sip_edge.provisioning.values import (
        CallFilter,
        CallRecord,
        Page,
        PageRequest,
        VoicemailFilter,
        VoicemailRecord,
    )


class Records:
    """What a workspace may know of its calls and messages: those of its numbers, at that time."""

    def __init__(self, *, store: RecordStore) -> None:
        self._store = store

    async def calls(
        self, workspace_id: UUID, request: PageRequest, which: CallFilter
    ) -> Page[CallRecord]:
        """Calls that have ended, newest first."""
        return await self._store.calls(workspace_id, request, which)

    async def call(self, workspace_id: UUID, call_id: UUID) -> CallRecord:
        """Raises ProvisioningError(NOT_FOUND)."""
        call = await self._store.call(workspace_id, call_id)
        if call is None:
            raise ProvisioningError(ErrorCode.NOT_FOUND, "There is no such call.")
        return call

    async def voicemails(
        self, workspace_id: UUID, request: PageRequest, which: VoicemailFilter
    ) -> Page[VoicemailRecord]:
        """Messages, newest first."""
        return await self._store.voicemails(workspace_id, request, which)

    async def voicemail(self, workspace_id: UUID, message_id: UUID) -> VoicemailRecord:
        """Raises ProvisioningError(NOT_FOUND)."""
        message = await self._store.voicemail(workspace_id, message_id)
        if message is None:
            raise ProvisioningError(ErrorCode.NOT_FOUND, "There is no such voicemail.")
        return message
