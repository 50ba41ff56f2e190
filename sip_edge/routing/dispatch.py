"""Offer a call to the planned agents, one after the other, until one takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_edge.routing.outcome import AttemptFailure
from sip_edge.routing.plan import Role
from sip_edge.routing.ports import AgentOffer, AgentUnavailableError, Attempt

if TYPE_CHECKING:
    from sip_edge.routing.plan import AgentTarget, Connect
    from sip_edge.routing.ports import AgentGateway, AgentSession, Clock, InboundCall


@dataclass(frozen=True, slots=True)
class Connected:
    """An agent whose worker has taken the call."""

    target: AgentTarget
    session: AgentSession


async def first_to_answer(
    call: InboundCall,
    plan: Connect,
    gateway: AgentGateway,
    *,
    attempts: list[Attempt],
    accept_timeout_seconds: float,
    deadline: float,
    clock: Clock,
) -> Connected | None:
    """Try the plan's targets in order; None when nobody took the call before `deadline`.

    Each attempt is appended to `attempts` as it ends, so that a caller who leaves in between loses
    none of them. An agent's own `accept_timeout_seconds` wins over the general one; no attempt runs
    past `deadline` (seconds of `clock`).
    """
    failover_reason: str | None = None
    for skipped in plan.skipped:
        if skipped.role is Role.PRIMARY:
            failover_reason = skipped.why
    for target in plan.targets:
        started_at = clock()
        if started_at >= deadline:
            attempts.append(_attempt(target, 0.0, AttemptFailure.DEADLINE))
            return None
        wanted = target.agent.options.accept_timeout_seconds or accept_timeout_seconds
        offer = AgentOffer(
            facts=call.facts,
            role=target.role,
            attempt=len(attempts) + 1,
            failover_reason=failover_reason,
            accept_timeout_seconds=min(wanted, deadline - started_at),
        )
        try:
            session = await gateway.offer(target.agent, offer, call.timeline)
        except AgentUnavailableError as error:
            failure, detail = error.failure, error.detail
        else:
            # Decision 10: who closes before the caller is answered has not taken the call.
            if session.end is None:
                attempts.append(_attempt(target, clock() - started_at, None))
                return Connected(target, session)
            failure, detail = AttemptFailure.CLOSED_EARLY, session.end.value
            session.hang_up()
        attempts.append(_attempt(target, clock() - started_at, failure, detail))
        failover_reason = failure.value
    return None


def _attempt(
    target: AgentTarget, seconds: float, failure: AttemptFailure | None, detail: str = ""
) -> Attempt:
    return Attempt(target.role, target.agent.agent_id, seconds, failure, detail)
