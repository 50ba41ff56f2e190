"""Which way a call goes: a pure function from what is known of the number to a plan.

Rules: a number answers only calls of its own provider, unless the carrier has none (local tests),
and, where that is enforced, of its own account there; only an active number with `inbound_routing`
is answered, and only as many calls at once as it may have; an agent that is missing, deleted,
paused or misconfigured is skipped; the message is the number's, else the primary's, else the
fallback's. A message overrules what agents say, not the number's own limit.
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


def plan_route(
    route: Route | None,
    *,
    number: str | None,
    provider: str | None,
    account_sid: str | None = None,
    calls_ahead: int = 0,
) -> RoutePlan:
    """The plan for a call to `number` (E.164 or None) from a carrier of `provider` (or None).

    `route` is what the directory knows of the number, None if there is no such number.
    `account_sid` is the account that the call says it comes from, None if that is not to be looked
    at or not known; `calls_ahead` are the calls to the number that were going on when it came.
    """
    if number is None:
        return Reject(Refusal.NO_NUMBER)
    if route is None:
        return Reject(Refusal.UNKNOWN_NUMBER)
    refusal = _refusal(route.number, provider, account_sid, calls_ahead)
    if refusal is not None:
        return Reject(refusal)
    targets, skipped = _agents(route)
    failed = Refusal.AGENTS_FAILED if targets else Refusal.AGENTS_OUT_OF_SERVICE
    return Connect(tuple(targets), tuple(skipped), voicemail_message(route), failed)


def is_other_account(number: NumberRecord, account_sid: str | None) -> bool:
    """True if both accounts are known, and are not the same."""
    return None not in (number.account_sid, account_sid) and number.account_sid != account_sid


def _refusal(
    number: NumberRecord, provider: str | None, account_sid: str | None, calls_ahead: int
) -> Refusal | None:
    if provider is not None and provider != number.provider:
        return Refusal.OTHER_PROVIDER
    if is_other_account(number, account_sid):
        return Refusal.OTHER_ACCOUNT
    if number.status != ACTIVE:
        return Refusal.INACTIVE_NUMBER
    if not number.has_routing:
        return Refusal.OUTBOUND_ONLY
    if number.max_calls is not None and calls_ahead >= number.max_calls:
        return Refusal.NUMBER_BUSY
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
            return VoicemailMessage(stripped, language, agent_id, route.number.workspace_id)
    return None
