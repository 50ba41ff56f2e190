"""Which way a call goes: a pure function from what is known of the number to a plan.

Rules: a number answers only calls of its own provider, unless the carrier has none (local tests);
only an active number with `inbound_routing` is answered; an agent that is missing, deleted, paused
or misconfigured is skipped; the message is the number's, else the primary's, else the fallback's.
"""

from __future__ import annotations

from typing import Final

from sip_edge.routing.plan import (
    AgentRecord,
    AgentStatus,
    AgentTarget,
    Connect,
    NumberRecord,
    Reject,
    Role,
    Route,
    RoutePlan,
    SkippedAgent,
    VoicemailMessage,
)
from sip_edge.routing.refusal import Refusal

ACTIVE: Final = "active"
"""The only status of a number whose calls are answered; the other words are open."""


def plan_route(route: Route | None, *, number: str | None, provider: str | None) -> RoutePlan:
    """The plan for a call to `number` (E.164 or None) from a carrier of `provider` (or None).

    `route` is what the directory knows of the number, None if there is no such number.
    """
    if number is None:
        return Reject(Refusal.NO_NUMBER)
    if route is None:
        return Reject(Refusal.UNKNOWN_NUMBER)
    refusal = _refusal(route.number, provider)
    if refusal is not None:
        return Reject(refusal)
    targets, skipped = _agents(route)
    failed = Refusal.AGENTS_FAILED if targets else Refusal.AGENTS_OUT_OF_SERVICE
    return Connect(tuple(targets), tuple(skipped), voicemail_message(route), failed)


def _refusal(number: NumberRecord, provider: str | None) -> Refusal | None:
    if provider is not None and provider != number.provider:
        return Refusal.OTHER_PROVIDER
    if number.status != ACTIVE:
        return Refusal.INACTIVE_NUMBER
    if not number.has_routing:
        return Refusal.OUTBOUND_ONLY
    return None


def _agents(route: Route) -> tuple[list[AgentTarget], list[SkippedAgent]]:
    """The agents to try in order, and those that are passed over."""
    number = route.number
    targets: list[AgentTarget] = []
    skipped: list[SkippedAgent] = []
    named = [(Role.PRIMARY, number.primary_id, route.primary)]
    # The same agent in both roles is tried once: it would fail for the same reason again.
    if number.fallback_id != number.primary_id:
        named.append((Role.FALLBACK, number.fallback_id, route.fallback))
    for role, agent_id, agent in named:
        if agent_id is None:
            if role is Role.PRIMARY and number.problem is not None:
                skipped.append(SkippedAgent(role, "", "misconfigured"))
            continue
        why = why_skipped(agent)
        if agent is not None and why is None:
            targets.append(AgentTarget(role, agent))
        else:
            skipped.append(SkippedAgent(role, agent_id, why or "missing"))
    return targets, skipped


def why_skipped(agent: AgentRecord | None) -> str | None:
    """Why an agent that a number names is not offered calls; None if it is."""
    if agent is None:
        return "missing"
    if agent.status is not AgentStatus.ACTIVE:
        return "paused" if agent.status is AgentStatus.PAUSED else "deleted"
    if agent.problem is not None or agent.worker_url is None:
        return "misconfigured"
    return None


def voicemail_message(route: Route) -> VoicemailMessage | None:
    """The number's message, else the primary's, else the fallback's; None if there is none.

    The message of an agent that is skipped counts too: better a greeting than a caller turned
    away. The number's own message is in the language of the primary agent, having none itself, and
    for the first agent that exists.
    """
    agents = [agent for agent in (route.primary, route.fallback) if agent is not None]
    language = None if route.primary is None else route.primary.language
    meant_for = agents[0].agent_id if agents else None
    texts = [
        (route.number.voicemail_message, language, meant_for),
        *((agent.voicemail_message, agent.language, agent.agent_id) for agent in agents),
    ]
    for text, language, agent_id in texts:
        stripped = (text or "").strip()
        if stripped:
            return VoicemailMessage(stripped, language, agent_id)
    return None
