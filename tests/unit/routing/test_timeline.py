"""Stages are marked once and measured from the INVITE."""

from __future__ import annotations

from support.ticks import Ticks

from sip_edge.routing.timeline import CallTimeline, Stage


def _reach(timeline: CallTimeline, ticks: Ticks, stage: Stage, at: float) -> None:
    ticks.now = at
    timeline.mark(stage)


def test_only_the_first_mark_of_a_stage_counts() -> None:
    ticks = Ticks(100.0)
    timeline = CallTimeline(100.0, clock=ticks)
    _reach(timeline, ticks, Stage.ANSWER, 100.25)
    _reach(timeline, ticks, Stage.ANSWER, 103.0)

    assert timeline.since_invite(Stage.ANSWER) == 0.25


def test_stage_that_was_not_reached_has_no_time() -> None:
    timeline = CallTimeline(100.0, clock=Ticks(100.0))

    assert timeline.at(Stage.ACK) is None
    assert timeline.since_invite(Stage.ACK) is None


def test_milliseconds_name_the_stages_in_the_order_they_were_reached() -> None:
    ticks = Ticks(10.0)
    timeline = CallTimeline(10.0, clock=ticks)
    _reach(timeline, ticks, Stage.TRYING, 10.0004)
    _reach(timeline, ticks, Stage.FIRST_RTP_IN, 10.1)
    _reach(timeline, ticks, Stage.ACK, 10.25)

    assert list(timeline.milliseconds().items()) == [
        ("trying", 0.4),
        ("first_rtp_in", 100.0),
        ("ack", 250.0),
    ]


def test_milliseconds_of_a_call_that_goes_on_grow_and_those_of_one_that_ended_stay() -> None:
    ticks = Ticks(10.0)
    timeline = CallTimeline(10.0, clock=ticks)
    _reach(timeline, ticks, Stage.TRYING, 10.0004)
    assert timeline.milliseconds() == {"trying": 0.4}
    _reach(timeline, ticks, Stage.END, 12.0)

    assert timeline.milliseconds() == {"trying": 0.4, "end": 2000.0}
    assert timeline.milliseconds() is timeline.milliseconds()
