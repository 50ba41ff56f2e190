"""Whose spool a folder is, and who may take it over (locks of one process exclude each other)."""

from __future__ import annotations

import fcntl
import os
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.call_records import INSTANCE, OTHER_INSTANCE

from sip_edge.storage.spool_folder import MAX_FOUND, SpoolFolder


def died(parent: Path, instance_id: str = INSTANCE) -> Path:
    """The folder of a process that has ended."""
    folder = SpoolFolder.create(parent, instance_id)
    folder.release()
    return folder.path


def test_folder_is_private_and_bears_the_name_of_its_instance(tmp_path: Path) -> None:
    parent = tmp_path / "data" / "spool"

    folder = SpoolFolder.create(parent, INSTANCE)

    assert folder.path == parent / INSTANCE
    assert folder.instance_id == INSTANCE
    assert folder.path.stat().st_mode & 0o777 == 0o700
    assert parent.stat().st_mode & 0o777 == 0o700
    assert folder.is_there
    folder.release()


def test_folder_of_a_living_process_is_not_taken_over(tmp_path: Path) -> None:
    folder = SpoolFolder.create(tmp_path, INSTANCE)

    assert SpoolFolder.find_dead(tmp_path) == []
    with pytest.raises(BlockingIOError):
        SpoolFolder.create(tmp_path, INSTANCE)
    folder.release()


def test_folder_of_a_dead_process_is_taken_over_by_one_alone(tmp_path: Path) -> None:
    died(tmp_path)
    died(tmp_path, OTHER_INSTANCE)

    found = SpoolFolder.find_dead(tmp_path)

    assert [folder.instance_id for folder in found] == [INSTANCE, OTHER_INSTANCE]
    assert SpoolFolder.find_dead(tmp_path) == []
    for folder in found:
        folder.release()


def test_folder_that_was_given_up_is_found_again(tmp_path: Path) -> None:
    died(tmp_path)
    [folder] = SpoolFolder.find_dead(tmp_path)

    folder.release()

    [again] = SpoolFolder.find_dead(tmp_path)
    again.release()


def test_folder_that_was_removed_is_found_by_nobody(tmp_path: Path) -> None:
    path = died(tmp_path)
    [folder] = SpoolFolder.find_dead(tmp_path)

    folder.remove()

    assert not path.exists()
    assert SpoolFolder.find_dead(tmp_path) == []


def test_folder_that_is_removed_while_we_lock_it_is_not_taken_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = died(tmp_path)
    flock = fcntl.flock

    def too_late(fd: int, operation: int) -> None:
        # Another process held the lock, removed the folder and let go, all since we opened it.
        if os.path.samestat(os.fstat(fd), (path / "lock").stat()):
            (path / "lock").unlink()
        flock(fd, operation)

    monkeypatch.setattr(fcntl, "flock", too_late)

    assert SpoolFolder.find_dead(tmp_path) == []


def test_what_does_not_belong_in_a_folder_is_left_there(tmp_path: Path) -> None:
    path = died(tmp_path)
    (path / "notes.txt").write_text("mine")
    [folder] = SpoolFolder.find_dead(tmp_path)

    folder.remove()

    assert os.listdir(path) == ["notes.txt"]
    assert SpoolFolder.find_dead(tmp_path) == []


def test_things_that_are_no_spool_are_passed_over(tmp_path: Path) -> None:
    (tmp_path / "calls.rejected").write_text("")
    (tmp_path / "backup").mkdir()
    (tmp_path / "backup" / "lock").write_text("")
    (tmp_path / INSTANCE).write_text("")
    (tmp_path / OTHER_INSTANCE).mkdir()
    (tmp_path / OTHER_INSTANCE.upper()).mkdir()
    (tmp_path / OTHER_INSTANCE.upper() / "lock").write_text("")

    assert SpoolFolder.find_dead(tmp_path) == []
    assert SpoolFolder.find_dead(tmp_path / "nowhere") == []


def test_a_few_folders_are_taken_over_at_a_time(tmp_path: Path) -> None:
    for number in range(MAX_FOUND + 3):
        died(tmp_path, f"5e55104e-0000-4000-8000-{number:012}")

    found = SpoolFolder.find_dead(tmp_path)
    rest = SpoolFolder.find_dead(tmp_path)

    assert (len(found), len(rest)) == (MAX_FOUND, 3)
    for folder in found + rest:
        folder.release()


def test_folder_knows_when_somebody_removed_it(tmp_path: Path) -> None:
    folder = SpoolFolder.create(tmp_path, INSTANCE)
    (folder.path / "lock").unlink()
    folder.path.rmdir()

    assert not folder.is_there
    folder.release()


def test_last_sign_of_life_outlasts_the_process(tmp_path: Path) -> None:
    path = died(tmp_path)
    os.utime(path / "lock", (0, datetime(2026, 7, 1, tzinfo=UTC).timestamp()))
    [folder] = SpoolFolder.find_dead(tmp_path)
    assert folder.seen_alive_at == datetime(2026, 7, 1, tzinfo=UTC).timestamp()

    folder.touch()

    assert folder.seen_alive_at > datetime(2026, 7, 1, tzinfo=UTC).timestamp()
    folder.release()


def test_names_of_files_can_be_made_to_outlast_a_power_cut(tmp_path: Path) -> None:
    folder = SpoolFolder.create(tmp_path, INSTANCE)

    folder.sync()

    folder.release()


def test_no_folder_is_made_below_a_file(tmp_path: Path) -> None:
    (tmp_path / "spool").write_text("")

    with pytest.raises(FileExistsError):
        SpoolFolder.create(tmp_path / "spool", INSTANCE)
