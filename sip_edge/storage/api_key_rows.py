"""The rows of `api_keys` and `workspaces`."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sip_edge.provisioning.values import ApiKey, Workspace
from sip_edge.storage.control_database import unavailable
from sip_edge.storage.pages import fetch_page

if TYPE_CHECKING:
    from datetime import datetime

    from sip_edge.provisioning.values import Page, PageRequest
    from sip_edge.storage.control_database import ControlDatabase

_COLUMNS: Final = "id, workspace_id, name, prefix, created_at, last_used_at"
_INSERT: Final = f"""
INSERT INTO api_keys (workspace_id, name, prefix, digest) VALUES ($1, $2, $3, $4)
RETURNING {_COLUMNS}
"""
_BY_DIGEST: Final = f"""
SELECT {_COLUMNS}, digest FROM api_keys WHERE digest = $1 AND revoked_at IS NULL
"""
_TOUCH: Final = "UPDATE api_keys SET last_used_at = $2 WHERE id = $1"
_REVOKE: Final = """
UPDATE api_keys SET revoked_at = now() WHERE workspace_id = $1 AND id = $2 AND revoked_at IS NULL
"""
_REVOKE_ANY: Final = "UPDATE api_keys SET revoked_at = now() WHERE id = $1 AND revoked_at IS NULL"
_ANY: Final = "SELECT 1 FROM api_keys WHERE revoked_at IS NULL LIMIT 1"

_WORKSPACE: Final = "SELECT id, name FROM workspaces"
_MAKE_WORKSPACE: Final = """
INSERT INTO workspaces (name) VALUES ($1) ON CONFLICT (name) DO NOTHING
"""


class PostgresApiKeys:
    """See provisioning.ports.ApiKeyStore."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def insert(self, workspace_id: UUID, name: str, prefix: str, digest: bytes) -> ApiKey:
        """See ApiKeyStore.insert."""
        return _key(await self._database.fetchrow(_INSERT, workspace_id, name, prefix, digest))

    async def find_by_digest(self, digest: bytes) -> tuple[ApiKey, bytes] | None:
        """See ApiKeyStore.find_by_digest."""
        row = await self._database.fetchrow(_BY_DIGEST, digest)
        return None if row is None else (_key(row), bytes(row["digest"]))

    async def touch(self, key_id: UUID, at: datetime) -> None:
        """See ApiKeyStore.touch."""
        await self._database.execute(_TOUCH, key_id, at)

    async def page(self, workspace_id: UUID, request: PageRequest) -> Page[ApiKey]:
        """See ApiKeyStore.page."""
        return await fetch_page(
            self._database,
            select=f"SELECT {_COLUMNS} FROM api_keys",
            time_column="created_at",
            conditions={"workspace_id = {} AND revoked_at IS NULL": workspace_id},
            request=request,
            read=_key,
        )

    async def revoke(self, workspace_id: UUID, key_id: UUID) -> bool:
        """See ApiKeyStore.revoke."""
        return await self._database.execute(_REVOKE, workspace_id, key_id) > 0

    async def revoke_any(self, key_id: UUID) -> bool:
        """End a key, whosever it is: for the operator."""
        return await self._database.execute(_REVOKE_ANY, key_id) > 0

    async def is_empty(self) -> bool:
        """See ApiKeyStore.is_empty."""
        return await self._database.fetchrow(_ANY) is None


class PostgresWorkspaces:
    """See provisioning.ports.WorkspaceStore."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def default(self) -> Workspace:
        """See WorkspaceStore.default."""
        row = await self._database.fetchrow(f"{_WORKSPACE} WHERE is_default")
        if row is None:  # Somebody removed what the migration made.
            raise unavailable()
        return _workspace(row)

    async def find(self, workspace_id: UUID) -> Workspace | None:
        """See WorkspaceStore.find."""
        row = await self._database.fetchrow(f"{_WORKSPACE} WHERE id = $1", workspace_id)
        return None if row is None else _workspace(row)

    async def named(self, name: str) -> Workspace | None:
        """See WorkspaceStore.named."""
        row = await self._database.fetchrow(f"{_WORKSPACE} WHERE name = $1", name)
        return None if row is None else _workspace(row)

    async def named_or_new(self, name: str) -> Workspace:
        """See WorkspaceStore.named_or_new."""
        await self._database.execute(_MAKE_WORKSPACE, name)
        found = await self.named(name)
        if found is None:  # Removed in between.
            raise unavailable()
        return found


def _key(row: Any) -> ApiKey:
    return ApiKey(
        id=UUID(int=row["id"].int),
        workspace_id=UUID(int=row["workspace_id"].int),
        name=row["name"],
        prefix=row["prefix"],
        created_at=row["created_at"],
        last_used_at=row["last_used_at"],
    )


def _workspace(row: Any) -> Workspace:
    return Workspace(UUID(int=row["id"].int), row["name"])
