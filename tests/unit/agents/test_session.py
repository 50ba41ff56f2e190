"""One worker's part in a call: what it hears, what it may say, and how it ends."""

from __future__ import annotations

import asyncio
from base64 import b64encode

import pytest
from support.session_world import FRAME, World, connected, joined

from sip_edge.agents.counters import Counted
from sip_edge.routing.outcome import AgentEnd

# The caller is heard


def test_the_worker_hears_the_caller_with_milliseconds_since_the_start() -> None:
    world = connected()
    world.time.advance(1.5)
    world.session.join(world.audio)

    world.session.on_audio(FRAME)
    world.time.advance(0.02)
    world.session.on_audio(b"\x00" * 160)

    assert [message["media"] for message in world.link.messages] == [
        {
            "track": "inbound",
            "chunk": "1",
            "timestamp": "1500",
            "payload": b64encode(FRAME).decode(),
        },
        {
            "track": "inbound",
            "chunk": "2",
            "timestamp": "1520",
            "payload": b64encode(b"\x00" * 160).decode(),
        },
    ]


def test_joining_makes_the_session_the_listener_of_the_stream() -> None:
    world = joined()

    assert world.audio.listener is world.session


def test_keys_are_told_one_by_one() -> None:
    world = joined()

    world.session.on_digit("1")
    world.session.on_digit("#")

    assert [message["dtmf"]["digit"] for message in world.link.messages] == ["1", "#"]
    assert world.session.digits == "1#"


# The worker is heard


def test_sound_of_any_size_is_played_in_order() -> None:
    world = joined()

    world.worker_plays(b"\x01")
    world.worker_plays(b"\x02" * 16_000)
    world.worker_plays(b"")
    world.worker_plays(b"\x03" * 320)

    assert world.audio.sound == b"\x01" + b"\x02" * 16_000 + b"\x03" * 320


def test_marks_come_back_in_order_and_only_when_their_sound_was_heard() -> None:
    world = joined()

    world.worker_plays(FRAME)
    world.worker_marks("first")
    world.worker_marks("second")
    assert world.link.messages == []

    world.audio.heard()
    assert [message["mark"]["name"] for message in world.link.messages] == ["first", "second"]


def test_clear_reaches_the_stream_at_once_and_brings_the_marks_back() -> None:
    world = joined()
    world.worker_plays(FRAME)
    world.worker_marks("cut short")

    world.worker_says("clear")

    assert world.audio.log == [FRAME, "mark cut short", "clear"]
    assert [message["mark"]["name"] for message in world.link.messages] == ["cut short"]


def test_a_mark_without_a_name_is_ignored() -> None:
    world = joined()

    world.worker_says("mark")
    world.worker_says("mark", mark={})

    assert world.audio.log == []
    assert world.session.end is None


def test_unknown_events_and_binary_messages_are_ignored_and_counted() -> None:
    world = joined()

    world.worker_says("close")
    world.worker_says("something", media={"payload": "AAAA"})
    world.session.receive_binary()

    assert world.audio.log == []
    assert world.session.end is None
    assert world.counts() == {Counted.UNKNOWN_IN: 2, Counted.BINARY_IN: 1}


def test_what_a_worker_says_before_the_answer_is_played_at_the_answer_in_order() -> None:
    world = connected()
    world.worker_plays(b"\x01" * 10)
    world.worker_plays(b"\x02" * 10)
    world.worker_marks("greeting")
    world.worker_plays(b"\x03" * 10)

    world.session.join(world.audio)

    assert world.audio.log == [b"\x01" * 10 + b"\x02" * 10, "mark greeting", b"\x03" * 10]


def test_clear_before_the_answer_drops_the_sound_and_returns_the_marks_at_the_answer() -> None:
    world = connected()
    world.worker_plays(FRAME)
    world.worker_marks("dropped")
    world.worker_says("clear")
    world.worker_plays(b"\x03" * 10)

    world.session.join(world.audio)

    assert world.audio.log == ["mark dropped", b"\x03" * 10]


def test_a_worker_that_hung_up_before_the_answer_is_heard_nevertheless() -> None:
    world = connected()
    world.worker_plays(FRAME)
    world.session.peer_closed(1000, "")

    world.session.join(world.audio)

    assert world.audio.log == [FRAME]


