"""Integrations: customers' accounts at carriers, with keys that never come out again."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.values import CarrierCredentials, IntegrationDraft

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sip_edge.provisioning.ports import IntegrationStore, SecretBox
    from sip_edge.provisioning.values import Integration, JsonObject, Page, PageRequest


class Integrations:
    """What may be done with integrations; `credentials` is for use cases alone, not for clients."""

    def __init__(
        self, *, store: IntegrationStore, box: SecretBox, new_id: Callable[[], UUID]
    ) -> None:
        self._store = store
        self._box = box
        self._new_id = new_id

    async def create(
        self, workspace_id: UUID, *, name: str, provider: str, api_key: str, metadata: JsonObject
    ) -> Integration:
        """Raises ProvisioningError(ENCRYPTION_NOT_CONFIGURED)."""
        draft = IntegrationDraft(id=self._new_id(), name=name, provider=provider, metadata=metadata)
        sealed = self._box.seal(api_key.encode(), _context(workspace_id, draft.id))
        return await self._store.insert(workspace_id, draft, sealed)

    async def get(self, workspace_id: UUID, integration_id: UUID) -> Integration:
        """Raises ProvisioningError(NOT_FOUND)."""
        integration = await self._store.find(workspace_id, integration_id)
        if integration is None:
            raise _not_found()
        return integration

    async def page(
        self, workspace_id: UUID, request: PageRequest, *, provider: str | None
    ) -> Page[Integration]:
        """The workspace's integrations, newest first."""
        return await self._store.page(workspace_id, request, provider=provider)

    async def delete(self, workspace_id: UUID, integration_id: UUID) -> None:
        """The key is gone for good; numbers stay. Raises ProvisioningError(NOT_FOUND)."""
        if not await self._store.delete(workspace_id, integration_id):
            raise _not_found()

    async def credentials(self, workspace_id: UUID, credential_id: UUID) -> CarrierCredentials:
        """See ports.Credentials."""
        integration = await self.get(workspace_id, credential_id)
        sealed = await self._store.sealed_key(workspace_id, credential_id)
        if sealed is None:
            raise _not_found()
        secret = self._box.open(sealed, _context(workspace_id, credential_id)).decode()
        account_sid = integration.metadata.get("account_sid")
        return CarrierCredentials(
            provider=integration.provider,
            account_sid=account_sid if isinstance(account_sid, str) else None,
            secret=secret,
            metadata=integration.metadata,
        )


def _context(workspace_id: UUID, integration_id: UUID) -> bytes:
    """What a sealed key is bound to: copied to another row, it cannot be opened."""
    return b"integration" + workspace_id.bytes + integration_id.bytes


def _not_found() -> ProvisioningError:
    return ProvisioningError(ErrorCode.NOT_FOUND, "There is no such integration.")
