"""What clients may wish for a number: agents that there are."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_edge.provisioning.number_ports import NumberStore
    from sip_edge.provisioning.values import JsonObject


def routing_agents(inbound_routing: JsonObject | None) -> list[UUID]:
    """The agents that an `inbound_routing` names."""
    if inbound_routing is None:
        return []
    fallback = inbound_routing.get("fallback") or {}
    named = (inbound_routing.get("agent_id"), fallback.get("agent_id"))
    return [UUID(each) for each in named if each]


async def check_agents(numbers: NumberStore, workspace_id: UUID, agent_ids: Iterable[UUID]) -> None:
    """Raise ProvisioningError(AGENT_NOT_FOUND) unless the workspace has all of these agents.

    Paused ones count, deleted ones do not. Only what a request names is looked at: an agent that is
    deleted later leaves its numbers to their fallback.
    """
    wanted = set(agent_ids)
    missing = await numbers.missing_agents(workspace_id, wanted) if wanted else set()
    if missing:
        named = ", ".join(sorted(str(each) for each in missing))
        raise ProvisioningError(ErrorCode.AGENT_NOT_FOUND, f"There is no agent {named}.")
