"""What belongs to a message, and when it ends. A frame is 20 ms."""

from __future__ import annotations

import pytest
from support.voicemail import SPEECH

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.voicemail.recording import Recording, RecordingEnd


def recording(*, max_seconds: float = 120.0, silence_seconds: float = 5.0) -> Recording:
    return Recording(max_seconds=max_seconds, silence_seconds=silence_seconds)


def add(to: Recording, frame: bytes, frames: int) -> None:
    for _ in range(frames):
        to.add(frame)


def test_everything_the_caller_says_is_kept_in_order() -> None:
    live = recording()

    live.add(SPEECH)
    live.add(ULAW_SILENCE)
    live.add(SPEECH)

    assert live.take() == SPEECH + ULAW_SILENCE + SPEECH
    assert live.take() == b""
    assert live.end is None


def test_silence_ends_the_message_and_a_second_of_it_is_kept() -> None:
    live = recording(silence_seconds=5.0)

    add(live, SPEECH, 100)
    add(live, ULAW_SILENCE, 249)
    assert live.end is None
    live.add(ULAW_SILENCE)

    assert live.end is RecordingEnd.SILENCE
    assert live.take() == SPEECH * 100 + ULAW_SILENCE * 50


def test_a_pause_in_the_middle_is_kept_whole() -> None:
    live = recording(silence_seconds=5.0)

    add(live, SPEECH, 10)
    add(live, ULAW_SILENCE, 200)
    assert live.take() == SPEECH * 10 + ULAW_SILENCE * 50
    live.add(SPEECH)

    assert live.take() == ULAW_SILENCE * 150 + SPEECH


def test_each_word_begins_the_silence_anew() -> None:
    live = recording(silence_seconds=1.0)

    for _ in range(5):
        add(live, ULAW_SILENCE, 49)
        live.add(SPEECH)

    assert live.end is None


def test_the_longest_message_ends_at_its_limit() -> None:
    live = recording(max_seconds=2.0)

    add(live, SPEECH, 200)

    assert live.end is RecordingEnd.LIMIT
    assert live.take() == SPEECH * 100


def test_the_first_end_counts_and_nothing_is_added_after_it() -> None:
    live = recording()
    live.add(SPEECH)

    live.finish(RecordingEnd.KEY)
    live.finish(RecordingEnd.HUNG_UP)
    live.add(SPEECH)

    assert live.end is RecordingEnd.KEY
    assert live.take() == SPEECH


@pytest.mark.parametrize(("frame", "is_heard"), [(SPEECH, True), (ULAW_SILENCE, False)])
def test_it_knows_whether_anybody_spoke(frame: bytes, is_heard: bool) -> None:
    live = recording()

    live.add(frame)

    assert live.has_sound is is_heard


def test_it_says_how_much_waits_to_be_taken() -> None:
    live = recording()

    add(live, SPEECH, 3)

    assert live.ready_bytes == 480
    live.take()
    assert live.ready_bytes == 0
