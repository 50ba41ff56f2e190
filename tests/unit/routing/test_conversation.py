"""What happens to a caller whose agent is lost in mid-call (decision 13)."""

from __future__ import annotations

import pytest
from support.fake_world import (
    FALLBACK,
    NUMBER,
    PRIMARY,
    FakeCall,
    FakeSession,
    FakeWorld,
    Worker,
    agent,
    route,
)
from support.virtual_time import run

from sip_edge.routing.outcome import AgentEnd, EndedBy, Outcome
from sip_edge.routing.plan import AbnormalEnd, Role
from sip_edge.routing.ports import CallReport, LostAgent


def _lost(end: AgentEnd = AgentEnd.NO_CLOSE_FRAME, *, seconds: float = 2.0) -> FakeSession:
    return FakeSession(end, seconds=seconds)


def _hangs_up(seconds: float = 5.0) -> FakeSession:
    return FakeSession(AgentEnd.HANG_UP, seconds=seconds)


def _serve(
    primary: list[FakeSession],
    fallback: list[FakeSession],
    *,
    abnormal_end: AbnormalEnd = AbnormalEnd.FAILOVER,
    voicemail_message: str | None = None,
) -> tuple[FakeCall, CallReport, FakeWorld]:
    world = FakeWorld(
        routes={
            NUMBER: route(
                agent(abnormal_end=abnormal_end),
                agent(FALLBACK),
                voicemail_message=voicemail_message,
            )
        },
        workers={PRIMARY: Worker(primary), FALLBACK: Worker(fallback)},
        has_voicemail=True,
    )

    async def story() -> tuple[FakeCall, CallReport]:
        call = FakeCall()
        return call, await world.serve(call)

    return *run(story()), world


@pytest.mark.parametrize("end", [end for end in AgentEnd if end.is_failure])
def test_caller_is_moved_to_the_same_agent_first_however_it_was_lost(end: AgentEnd) -> None:
    call, report, world = _serve([_lost(end), _hangs_up()], [])

    assert [o.role for o in world.offers] == [Role.PRIMARY, Role.PRIMARY]
    assert [o.failover_reason for o in world.offers] == [None, end.value]
    assert (report.outcome, report.ended_by) == (Outcome.AGENT, EndedBy.AGENT)
    assert call.log == ["200 at 0.000", "BYE at 7.000"]


def test_agent_that_takes_over_learns_whom_it_replaces_and_which_keys_were_pressed() -> None:
    _, _, world = _serve([_lost(seconds=2.5)], [_hangs_up()])

    assert [o.lost for o in world.offers] == [
        None,
        LostAgent(PRIMARY, 2.5, "42"),
        LostAgent(PRIMARY, 2.5, "42"),
    ]


def test_lost_agents_words_give_way_to_the_hold_tone_at_once_and_it_to_the_next_agent() -> None:
    call, _, _ = _serve([_lost(), _hangs_up()], [])

    assert call.audio.log == ["clear", "play 12 s at 2.000", "clear", "trim"]


def test_fallback_takes_over_when_the_same_agent_is_gone_for_good() -> None:
    _, report, world = _serve([_lost()], [_hangs_up()])

    assert [o.role for o in world.offers] == [Role.PRIMARY, Role.PRIMARY, Role.FALLBACK]
    assert world.offers[2].failover_reason == "refused"
    assert report.outcome is Outcome.FALLBACK
    assert [(move.lost, move.to_role) for move in report.moves] == [
        (AgentEnd.NO_CLOSE_FRAME, Role.FALLBACK)
    ]


def test_agent_that_was_tried_again_once_is_not_tried_a_third_time() -> None:
    _, report, world = _serve([_lost(), _lost(), _hangs_up()], [_hangs_up()])

    assert [o.role for o in world.offers] == [Role.PRIMARY, Role.PRIMARY, Role.FALLBACK]
    assert report.outcome is Outcome.FALLBACK


def test_lost_fallback_is_never_followed_by_the_primary() -> None:
    _, report, world = _serve([], [_lost(), _lost(), _hangs_up()])

    assert [o.role for o in world.offers] == [Role.PRIMARY, Role.FALLBACK, Role.FALLBACK]
    assert report.ended_by is EndedBy.AGENT_LOST


def test_call_is_moved_three_times_at_most_and_then_taken_by_voicemail() -> None:
    forever = [_lost(seconds=1.0) for _ in range(9)]

    call, report, world = _serve(forever[:4], forever[4:], voicemail_message="Leave a message.")

    assert len(report.moves) == 4
    assert [move.to_role for move in report.moves] == [
        Role.PRIMARY,
        Role.FALLBACK,
        Role.FALLBACK,
        None,
    ]
    assert report.outcome is Outcome.VOICEMAIL
    assert [message.text for message in world.messages] == ["Leave a message."]
    assert call.log == ["200 at 0.000", "BYE at 4.000"]


@pytest.mark.parametrize(
    "end",
    [AgentEnd.NO_CLOSE_FRAME, AgentEnd.GOING_AWAY, AgentEnd.ERROR_CODE, AgentEnd.PING_TIMEOUT],
)
def test_abnormal_end_is_a_hang_up_where_the_agents_options_say_so(end: AgentEnd) -> None:
    call, report, world = _serve([_lost(end)], [_hangs_up()], abnormal_end=AbnormalEnd.HANG_UP)

    assert len(world.offers) == 1
    assert call.audio.is_drained
    assert (report.outcome, report.ended_by) == (Outcome.AGENT, EndedBy.AGENT)


def test_flood_moves_the_caller_even_where_abnormal_ends_are_hang_ups() -> None:
    _, report, world = _serve(
        [_lost(AgentEnd.FLOOD), _hangs_up()], [], abnormal_end=AbnormalEnd.HANG_UP
    )

    assert len(world.offers) == 2
    assert report.outcome is Outcome.AGENT


def test_caller_who_hangs_up_during_the_hold_tone_stops_the_search() -> None:
    world = FakeWorld(
        routes={NUMBER: route(agent(), agent(FALLBACK))},
        workers={PRIMARY: Worker([_lost()]), FALLBACK: Worker(_hangs_up(), seconds=0.5)},
    )

    async def story() -> CallReport:
        return await world.serve(FakeCall(), leaves_after=2.2)

    report = run(story())

    assert report.ended_by is EndedBy.CALLER
    assert world.workers[FALLBACK].was_cancelled


def test_every_worker_that_had_the_call_is_let_go_of() -> None:
    sessions = [_lost(), _lost()]
    last = _hangs_up()

    _serve(list(sessions), [last])

    assert all(session.hang_ups >= 1 for session in (*sessions, last))


def test_caller_who_hangs_up_on_the_next_agent_leaves_no_end_of_the_lost_one() -> None:
    world = FakeWorld(
        routes={NUMBER: route(agent(), agent(FALLBACK))},
        workers={PRIMARY: Worker([_lost()]), FALLBACK: Worker([_hangs_up(60.0)])},
    )

    async def story() -> CallReport:
        return await world.serve(FakeCall(), leaves_after=10.0)

    report = run(story())

    assert (report.role, report.ended_by) == (Role.FALLBACK, EndedBy.CALLER)
    assert report.agent_end is None
    assert [move.lost for move in report.moves] == [AgentEnd.NO_CLOSE_FRAME]
