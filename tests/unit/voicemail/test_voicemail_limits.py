"""Limits that must fit together, and with those of others."""

from __future__ import annotations

from pathlib import Path

from sip_edge.config import Config
from sip_edge.voicemail.limits import CacheLimits, GreetingLimits, RecordingLimits, RenderLimits
from sip_edge.voicemail.render_messages import MAX_SOUND_BYTES


def test_longest_greeting_fits_into_what_a_call_may_queue() -> None:
    assert GreetingLimits().max_sound_seconds < Config().media.max_queued_seconds


def test_longest_greeting_fits_into_the_memory_of_the_cache_many_times() -> None:
    longest = int(GreetingLimits().max_sound_seconds * 8000)

    assert longest < CacheLimits().max_memory_bytes / 10 < CacheLimits().max_bytes / 10


def test_sound_of_one_chunk_fits_into_a_frame() -> None:
    assert MAX_SOUND_BYTES < (1 << 32)
    assert GreetingLimits().max_sound_seconds * 8000 < MAX_SOUND_BYTES


def test_worker_that_is_stuck_is_noticed_before_it_is_restarted_for_good() -> None:
    limits = RenderLimits()

    assert limits.restart_min_seconds < limits.chunk_seconds < limits.restart_max_seconds


def test_defaults_are_those_of_the_configuration() -> None:
    settings = Config().voicemail
    limits = RecordingLimits(directory=Path("messages"))

    assert limits.max_seconds == settings.max_seconds
    assert limits.silence_seconds == settings.silence_seconds
    assert limits.max_recordings == Config().sip.max_calls
