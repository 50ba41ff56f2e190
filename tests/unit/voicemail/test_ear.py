"""Keys and sound while the voicemail speaks and listens."""

from __future__ import annotations

import asyncio

import pytest
from support.audio_stream import RecordingAudioStream
from support.voicemail import SPEECH

from sip_edge.voicemail.ear import CallerEar
from sip_edge.voicemail.recording import Recording, RecordingEnd
from sip_edge.voicemail.scribe import LiveRecording

pytestmark = pytest.mark.asyncio


def live_recording() -> LiveRecording:
    return LiveRecording(Recording(max_seconds=120.0, silence_seconds=5.0))


async def test_pound_key_in_the_greeting_silences_it() -> None:
    audio = RecordingAudioStream()
    ear = CallerEar(audio)
    audio.play(SPEECH)

    ear.on_digit("#")

    assert audio.queued == b""
    assert ear.is_impatient


async def test_other_keys_change_nothing() -> None:
    audio = RecordingAudioStream()
    ear = CallerEar(audio)
    audio.play(SPEECH)

    for digit in "0123456789*ABCD":
        ear.on_digit(digit)

    assert audio.queued == SPEECH
    assert not ear.is_impatient


async def test_beep_cannot_be_skipped() -> None:
    audio = RecordingAudioStream()
    ear = CallerEar(audio)
    ear.begin_beep()
    audio.play(SPEECH)

    ear.on_digit("#")

    assert audio.queued == SPEECH


async def test_pound_key_in_the_message_ends_it() -> None:
    ear = CallerEar(RecordingAudioStream())
    live = live_recording()
    ear.begin_recording(live)

    ear.on_digit("5")
    assert live.end is None
    ear.on_digit("#")

    assert live.end is RecordingEnd.KEY


async def test_sound_goes_to_the_recording_once_there_is_one() -> None:
    ear = CallerEar(RecordingAudioStream())
    live = live_recording()

    ear.on_audio(SPEECH)
    ear.begin_recording(live)
    ear.on_audio(SPEECH)
    ear.on_mark("a mark of somebody else")
    live.finish(RecordingEnd.HUNG_UP)

    async with asyncio.timeout(5):
        assert await live.next_slice() == SPEECH
