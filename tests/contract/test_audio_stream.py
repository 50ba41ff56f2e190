"""What every `media.audio.AudioStream` promises: the real one and the double of other tests."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Protocol

import pytest
from support.audio_stream import RecordingAudioStream
from support.rtp_call import Ear, RtpCall, begin, rtp_call
from support.virtual_time import run

from sip_edge.media.audio import ULAW_SILENCE, AudioStream
from sip_edge.media.telephone_event import TelephoneEvent, build_telephone_event

A = b"\x21" * 160
B = b"\x22" * 160
DIGITS = "0123456789*#ABCD"


class Line(Protocol):
    """A stream with its caller."""

    stream: AudioStream

    async def step(self, frames: int = 1, said: bytes = ULAW_SILENCE) -> None:
        """Let 20 ms pass `frames` times; the caller says `said`."""

    def press(self, digit: str) -> None:
        """The caller presses a key and lets it go."""

    def heard(self) -> list[bytes]:
        """What the caller has heard, frame by frame."""


class DoubleLine:
    def __init__(self) -> None:
        self._double = RecordingAudioStream()
        self.stream: AudioStream = self._double

    async def step(self, frames: int = 1, said: bytes = ULAW_SILENCE) -> None:
        self._double.step(frames, said=said)
        await asyncio.sleep(0)

    def press(self, digit: str) -> None:
        self._double.press(digit)

    def heard(self) -> list[bytes]:
        return self._double.heard


class RtpLine:
    def __init__(self, call: RtpCall) -> None:
        self.stream: AudioStream = call.session
        self._call = call
        self._heard: list[bytes] = []
        self._ends_at = asyncio.get_running_loop().time()

    async def step(self, frames: int = 1, said: bytes = ULAW_SILENCE) -> None:
        for _ in range(frames):
            self._call.peer.say(self._call.port, said)
            self._ends_at += 0.02
            await asyncio.sleep(self._ends_at + 0.001 - asyncio.get_running_loop().time())

    def press(self, digit: str) -> None:
        event = TelephoneEvent(DIGITS.index(digit), True, 10, 800)
        for _ in range(3):
            self._call.peer.send_event(self._call.port, build_telephone_event(event))
        self._call.peer.timestamp += 800

    def heard(self) -> list[bytes]:
        self._heard += [packet.payload for packet in self._call.peer.heard()]
        return self._heard


@contextmanager
def double_line() -> Iterator[Line]:
    yield DoubleLine()


@contextmanager
def rtp_line() -> Iterator[Line]:
    with rtp_call() as call:
        call.session.listen(None)
        begin(call)
        yield RtpLine(call)


OpenLine = Callable[[], AbstractContextManager[Line]]


@pytest.fixture(params=[double_line, rtp_line], ids=["double", "RTP"])
def open_line(request: pytest.FixtureRequest) -> OpenLine:
    opener: OpenLine = request.param
    return opener


def test_what_is_played_is_heard_in_order(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            line.stream.play(A)
            line.stream.play(B)
            await line.step(2)
            assert line.heard() == [A, B]

    run(check())


def test_silence_is_heard_when_nothing_is_played(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            await line.step(3)
            assert line.heard() == [ULAW_SILENCE] * 3

    run(check())


def test_sound_of_any_length_is_heard_in_real_time(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            line.stream.play(A[:50])
            line.stream.play(A[:110] + B * 100)
            await line.step(3)
            assert line.heard() == [A, B, B]

    run(check())


def test_rest_of_a_frame_is_filled_up_with_silence(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            line.stream.play(A[:40])
            await line.step(2)
            assert line.heard() == [A[:40] + ULAW_SILENCE[40:], ULAW_SILENCE]

    run(check())


def test_listener_hears_a_frame_every_20_ms(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            ear = Ear()
            line.stream.listen(ear)
            await line.step(10)
            assert ear.frames == [ULAW_SILENCE] * 10

    run(check())


def test_listener_hears_what_the_caller_says(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            ear = Ear()
            line.stream.listen(ear)
            await line.step(5, said=A)
            await line.step(5)
            assert ear.frames.count(A) == 5

    run(check())


def test_listener_is_told_of_a_key_once(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            ear = Ear()
            line.stream.listen(ear)
            await line.step()
            line.press("#")
            await line.step(5)
            line.press("A")
            await line.step(5)
            assert ear.digits == "#A"

    run(check())


def test_only_the_last_listener_hears(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            first, second = Ear(), Ear()
            line.stream.listen(first)
            line.stream.listen(second)
            await line.step(3)
            assert (len(first.frames), len(second.frames)) == (0, 3)
            line.stream.listen(None)
            await line.step(3)
            assert len(second.frames) == 3

    run(check())


def test_mark_is_reported_after_its_sound_was_heard(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            ear = Ear()
            line.stream.listen(ear)
            line.stream.play(A)
            line.stream.mark("one")
            line.stream.play(B)
            line.stream.mark("two")
            await line.step()
            assert ear.marks == []
            await line.step()
            assert ear.marks == ["one"]
            await line.step()
            assert ear.marks == ["one", "two"]

    run(check())


def test_mark_is_reported_at_once_when_nothing_is_queued(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            ear = Ear()
            line.stream.listen(ear)
            line.stream.mark("now")
            assert ear.marks == ["now"]

    run(check())


def test_clear_drops_the_sound_and_reports_pending_marks_in_order(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            ear = Ear()
            line.stream.listen(ear)
            line.stream.play(A * 2)
            line.stream.mark("one")
            line.stream.mark("two")
            await line.step()
            line.stream.clear()
            assert ear.marks == ["one", "two"]
            await line.step(2)
            assert line.heard() == [A, ULAW_SILENCE, ULAW_SILENCE]
            assert ear.marks == ["one", "two"]

    run(check())


def test_clear_of_an_empty_stream_does_nothing(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            ear = Ear()
            line.stream.listen(ear)
            line.stream.clear()
            assert ear.marks == []

    run(check())


def test_sound_played_after_clear_is_heard(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            line.stream.play(A * 100)
            line.stream.clear()
            line.stream.play(B)
            await line.step(2)
            assert line.heard() == [B, ULAW_SILENCE]

    run(check())


def test_drained_returns_at_once_when_nothing_is_queued(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            await line.stream.drained()

    run(check())


def test_drained_returns_when_all_was_heard(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            line.stream.play(A * 3)
            waiting = asyncio.create_task(line.stream.drained())
            await line.step(3)
            assert not waiting.done()
            await line.step(2)
            assert waiting.done()
            assert line.heard().count(A) == 3

    run(check())


def test_drained_returns_after_clear(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            line.stream.play(A * 100)
            waiting = asyncio.create_task(line.stream.drained())
            await line.step(2)
            line.stream.clear()
            await line.step(2)
            assert waiting.done()

    run(check())


def test_several_may_wait_for_the_end_and_one_may_give_up(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            line.stream.play(A * 3)
            first = asyncio.create_task(line.stream.drained())
            second = asyncio.create_task(line.stream.drained())
            await line.step()
            first.cancel()
            await line.step(4)
            assert first.cancelled()
            assert second.done()
            assert not second.cancelled()

    run(check())


def test_trimmed_stream_ends_with_its_last_sound_and_keeps_its_marks(open_line: OpenLine):
    async def check() -> None:
        with open_line() as line:
            ear = Ear()
            line.stream.listen(ear)
            line.stream.play(A + ULAW_SILENCE + B + ULAW_SILENCE * 100)
            line.stream.mark("the end")
            line.stream.trim()
            waiting = asyncio.create_task(line.stream.drained())
            await line.step(5)
            assert waiting.done()
            assert line.heard()[:3] == [A, ULAW_SILENCE, B]
            assert ear.marks == ["the end"]

    run(check())
