"""The rows of `agents`, as the control API reads and writes them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sip_edge.provisioning.values import Agent
from sip_edge.storage.pages import fetch_page

if TYPE_CHECKING:
    from collections.abc import Collection

    from sip_edge.provisioning.values import AgentDraft, JsonObject, Page, PageRequest
    from sip_edge.storage.control_database import ControlDatabase

_COLUMNS: Final = (
    "id, name, status, worker_url, worker_options::text AS worker_options, voicemail_message,"
    " language, created_at, updated_at"
)
_INSERT: Final = f"""
INSERT INTO agents
    (workspace_id, name, status, worker_url, worker_options, voicemail_message, language)
VALUES ($1, $2, $3, $4, $5, $6, $7) RETURNING {_COLUMNS}
"""
_ONE: Final = "workspace_id = $1 AND id = $2 AND status <> 'deleted'"
_FIND: Final = f"SELECT {_COLUMNS} FROM agents WHERE {_ONE}"
_DELETE: Final = f"UPDATE agents SET status = 'deleted' WHERE {_ONE}"
_EXISTING: Final = """
SELECT id FROM agents WHERE workspace_id = $1 AND id = ANY($2::uuid[]) AND status <> 'deleted'
"""
_CHANGEABLE: Final = (
    "name",
    "status",
    "worker_url",
    "worker_options",
    "voicemail_message",
    "language",
)


class PostgresAgents:
    """See provisioning.ports.AgentStore."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def insert(self, workspace_id: UUID, draft: AgentDraft) -> Agent:
        """See AgentStore.insert."""
        values = [_value(name, getattr(draft, name)) for name in _CHANGEABLE]
        return _agent(await self._database.fetchrow(_INSERT, workspace_id, *values))

    async def find(self, workspace_id: UUID, agent_id: UUID) -> Agent | None:
        """See AgentStore.find."""
        row = await self._database.fetchrow(_FIND, workspace_id, agent_id)
        return None if row is None else _agent(row)

    async def page(
        self, workspace_id: UUID, request: PageRequest, *, status: str | None
    ) -> Page[Agent]:
        """See AgentStore.page."""
        return await fetch_page(
            self._database,
            select=f"SELECT {_COLUMNS} FROM agents",
            time_column="created_at",
            conditions={
                "workspace_id = {}": workspace_id,
                "status <> {}": "deleted",
                "status = {}": status,
            },
            request=request,
            read=_agent,
        )

    async def update(self, workspace_id: UUID, agent_id: UUID, changes: JsonObject) -> Agent | None:
        """See AgentStore.update."""
        names = [name for name in _CHANGEABLE if name in changes]
        assignments = ", ".join(f"{name} = ${place}" for place, name in enumerate(names, start=3))
        statement = f"UPDATE agents SET {assignments} WHERE {_ONE} RETURNING {_COLUMNS}"
        values = [_value(name, changes[name]) for name in names]
        row = await self._database.fetchrow(statement, workspace_id, agent_id, *values)
        return None if row is None else _agent(row)

    async def delete(self, workspace_id: UUID, agent_id: UUID) -> bool:
        """See AgentStore.delete."""
        return await self._database.execute(_DELETE, workspace_id, agent_id) > 0

    async def existing(self, workspace_id: UUID, agent_ids: Collection[UUID]) -> set[UUID]:
        """See AgentStore.existing."""
        rows = await self._database.fetch(_EXISTING, workspace_id, list(agent_ids))
        return {_uuid(row["id"]) for row in rows}


def _value(column: str, value: object) -> object:
    return json.dumps(value) if column == "worker_options" else value


def _agent(row: Any) -> Agent:
    options = json.loads(row["worker_options"] or "{}")
    return Agent(
        id=_uuid(row["id"]),
        name=row["name"],
        status=row["status"],
        worker_url=row["worker_url"],
        # Whoever writes by SQL may have written anything.
        worker_options=options if isinstance(options, dict) else {},
        voicemail_message=row["voicemail_message"],
        language=row["language"],
        created_at=row["created_at"],
        updated_at=row["updated_at"],
    )


def _uuid(value: UUID) -> UUID:
    """asyncpg's own UUIDs, which are subclasses, as the standard library's."""
    return UUID(int=value.int)
