"""The rows of `integrations`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sip_edge.provisioning.values import Integration
from sip_edge.storage.pages import fetch_page

if TYPE_CHECKING:
    from sip_edge.provisioning.values import IntegrationDraft, Page, PageRequest
    from sip_edge.storage.control_database import ControlDatabase

_COLUMNS: Final = "id, name, provider, metadata::text AS metadata, created_at, updated_at"
_INSERT: Final = f"""
INSERT INTO integrations (id, workspace_id, name, provider, sealed_key, metadata)
VALUES ($1, $2, $3, $4, $5, $6) RETURNING {_COLUMNS}
"""
_FIND: Final = f"SELECT {_COLUMNS} FROM integrations WHERE workspace_id = $1 AND id = $2"
_KEY: Final = "SELECT sealed_key FROM integrations WHERE workspace_id = $1 AND id = $2"
_DELETE: Final = "DELETE FROM integrations WHERE workspace_id = $1 AND id = $2"


class PostgresIntegrations:
    """See provisioning.ports.IntegrationStore."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def insert(
        self, workspace_id: UUID, draft: IntegrationDraft, sealed_key: bytes
    ) -> Integration:
        """See IntegrationStore.insert."""
        row = await self._database.fetchrow(
            _INSERT,
            draft.id,
            workspace_id,
            draft.name,
            draft.provider,
            sealed_key,
            json.dumps(draft.metadata),
        )
        return _integration(row)

    async def find(self, workspace_id: UUID, integration_id: UUID) -> Integration | None:
        """See IntegrationStore.find."""
        row = await self._database.fetchrow(_FIND, workspace_id, integration_id)
        return None if row is None else _integration(row)

    async def sealed_key(self, workspace_id: UUID, integration_id: UUID) -> bytes | None:
        """See IntegrationStore.sealed_key."""
        row = await self._database.fetchrow(_KEY, workspace_id, integration_id)
        return None if row is None else bytes(row["sealed_key"])

    async def page(
        self, workspace_id: UUID, request: PageRequest, *, provider: str | None
    ) -> Page[Integration]:
        """See IntegrationStore.page."""
        return await fetch_page(
            self._database,
            select=f"SELECT {_COLUMNS} FROM integrations",
            time_column="created_at",
            conditions={"workspace_id = {}": workspace_id, "provider = {}": provider},
            request=request,
            read=_integration,
        )

    async def delete(self, workspace_id: UUID, integration_id: UUID) -> bool:
        """See IntegrationStore.delete."""
        return await self._database.execute(_DELETE, workspace_id, integration_id) > 0


def _integration(row: Any) -> Integration:
    metadata = json.loads(row["metadata"])
    return Integration(
        id=UUID(int=row["id"].int),
        name=row["name"],
        provider=row["provider"],
        metadata=metadata if isinstance(metadata, dict) else {},
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )
