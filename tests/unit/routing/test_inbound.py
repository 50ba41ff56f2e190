"""One call's life (routing/inbound.py), with every port faked and virtual time."""

from __future__ import annotations

import asyncio

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

from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
from sip_edge.routing.plan import AccountCheck, AgentStatus
from sip_edge.routing.ports import CallReport
from sip_edge.routing.refusal import Refusal


def _serve(world: FakeWorld, *, leaves_after: float | None = None) -> tuple[FakeCall, CallReport]:
    async def story() -> tuple[FakeCall, CallReport]:
        call = FakeCall()
        return call, await world.serve(call, leaves_after=leaves_after)

    return run(story())


def _world(primary: Worker, fallback: Worker | None = None, **more: object) -> FakeWorld:
    world = FakeWorld(
        routes={NUMBER: route(agent(), agent(FALLBACK) if fallback else None, **more)},
        workers={PRIMARY: primary},
    )
    if fallback is not None:
        world.workers[FALLBACK] = fallback
    return world


def test_primary_agent_answers_and_its_hang_up_ends_the_call_after_its_words_were_played() -> None:
    session = FakeSession(AgentEnd.HANG_UP, seconds=5.0)

    call, report = _serve(_world(Worker(session)))

    assert call.log == ["200 at 0.000", "BYE at 5.000"]
    assert call.audio.is_drained
    assert session.is_joined
    assert (report.outcome, report.ended_by) == (Outcome.AGENT, EndedBy.AGENT)
    assert report.agent_id == PRIMARY


def test_words_that_are_queued_when_the_agent_hangs_up_are_played_before_the_bye() -> None:
    async def story() -> FakeCall:
        call = FakeCall()
        call.audio.drain_seconds = 3.0
        await _world(Worker(FakeSession(AgentEnd.HANG_UP, seconds=1.0))).serve(call)
        return call

    assert run(story()).log == ["200 at 0.000", "BYE at 4.000"]


def test_call_ends_with_a_bye_when_its_agent_is_lost_and_nobody_else_is_there() -> None:
    lost = FakeSession(AgentEnd.NO_CLOSE_FRAME, seconds=2.0)

    call, report = _serve(_world(Worker([lost])))

    assert call.log == ["200 at 0.000", "BYE at 2.000"]
    assert not call.audio.is_drained
    assert report.ended_by is EndedBy.AGENT_LOST
    assert report.agent_end is AgentEnd.NO_CLOSE_FRAME


def test_fallback_agent_is_tried_after_the_primary_refuses() -> None:
    world = _world(Worker(), Worker(FakeSession(AgentEnd.HANG_UP)))

    _, report = _serve(world)

    assert report.outcome is Outcome.FALLBACK
    assert [a.failure for a in report.attempts] == [AttemptFailure.REFUSED, None]
    assert [o.failover_reason for o in world.offers] == [None, "refused"]
    assert [o.attempt for o in world.offers] == [1, 2]


def test_fallback_of_a_paused_primary_is_told_why_it_is_called() -> None:
    world = _world(Worker(), Worker(FakeSession(AgentEnd.HANG_UP)))
    world.routes[NUMBER] = route(agent(status=AgentStatus.PAUSED), agent(FALLBACK))

    _, report = _serve(world)

    assert report.outcome is Outcome.FALLBACK
    assert [(o.attempt, o.failover_reason) for o in world.offers] == [(1, "paused")]


def test_hanging_workers_are_given_up_at_their_time_and_480_comes_before_any_180() -> None:
    call, report = _serve(_world(Worker(seconds=60.0), Worker(seconds=60.0)))

    assert call.log == ["480 at 1.800"]
    assert (report.outcome, report.status) == (Outcome.UNAVAILABLE, 480)
    assert [round(a.seconds, 3) for a in report.attempts] == [0.9, 0.9]


def test_180_goes_out_when_attempts_are_still_running_after_two_seconds() -> None:
    world = _world(Worker(FakeSession(AgentEnd.HANG_UP), seconds=3.0))
    world.routes[NUMBER] = route(agent(accept_timeout_seconds=5.0))

    call, _ = _serve(world)

    assert call.log == ["180 at 2.000", "200 at 3.000", "BYE at 3.000"]


def test_no_attempt_runs_past_the_deadline_of_the_whole_search() -> None:
    world = _world(Worker(seconds=60.0), Worker(seconds=60.0))
    world.routes[NUMBER] = route(
        agent(accept_timeout_seconds=8.0), agent(FALLBACK, accept_timeout_seconds=8.0)
    )

    call, report = _serve(world)

    assert call.log == ["180 at 2.000", "480 at 10.000"]
    assert [a.seconds for a in report.attempts] == [8.0, 2.0]


def test_caller_who_leaves_while_a_worker_is_asked_stops_the_search_at_once() -> None:
    world = _world(Worker(seconds=60.0), Worker(FakeSession(AgentEnd.HANG_UP)))

    call, report = _serve(world, leaves_after=0.5)

    assert report.outcome is Outcome.CALLER_LEFT
    assert world.workers[PRIMARY].was_cancelled
    assert len(world.offers) == 1
    assert call.log == []


def test_caller_who_hangs_up_in_mid_call_frees_the_worker() -> None:
    session = FakeSession(seconds=None)

    call, report = _serve(_world(Worker(session)), leaves_after=30.0)

    assert session.hang_ups >= 1
    assert (report.outcome, report.ended_by) == (Outcome.AGENT, EndedBy.CALLER)
    assert call.log == ["200 at 0.000"]


def test_call_that_is_never_acknowledged_is_reported_as_such() -> None:
    async def story() -> CallReport:
        import asyncio

        call, world = FakeCall(), _world(Worker(FakeSession(seconds=None)))
        asyncio.get_running_loop().call_later(32.0, call.caller_leaves, EndedBy.NO_ACK)
        return await world.serve(call)

    assert run(story()).outcome is Outcome.NOT_ACKNOWLEDGED


def test_worker_that_closes_before_the_answer_has_not_taken_the_call() -> None:
    session = FakeSession()
    session.end = AgentEnd.ERROR_CODE

    call, report = _serve(_world(Worker(session)))

    assert report.attempts[0].failure is AttemptFailure.CLOSED_EARLY
    assert session.hang_ups == 1
    assert call.log == ["480 at 0.000"]


def test_worker_that_accepts_as_the_caller_leaves_is_let_go_of_and_nothing_is_answered() -> None:
    session = FakeSession(seconds=None)
    world = _world(Worker(session))

    async def story() -> tuple[FakeCall, CallReport]:
        call = FakeCall()
        call.leave_without_a_word = True
        return call, await world.serve(call)

    call, report = run(story())

    assert call.log == []
    assert session.hang_ups == 1
    assert (report.outcome, report.status) == (Outcome.CALLER_LEFT, 487)


def test_worker_that_spoke_and_hung_up_before_the_answer_is_heard() -> None:
    session = FakeSession(AgentEnd.HANG_UP)
    session.end, session.has_spoken = AgentEnd.HANG_UP, True

    call, report = _serve(_world(Worker(session)))

    assert call.log == ["200 at 0.000", "BYE at 0.000"]
    assert call.audio.is_drained
    assert report.outcome is Outcome.AGENT


def test_answer_is_told_when_it_is_given_not_when_the_call_ends() -> None:
    world = _world(Worker(FakeSession(seconds=None)))

    async def story() -> list[Outcome]:
        serving = asyncio.create_task(world.serve(FakeCall(), leaves_after=60.0))
        await asyncio.sleep(1.0)
        answers = list(world.answers)
        await serving
        return answers

    assert run(story()) == [Outcome.AGENT]


def test_answer_names_who_gave_it_whoever_takes_over_later() -> None:
    lost = FakeSession(AgentEnd.NO_CLOSE_FRAME, seconds=2.0)
    world = _world(Worker(), Worker([lost]), voicemail_message="Speak.")
    world.has_voicemail = True

    _, report = _serve(world)

    assert world.answers == [Outcome.FALLBACK]
    assert report.outcome is Outcome.VOICEMAIL


def test_voicemail_that_answers_is_told_of_as_such() -> None:
    world = _world(Worker(), voicemail_message="Speak.")
    world.has_voicemail = True

    _serve(world)

    assert world.answers == [Outcome.VOICEMAIL]


def test_refused_call_is_not_told_of_as_answered() -> None:
    world = _world(Worker())

    _serve(world)

    assert world.answers == []


def test_number_with_as_many_calls_as_it_may_have_is_busy_whatever_its_voicemail() -> None:
    world = _world(Worker(FakeSession()), max_calls=2, voicemail_message="Speak.")
    world.has_voicemail = True
    world.calls_ahead = 2

    call, report = _serve(world)

    assert call.log == ["486 at 0.000"]
    assert report.refusal is Refusal.NUMBER_BUSY
    assert world.offers == []


OWNER = "AC" + "a" * 32
STRANGER = "AC" + "b" * 32


def _call_from(account_sid: str, check: AccountCheck) -> CallReport:
    world = _world(Worker(FakeSession(AgentEnd.HANG_UP, seconds=1.0)), account_sid=OWNER)
    world.account_check = check

    async def story() -> CallReport:
        return await world.serve(FakeCall(account_sid=account_sid))

    return run(story())


def test_call_from_another_account_is_refused_where_that_is_enforced() -> None:
    report = _call_from(STRANGER, AccountCheck.ENFORCE)

    assert (report.refusal, report.status) == (Refusal.OTHER_ACCOUNT, 404)
    assert report.is_other_account


def test_call_from_another_account_is_marked_and_answered_where_it_is_only_logged() -> None:
    report = _call_from(STRANGER, AccountCheck.LOG)

    assert (report.outcome, report.is_other_account) == (Outcome.AGENT, True)


def test_accounts_are_not_looked_at_where_that_is_off() -> None:
    report = _call_from(STRANGER, AccountCheck.OFF)

    assert (report.outcome, report.is_other_account) == (Outcome.AGENT, False)


def test_call_that_names_its_numbers_account_or_none_is_answered() -> None:
    reports = [_call_from(sid, AccountCheck.ENFORCE) for sid in (OWNER, "AC" + "0" * 32)]

    assert [(report.outcome, report.is_other_account) for report in reports] == [
        (Outcome.AGENT, False)
    ] * 2


def test_unknown_number_is_refused_with_404_and_no_agent_is_disturbed() -> None:
    world = FakeWorld()

    call, report = _serve(world)

    assert call.log == ["404 at 0.000"]
    assert (report.outcome, report.refusal) == (Outcome.REFUSED, Refusal.UNKNOWN_NUMBER)
    assert world.offers == []


def test_number_without_routing_is_declined_with_603() -> None:
    world = FakeWorld(routes={NUMBER: route(has_routing=False)})

    call, _ = _serve(world)

    assert call.log == ["603 at 0.000"]


def test_call_gets_503_when_its_route_cannot_be_known() -> None:
    call, report = _serve(FakeWorld(is_directory_down=True))

    assert call.log == ["503 at 0.000"]
    assert report.refusal is Refusal.ROUTES_UNAVAILABLE


def test_call_that_may_not_come_in_gets_503_and_nobody_is_asked() -> None:
    world = _world(Worker(FakeSession(AgentEnd.HANG_UP)))
    world.refuse_all = Refusal.DRAINING

    call, report = _serve(world)

    assert call.log == ["503 at 0.000"]
    assert report.outcome is Outcome.OVERLOADED
    assert world.offers == []


def test_call_without_a_usable_codec_is_refused_before_any_agent_is_asked() -> None:
    world = _world(Worker(FakeSession(AgentEnd.HANG_UP)))

    async def story() -> FakeCall:
        call = FakeCall(obstacle=Refusal.NO_CODEC)
        await world.serve(call)
        return call

    assert run(story()).log == ["488 at 0.000"]
    assert world.offers == []


def test_voicemail_takes_the_call_that_no_agent_took() -> None:
    world = _world(Worker(), voicemail_message="Please leave a message.")
    world.has_voicemail = True

    _, report = _serve(world)

    assert report.outcome is Outcome.VOICEMAIL
    assert [message.text for message in world.messages] == ["Please leave a message."]


def test_stale_route_is_used_and_marked_in_the_report() -> None:
    world = _world(Worker(FakeSession(AgentEnd.HANG_UP)), is_stale=True)

    _, report = _serve(world)

    assert report.outcome is Outcome.AGENT
    assert report.is_stale_route


def test_defect_in_an_adapter_ends_in_500_and_a_report_never_in_silence() -> None:
    call, report = _serve(_world(Worker(is_broken=True)))

    assert call.log == ["500 at 0.000", "ZeroDivisionError"]
    assert report.outcome is Outcome.FAILED
    assert (report.refusal, report.status) == (Refusal.INTERNAL_ERROR, 500)
