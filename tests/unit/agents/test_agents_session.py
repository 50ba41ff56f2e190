"""What one worker may not do: every limit of a session, and a worker that does not read."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.session_world import FRAME, SETTINGS, connected, joined

from sip_edge.agents.counters import Counted
from sip_edge.routing.outcome import AgentEnd

# Limits


def test_malformed_messages_are_ignored_until_there_are_too_many_in_a_short_time() -> None:
    world = joined()

    for _ in range(3):
        world.session.receive(b"nonsense")
    assert world.session.end is None
    world.session.receive(b"nonsense")

    assert world.session.end is AgentEnd.PROTOCOL_ERROR
    assert world.link.closed_with == 1008
    assert world.counts() == {Counted.MALFORMED_IN: 4}


def test_malformed_messages_over_a_long_time_do_no_harm() -> None:
    world = joined()

    for _ in range(40):
        world.session.receive(b"nonsense")
        world.time.advance(4.0)

    assert world.session.end is None


def test_sound_may_be_ahead_up_to_the_limit_and_time_makes_room() -> None:
    world = joined()

    world.worker_plays(b"\x01" * 80_000)
    assert world.session.end is None
    world.time.advance(1.0)
    world.worker_plays(b"\x02" * 8_000)
    assert world.session.end is None
    world.worker_plays(b"\x03")

    assert world.session.end is AgentEnd.FLOOD
    assert world.link.closed_with == 1008


def test_a_pause_of_the_worker_earns_it_no_more_than_the_limit() -> None:
    world = joined()
    world.time.advance(100.0)

    world.worker_plays(b"\x01" * 80_001)

    assert world.session.end is AgentEnd.FLOOD


def test_clear_makes_room_at_once() -> None:
    world = joined()
    world.worker_plays(b"\x01" * 80_000)

    world.worker_says("clear")
    world.worker_plays(b"\x02" * 80_000)

    assert world.session.end is None


def test_what_was_played_at_the_answer_counts_as_ahead() -> None:
    world = connected()
    world.worker_plays(b"\x01" * 8_000)
    world.session.join(world.audio)

    world.worker_plays(b"\x02" * 72_000)
    assert world.session.end is None
    world.worker_plays(b"\x03")

    assert world.session.end is AgentEnd.FLOOD


def test_sound_before_the_answer_is_bounded() -> None:
    world = connected()

    world.worker_plays(b"\x01" * 8_000)
    assert world.session.end is None
    world.worker_plays(b"\x01")

    assert world.session.end is AgentEnd.FLOOD


def test_waiting_marks_are_bounded_and_returned_ones_make_room() -> None:
    world = joined()
    for number in range(5):
        world.worker_marks(str(number))
    world.audio.heard()

    for number in range(5):
        world.worker_marks(str(number))
    assert world.session.end is None
    world.worker_marks("one too many")

    assert world.session.end is AgentEnd.FLOOD


def test_a_worker_must_say_something_in_time_if_its_agent_asks_for_that() -> None:
    world = joined(first_audio_timeout_seconds=3.0)

    world.time.advance(2.9)
    assert world.session.end is None
    world.time.advance(0.2)

    assert world.session.end is AgentEnd.NO_FIRST_AUDIO
    assert world.link.events == ["stop"]
    assert world.link.closed_with == 1000


@pytest.mark.parametrize("says_it_early", [True, False])
def test_first_sound_in_time_ends_the_wait(says_it_early: bool) -> None:
    world = connected(first_audio_timeout_seconds=3.0)
    if says_it_early:
        world.worker_plays(FRAME)
    world.session.join(world.audio)
    if not says_it_early:
        world.worker_plays(FRAME)

    world.time.advance(100.0)

    assert world.session.end is None
    assert world.time.pending == 0


# A worker that does not read


def test_while_a_worker_does_not_read_everything_for_it_is_dropped_and_counted() -> None:
    world = joined()

    world.session.writing_paused()
    world.session.on_audio(FRAME)
    world.session.on_digit("1")
    world.session.on_mark("x")

    assert world.link.messages == []
    assert world.counts() == {Counted.DROPPED_OUT: 3}


def test_a_worker_that_reads_again_hears_on_without_a_gap_in_the_numbers() -> None:
    world = joined()
    world.session.on_audio(FRAME)
    world.session.writing_paused()
    world.time.advance(5.0)
    world.session.on_audio(FRAME)

    world.session.writing_resumed()
    world.session.on_audio(FRAME)
    world.time.advance(60.0)

    assert [(m["sequenceNumber"], m["media"]["chunk"]) for m in world.link.messages] == [
        ("2", "1"),
        ("3", "2"),
    ]
    assert world.session.end is None


def test_a_worker_that_reads_nothing_for_too_long_is_dropped() -> None:
    world = joined()

    world.session.writing_paused()
    world.time.advance(9.9)
    assert world.session.end is None
    world.time.advance(0.2)

    assert world.session.end is AgentEnd.PING_TIMEOUT
    assert world.link.is_aborted


def test_hanging_up_on_a_worker_that_does_not_read_leaves_no_timer() -> None:
    world = joined(first_audio_timeout_seconds=3.0)
    world.session.writing_paused()

    world.session.hang_up()

    assert world.link.events == []
    assert world.link.closed_with == 1000
    assert world.time.pending == 0


def test_reading_again_after_the_end_brings_nothing_back() -> None:
    world = joined()
    world.session.writing_paused()
    world.session.peer_closed(1000, "")

    world.session.writing_resumed()
    world.session.on_audio(FRAME)

    assert world.link.messages == []


# Counters


def test_the_observer_is_told_what_was_added_since_the_last_time() -> None:
    world = joined()
    world.session.on_audio(FRAME)
    world.worker_plays(FRAME)
    assert world.counts() == {Counted.MEDIA_OUT: 1, Counted.MEDIA_IN: 1}

    world.session.on_audio(FRAME)
    world.worker_says("clear")
    world.worker_marks("m")
    world.session.connection_lost()

    assert dict(world.observer.counts) == {
        Counted.MEDIA_OUT: 2,
        Counted.MEDIA_IN: 1,
        Counted.CLEAR_IN: 1,
        Counted.MARK_IN: 1,
    }


def test_limits_are_those_of_the_settings() -> None:
    world = joined(settings=replace(SETTINGS, malformed_limit=0))

    world.session.receive(b"nonsense")

    assert world.session.end is AgentEnd.PROTOCOL_ERROR
