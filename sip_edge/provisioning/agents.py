"""Agents: who may be offered calls, and where their workers are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from collections.abc import Collection
    from uuid import UUID

    from sip_edge.provisioning.ports import AgentStore, WorkerPlaces
    from sip_edge.provisioning.values import Agent, AgentDraft, JsonObject, Page, PageRequest

SECRET_OPTIONS: Final = ("bearer_token", "signing_secret")
"""The options that name variables of the edge's environment (`env:NAME`)."""


class Agents:
    """What may be done with agents.

    `worker_secrets` are the variables of the edge's environment that an agent may name: each is
    sent to the worker, so that any other name would be a way to read the environment.
    """

    def __init__(
        self, *, store: AgentStore, places: WorkerPlaces, worker_secrets: Collection[str]
    ) -> None:
        self._store = store
        self._places = places
        self._worker_secrets = frozenset(worker_secrets)

    async def create(self, workspace_id: UUID, draft: AgentDraft) -> Agent:
        """Raises ProvisioningError(WORKER_URL_REFUSED, WORKER_SECRET_REFUSED)."""
        await self._check(draft.worker_url, draft.worker_options)
        return await self._store.insert(workspace_id, draft)

    async def get(self, workspace_id: UUID, agent_id: UUID) -> Agent:
        """Raises ProvisioningError(NOT_FOUND)."""
        agent = await self._store.find(workspace_id, agent_id)
        if agent is None:
            raise _not_found()
        return agent

    async def page(
        self, workspace_id: UUID, request: PageRequest, *, status: str | None
    ) -> Page[Agent]:
        """The workspace's agents, newest first."""
        return await self._store.page(workspace_id, request, status=status)

    async def change(self, workspace_id: UUID, agent_id: UUID, changes: JsonObject) -> Agent:
        """Write only what is in `changes` (fields of AgentDraft).

        Raises ProvisioningError(NOT_FOUND, WORKER_URL_REFUSED, WORKER_SECRET_REFUSED).
        """
        if not changes:
            return await self.get(workspace_id, agent_id)
        await self._check(changes.get("worker_url"), changes.get("worker_options") or {})
        agent = await self._store.update(workspace_id, agent_id, changes)
        if agent is None:
            raise _not_found()
        return agent

    async def delete(self, workspace_id: UUID, agent_id: UUID) -> None:
        """Its numbers fall to their fallback or voicemail. Raises ProvisioningError(NOT_FOUND)."""
        if not await self._store.delete(workspace_id, agent_id):
            raise _not_found()

    async def require(self, workspace_id: UUID, agent_ids: Collection[UUID]) -> None:
        """Raises ProvisioningError(AGENT_NOT_FOUND) unless all are agents of the workspace."""
        wanted = set(agent_ids)
        missing = wanted - await self._store.existing(workspace_id, wanted) if wanted else set()
        if missing:
            first = min(missing, key=str)
            raise ProvisioningError(ErrorCode.AGENT_NOT_FOUND, f"There is no agent {first}.")

    async def _check(self, worker_url: str | None, options: JsonObject) -> None:
        for name in SECRET_OPTIONS:
            value = options.get(name)
            if value is not None and str(value).removeprefix("env:") not in self._worker_secrets:
                raise ProvisioningError(
                    ErrorCode.WORKER_SECRET_REFUSED,
                    f"worker_options.{name} names a variable that agents may not use;"
                    " the operator lists those that they may in api.worker_secrets.",
                )
        if worker_url is None:
            return
        problem = await self._places.problem(worker_url)
        if problem is not None:
            raise ProvisioningError(ErrorCode.WORKER_URL_REFUSED, problem)


def _not_found() -> ProvisioningError:
    return ProvisioningError(ErrorCode.NOT_FOUND, "There is no such agent.")
