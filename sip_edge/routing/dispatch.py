"""Offer a call to the planned agents, one after the other, until one takes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_edge.routing.outcome import AgentEnd, AttemptFailure
from sip_edge.routing.ports import AgentOffer, AgentUnavailableError, Attempt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.routing.plan import AgentTarget
    from sip_edge.routing.ports import AgentGateway, AgentSession, Clock, InboundCall, LostAgent


@dataclass(frozen=True, slots=True)
class DispatchRules:
    """How long things may take, in seconds from the INVITE (decisions 10 and 11).

    `accept_timeout_seconds` is per attempt; `ringing_after_seconds` is when 180 goes out while
    attempts are still running; `deadline_seconds` bounds look-up and all attempts together, and
    each later search for an agent in the place of one that was lost.
    """

    accept_timeout_seconds: float
    ringing_after_seconds: float
    deadline_seconds: float


@dataclass(frozen=True, slots=True)
class Connected:
    """An agent whose worker has taken the call."""

    target: AgentTarget
    session: AgentSession


async def first_to_answer(
    call: InboundCall,
    targets: Sequence[AgentTarget],
    gateway: AgentGateway,
    *,
    attempts: list[Attempt],
    failover_reason: str | None,
    lost: LostAgent | None,
    accept_timeout_seconds: float,
    deadline: float,
    clock: Clock,
) -> Connected | None:
    """Try `targets` in order; None when nobody took the call before `deadline`.

    Each attempt is appended to `attempts` as it ends, so that a caller who leaves in between loses
    none of them. `failover_reason` tells the first target why an agent before it did not take the
    call, `lost` tells each of an agent that was lost in mid-call. An agent's own
    `accept_timeout_seconds` wins over the general one; no attempt runs past `deadline` (seconds of
    `clock`).
    """
    for target in targets:
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
            lost=lost,
        )
        try:
            session = await gateway.offer(target.agent, offer, call.timeline)
        except AgentUnavailableError as error:
            failure, detail = error.failure, error.detail
        else:
            if _has_taken_the_call(session):
                attempts.append(_attempt(target, clock() - started_at, None))
                return Connected(target, session)
            failure = AttemptFailure.CLOSED_EARLY
            detail = "" if session.end is None else session.end.value
            session.hang_up()
        attempts.append(_attempt(target, clock() - started_at, failure, detail))
        failover_reason = failure.value
    return None


def _has_taken_the_call(session: AgentSession) -> bool:
    """Who closes before the caller is answered has not taken the call (decision 10).

    Unless it spoke and then hung up: an announcement in a hurry. Its caller hears it; otherwise the
    same worker would be heard or not as the milliseconds fall.
    """
    return session.end is None or (session.end is AgentEnd.HANG_UP and session.has_spoken)


def _attempt(
    target: AgentTarget, seconds: float, failure: AttemptFailure | None, detail: str = ""
) -> Attempt:
    return Attempt(target.role, target.agent.agent_id, seconds, failure, detail)
