"""Stages are marked once and measured from the INVITE."""

from __future__ import annotations

from sip_edge.routing.timeline import CallTimeline, Stage


def test_only_the_first_mark_of_a_stage_counts() -> None:
    timeline = CallTimeline(100.0)
    timeline.mark(Stage.ANSWER, 100.25)
    timeline.mark(Stage.ANSWER, 103.0)

    assert timeline.since_invite(Stage.ANSWER) == 0.25


def test_stage_that_was_not_reached_has_no_time() -> None:
    timeline = CallTimeline(100.0)

    assert timeline.at(Stage.ACK) is None
    assert timeline.since_invite(Stage.ACK) is None


def test_milliseconds_name_the_stages_in_the_order_they_were_reached() -> None:
    timeline = CallTimeline(10.0)
    timeline.mark(Stage.TRYING, 10.0004)
    timeline.mark(Stage.FIRST_RTP_IN, 10.1)
    timeline.mark(Stage.ACK, 10.25)

    assert list(timeline.milliseconds().items()) == [
        ("trying", 0.4),
        ("first_rtp_in", 100.0),
        ("ack", 250.0),
    ]
