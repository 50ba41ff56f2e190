"""Any text can be read, any caller can be recorded."""

from __future__ import annotations

import re

from hypothesis import example, given, settings
from hypothesis import strategies as st
from support.voicemail import SPEECH

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.voicemail.english import speak_english
from sip_edge.voicemail.recording import Recording, RecordingEnd
from sip_edge.voicemail.script import MAX_CHUNK_CHARACTERS, bounded, prepare, pronounceable

TELEPHONE = re.compile(r"\d{3}[-. ]\d{4}")

FRAGMENTS = st.sampled_from(
    ["9", "12:30", "am", "$", "5", ".", ",", "-", "\u2013", "+1", "(415)", "555-0100", " ", "Mon",
     "#", "*", "24/7", "x", "word", "。", "ただいま", "\n", "1,000", "€", "k", "ext.", "p.m.",
     "1-800-FLOWERS"]
)  # fmt: skip


@settings(max_examples=200)
@given(st.text(max_size=3000) | st.lists(FRAGMENTS, max_size=400).map("".join))
@example("9" * 2000)
@example("\ufdfa" * 2000)
@example("(" * 2000 + "1")
def test_any_text_becomes_chunks_that_an_engine_can_read(text: str) -> None:
    script = prepare(bounded(text), None)

    assert all(len(chunk) <= MAX_CHUNK_CHARACTERS for chunk in script.chunks)
    assert all(pronounceable(chunk) for chunk in script.chunks)
    assert all(chunk.isprintable() for chunk in script.chunks)
    assert sum(map(len, script.chunks)) <= 8000


@settings(max_examples=200)
@given(st.lists(FRAGMENTS, max_size=50).map(" ".join))
def test_no_telephone_number_is_left_to_the_engine(text: str) -> None:
    spoken = speak_english(f"{text} call 555-0100 now")

    assert TELEPHONE.search(spoken) is None


@settings(max_examples=200)
@given(
    frames=st.lists(st.tuples(st.booleans(), st.integers(1, 80)), max_size=30),
    taking=st.sets(st.integers(0, 30)),
    silent_frames=st.integers(1, 150),
    max_frames=st.integers(1, 800),
)
def test_a_message_is_what_was_said_less_the_silence_at_its_end(
    frames: list[tuple[bool, int]], taking: set[int], silent_frames: int, max_frames: int
) -> None:
    recording = Recording(max_seconds=max_frames * 0.02, silence_seconds=silent_frames * 0.02)
    said: list[bytes] = []
    kept = b""
    for index, (is_speech, count) in enumerate(frames):
        for _ in range(count):
            if recording.end is None:
                said.append(SPEECH if is_speech else ULAW_SILENCE)
            recording.add(SPEECH if is_speech else ULAW_SILENCE)
        if index in taking:
            kept += recording.take()
    recording.finish(RecordingEnd.HUNG_UP)
    kept += recording.take()

    spoken = b"".join(said)
    words = spoken.rstrip(b"\xff")
    rest = len(spoken) - -(-len(words) // 160) * 160
    assert kept == spoken[: len(spoken) - max(0, rest - 50 * 160)]
    assert len(said) <= max_frames
