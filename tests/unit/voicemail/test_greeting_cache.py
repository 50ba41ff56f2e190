"""Rendered greetings, on disk and in memory."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import pytest
from support.voicemail import ENGLISH

from sip_edge.voicemail.greeting_cache import GreetingCache, greeting_key
from sip_edge.voicemail.limits import CacheLimits

SOUND = b"\x10" * 160


def cache_in(
    folder: Path,
    *,
    max_files: int = 100,
    max_bytes: int = 1 << 20,
    max_memory_bytes: int = 1 << 20,
) -> GreetingCache:
    limits = CacheLimits(
        max_files=max_files, max_bytes=max_bytes, max_memory_bytes=max_memory_bytes
    )
    return GreetingCache(folder / "greetings", limits)


def write(cache: GreetingCache, folder: Path, key: str, *, used_at: int) -> None:
    cache.write(key, SOUND)
    os.utime(folder / "greetings" / f"{key}.ulaw", (used_at, used_at))


def keys_in(folder: Path) -> list[str]:
    return sorted(path.stem for path in (folder / "greetings").iterdir())


def test_what_was_written_is_read_by_the_next_process(tmp_path: Path) -> None:
    cache_in(tmp_path).write("a", SOUND)

    assert cache_in(tmp_path).read("a") == SOUND
    assert cache_in(tmp_path).read("b") is None


def test_folder_that_does_not_exist_is_empty(tmp_path: Path) -> None:
    assert cache_in(tmp_path).read("a") is None
    assert not cache_in(tmp_path).touch("a")


def test_file_that_is_no_sound_is_removed(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.write("a", SOUND)
    (tmp_path / "greetings" / "a.ulaw").write_bytes(b"cut short")

    assert cache.read("a") is None
    assert keys_in(tmp_path) == []


def test_what_was_not_used_for_the_longest_time_goes_first(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, max_files=10)
    for number in range(10):
        write(cache, tmp_path, f"old-{number}", used_at=1000 + number)
    assert cache.touch("old-0")
    assert cache.read("old-1") == SOUND

    cache.write("new", SOUND)

    # Nine tenths are kept, so that the next file needs no look at the folder.
    assert keys_in(tmp_path) == ["new", "old-0", "old-1", *(f"old-{n}" for n in range(4, 10))]


def test_disk_is_bounded_in_bytes_too(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, max_bytes=3 * 160)
    for number in range(3):
        write(cache, tmp_path, str(number), used_at=1000 + number)

    cache.write("3", SOUND)

    assert keys_in(tmp_path) == ["2", "3"]


def test_what_another_process_wrote_counts(tmp_path: Path) -> None:
    for number in range(10):
        write(cache_in(tmp_path), tmp_path, f"other-{number}", used_at=1000 + number)

    cache_in(tmp_path, max_files=5).write("mine", SOUND)

    assert keys_in(tmp_path) == ["mine", "other-7", "other-8", "other-9"]


def test_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    cache = cache_in(tmp_path)
    cache.write("a", SOUND)
    (tmp_path / "greetings" / "b.ulaw").mkdir()

    with pytest.raises(OSError, match="directory"):
        cache.write("b", SOUND)

    assert keys_in(tmp_path) == ["a", "b"]


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "greetings").write_text("a file is in the way")

    with pytest.raises(OSError, match="exists"):
        cache_in(tmp_path).write("a", SOUND)


def test_memory_keeps_what_was_used_last(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, max_memory_bytes=2 * 160)
    cache.remember("a", SOUND)
    cache.remember("b", SOUND)
    cache.recall("a")

    cache.remember("c", SOUND)

    assert cache.recall("a") == SOUND
    assert cache.recall("b") is None
    assert cache.recall("c") == SOUND


def test_memory_counts_a_new_sound_in_the_place_of_the_old_one(tmp_path: Path) -> None:
    cache = cache_in(tmp_path, max_memory_bytes=2 * 160)

    for _ in range(5):
        cache.remember("a", SOUND)
    cache.remember("b", SOUND)

    assert cache.recall("a") == SOUND


def test_key_depends_on_everything_that_the_sound_depends_on() -> None:
    keys = {
        greeting_key("Hello.", ENGLISH),
        greeting_key("Hello!", ENGLISH),
        greeting_key("Hello.", replace(ENGLISH, version="1.1")),
        greeting_key("Hello.", replace(ENGLISH, name="kore")),
        greeting_key("Hello.", replace(ENGLISH, provider="other")),
        greeting_key("Hello.", replace(ENGLISH, language="fr")),
    }
    assert len(keys) == 6


def test_key_does_not_depend_on_how_the_text_is_spaced() -> None:
    assert greeting_key(" Hello  there.\n", ENGLISH) == greeting_key("Hello there.", ENGLISH)


def test_key_is_a_file_name() -> None:
    key = greeting_key("../../etc/passwd", ENGLISH)

    assert len(key) == 64
    assert key.isalnum()
