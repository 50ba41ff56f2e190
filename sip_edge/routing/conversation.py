"""A caller and an agent, talking; and what happens when the agent is lost in between.

Decision 13: an agent that closes normally has hung up. An agent that is lost, in whatever way, is
no reason to lose the caller, who hears a soft tone at once and is moved to the same agent once
more, then to those that were planned after it; the handler has voicemail for the end of the list.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.media.tones import hold_tone
from sip_edge.routing.dispatch import first_to_answer
from sip_edge.routing.outcome import AgentEnd
from sip_edge.routing.plan import AbnormalEnd, Role
from sip_edge.routing.ports import LostAgent, Move
from sip_edge.routing.timeline import Stage

if TYPE_CHECKING:
    from sip_edge.media.audio import AudioStream
    from sip_edge.routing.dispatch import Connected, DispatchRules
    from sip_edge.routing.plan import AgentTarget, Connect
    from sip_edge.routing.ports import AgentGateway, CallReport, Clock, InboundCall
    from sip_edge.routing.timeline import CallTimeline

MAX_MOVES: Final = 3
"""Times that a caller is passed on to an agent: after that, a machine that listens is kinder."""
_HOLD_TONE_SECONDS: Final = 4.0
_ABNORMAL_ENDS: Final = frozenset(
    {
        AgentEnd.NO_CLOSE_FRAME,
        AgentEnd.GOING_AWAY,
        AgentEnd.ERROR_CODE,
        AgentEnd.PING_TIMEOUT,
    }
)
"""Ends that an agent's `abnormal_end` option may declare to be hang-ups (decision 13)."""


async def talk(
    call: InboundCall,
    audio: AudioStream,
    connected: Connected,
    plan: Connect,
    gateway: AgentGateway,
    *,
    report: CallReport,
    rules: DispatchRules,
    clock: Clock,
) -> bool:
    """Connect caller and agent until the agent hangs up (True) or no agent is left (False).

    The caller's own end comes as the task's cancellation. `report` learns who spoke and who was
    lost; its attempts go on counting.
    """
    current: Connected | None = connected
    retried: set[str] = set()
    moves = 0
    while current is not None:
        target = current.target
        # A caller who hangs up ends the turn: what lost an earlier agent is not how this one ended.
        report.agent_id, report.role, report.agent_end = target.agent.agent_id, target.role, None
        joined_at = clock()
        end = await _converse(current, audio)
        report.agent_end = end
        if _is_hang_up(end, target):
            audio.trim()  # pipecat, for one, says goodbye with two seconds of nothing.
            await audio.drained()
            return True
        lost_at = clock()
        lost = LostAgent(target.agent.agent_id, lost_at - joined_at, current.session.digits)
        _play_hold_tone(audio, call.timeline, rules.deadline_seconds)
        current = None
        if moves < MAX_MOVES:
            moves += 1
            current = await first_to_answer(
                call,
                _successors(target, plan, retried),
                gateway,
                attempts=report.attempts,
                failover_reason=end.value,
                lost=lost,
                accept_timeout_seconds=rules.accept_timeout_seconds,
                deadline=lost_at + rules.deadline_seconds,
                clock=clock,
            )
        to_role = None if current is None else current.target.role
        report.moves.append(Move(end, to_role, clock() - lost_at))
        audio.clear()
    return False


async def _converse(connected: Connected, audio: AudioStream) -> AgentEnd:
    """One agent's turn."""
    session = connected.session
    try:
        session.join(audio)
        return await session.wait_ended()
    finally:
        session.hang_up()


def _is_hang_up(end: AgentEnd, target: AgentTarget) -> bool:
    """True if the agent meant to end the call.

    Some servers drop the connection, or close it with an odd code, when a bot simply returns; who
    runs one says so in the agent's options, and loses the failover of a worker that was killed.
    """
    if end in _ABNORMAL_ENDS:
        return target.agent.options.abnormal_end is AbnormalEnd.HANG_UP
    return not end.is_failure


def _play_hold_tone(audio: AudioStream, timeline: CallTimeline, seconds: float) -> None:
    """Silence what the lost agent had queued and let the caller know that somebody is coming."""
    timeline.rule_out(Stage.FIRST_AUDIO_OUT)  # The tone is no agent's sound.
    audio.listen(None)
    audio.clear()
    audio.play(hold_tone() * (1 + int(seconds / _HOLD_TONE_SECONDS)))


def _successors(lost: AgentTarget, plan: Connect, retried: set[str]) -> tuple[AgentTarget, ...]:
    """Whom to ask when `lost` is lost: itself, if it was not asked again yet, then who follows."""
    following = tuple(
        target
        for target in plan.targets
        if lost.role is Role.PRIMARY and target.role is Role.FALLBACK
    )
    if lost.agent.agent_id in retried:
        return following
    retried.add(lost.agent.agent_id)
    return (lost, *following)