# Ends


@pytest.mark.parametrize(
    ("code", "end"),
    [
        (1000, AgentEnd.HANG_UP),
        (None, AgentEnd.HANG_UP),
        (1001, AgentEnd.GOING_AWAY),
        (1012, AgentEnd.GOING_AWAY),
        (1002, AgentEnd.ERROR_CODE),
        (1003, AgentEnd.ERROR_CODE),
        (1006, AgentEnd.ERROR_CODE),
        (1008, AgentEnd.ERROR_CODE),
        (1011, AgentEnd.ERROR_CODE),
        (1013, AgentEnd.ERROR_CODE),
        (1014, AgentEnd.ERROR_CODE),
        (3000, AgentEnd.ERROR_CODE),
        (4000, AgentEnd.ERROR_CODE),
        (4999, AgentEnd.ERROR_CODE),
        (0, AgentEnd.ERROR_CODE),
    ],
)
def test_a_close_code_says_whether_the_worker_wished_to_end(code: int, end: AgentEnd) -> None:
    world = joined()

    world.session.peer_closed(code, "")

    assert world.session.end is end


def test_a_connection_that_drops_has_no_close_frame() -> None:
    world = joined()

    world.session.connection_lost()

    assert world.session.end is AgentEnd.NO_CLOSE_FRAME


def test_the_first_end_counts() -> None:
    world = joined()

    world.session.peer_closed(1000, "")
    world.session.connection_lost()

    assert world.session.end is AgentEnd.HANG_UP


@pytest.mark.asyncio
async def test_waiting_for_the_end_returns_how_it_ended_even_afterwards() -> None:
    world = joined()
    waiter = asyncio.ensure_future(world.session.wait_ended())
    await asyncio.sleep(0)
    assert not waiter.done()

    world.session.peer_closed(1011, "")

    assert await waiter is AgentEnd.ERROR_CODE
    assert await world.session.wait_ended() is AgentEnd.ERROR_CODE


def test_nothing_is_sent_or_played_after_the_end() -> None:
    world = joined()
    world.worker_plays(FRAME)
    world.worker_marks("late")
    world.session.peer_closed(1000, "")
    world.link.messages.clear()

    world.session.on_audio(FRAME)
    world.session.on_digit("1")
    world.worker_plays(b"\x01" * 160)
    world.audio.heard()
    world.session.hang_up()

    assert world.link.messages == []
    assert world.link.closed_with is None
    assert world.audio.sound == FRAME


def test_hanging_up_says_stop_and_closes_normally_once() -> None:
    world = joined()

    world.session.hang_up()
    world.session.hang_up()

    assert world.link.events == ["stop"]
    assert world.link.closed_with == 1000
    assert world.session.end is None


def test_after_hanging_up_nothing_passes_in_either_direction() -> None:
    world = joined()
    world.session.hang_up()

    world.session.on_audio(FRAME)
    world.session.on_digit("1")
    world.session.on_mark("x")
    world.worker_plays(FRAME)

    assert world.link.events == ["stop"]
    assert world.audio.sound == b""


@pytest.mark.parametrize("code", [1000, 1011, None])
def test_however_a_worker_leaves_after_we_hung_up_it_has_not_failed(code: int | None) -> None:
    world = joined()
    world.session.hang_up()

    if code is None:
        world.session.connection_lost()
    else:
        world.session.peer_closed(code, "")

    assert world.session.end is AgentEnd.HANG_UP


def test_joining_after_hanging_up_waits_for_no_sound() -> None:
    world = connected(first_audio_timeout_seconds=3.0)
    world.session.hang_up()

    world.session.join(world.audio)
    world.time.advance(10.0)

    assert world.session.end is None


def test_hanging_up_before_the_connection_is_there_is_quiet() -> None:
    world = World()

    world.session.hang_up()

    assert world.session.end is None


def test_a_worker_that_answers_no_ping_is_dropped() -> None:
    world = joined()

    world.session.not_responding()

    assert world.session.end is AgentEnd.PING_TIMEOUT
    assert world.link.is_aborted
    assert world.link.events == []


def test_a_worker_that_breaks_the_websocket_protocol_has_failed() -> None:
    world = joined()

    world.session.protocol_violated()

    assert world.session.end is AgentEnd.PROTOCOL_ERROR
