"""Messages on disk, and what a process that dies leaves for the next one."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from uuid import UUID

import pytest
from support.voicemail import MESSAGE_ID, SPEECH, message

from sip_edge.media.wav import read_wav
from sip_edge.voicemail.spool import MessageFile, MessageSpool, message_path

SECOND = SPEECH * 50
NAME = str(MESSAGE_ID)


def spool_in(folder: Path, *, min_free_bytes: int = 0) -> MessageSpool:
    return MessageSpool(folder, min_free_bytes=min_free_bytes)


def files_in(folder: Path) -> list[str]:
    return sorted(
        path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()
    )


def die_while_recording(folder: Path, sound: bytes) -> None:
    """A process records, and is killed: its files stay, its locks do not."""
    pid = os.fork()
    if pid == 0:
        file = spool_in(folder).create(message())
        file.append(sound)
        os._exit(0)
    os.waitpid(pid, 0)


def test_complete_message_is_a_wav_file_where_its_row_says(tmp_path: Path) -> None:
    file = spool_in(tmp_path).create(message())
    file.append(SECOND)
    file.append(SECOND)
    complete = file.finish()

    assert (complete.seconds, complete.size) == (2.0, 16058)
    data = (tmp_path / complete.path).read_bytes()
    assert len(data) == 16058
    assert read_wav(data) == SECOND * 2
    assert files_in(tmp_path) == [f"2025-11-21/{NAME}.wav", f"incoming/{NAME}.json"]


def test_file_has_its_name_only_when_it_is_complete(tmp_path: Path) -> None:
    file = spool_in(tmp_path).create(message())
    file.append(SECOND)

    assert files_in(tmp_path) == [f"incoming/{NAME}.json", f"incoming/{NAME}.wav.part"]
    file.discard()


def test_messages_are_not_for_everybody_on_the_machine(tmp_path: Path) -> None:
    file = spool_in(tmp_path).create(message())
    file.append(SECOND)
    complete = file.finish()

    assert (tmp_path / complete.path).stat().st_mode & 0o007 == 0


def test_what_is_no_message_leaves_nothing(tmp_path: Path) -> None:
    file = spool_in(tmp_path).create(message())
    file.append(SPEECH)
    file.discard()

    assert files_in(tmp_path) == []


def test_row_that_is_written_needs_no_sidecar(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    file = spool.create(message())
    file.append(SECOND)
    complete = file.finish()

    assert list(spool.undelivered()) == [NAME]
    assert spool.take_up(NAME) == complete
    spool.forget(NAME)
    spool.forget(NAME)

    assert list(spool.undelivered()) == []
    assert spool.take_up(NAME) is None
    assert files_in(tmp_path) == [complete.path]


def test_recording_that_goes_on_is_left_alone(tmp_path: Path) -> None:
    file = spool_in(tmp_path).create(message())
    file.append(SECOND)

    assert spool_in(tmp_path).take_up(NAME) is None

    file.append(SECOND)
    assert file.finish().seconds == 2.0


def test_recording_of_a_dead_process_is_completed_by_its_successor(tmp_path: Path) -> None:
    die_while_recording(tmp_path, SECOND + SPEECH + b"\xff" * 7)
    spool = spool_in(tmp_path)

    assert list(spool.undelivered()) == [NAME]
    complete = spool.take_up(NAME)

    assert complete is not None
    assert (complete.seconds, complete.call_id) == (1.02, message().call_id)
    assert read_wav((tmp_path / complete.path).read_bytes()) == SECOND + SPEECH
    assert spool.take_up(NAME) == complete


def test_short_recording_of_a_dead_process_is_dropped(tmp_path: Path) -> None:
    die_while_recording(tmp_path, SPEECH * 49)

    assert spool_in(tmp_path).take_up(NAME) is None
    assert files_in(tmp_path) == []


def test_process_that_died_while_completing_is_succeeded_too(tmp_path: Path) -> None:
    die_while_recording(tmp_path, SECOND)
    sidecar = tmp_path / "incoming" / f"{NAME}.json"
    # The sidecar says that it is complete; the file was not renamed any more.
    sidecar.write_bytes(sidecar.read_bytes().replace(b'"seconds":0.0', b'"seconds":1.0'))

    complete = spool_in(tmp_path).take_up(NAME)

    assert complete is not None
    assert (tmp_path / complete.path).exists()


def test_sidecar_without_any_recording_is_cleared_away(tmp_path: Path) -> None:
    die_while_recording(tmp_path, SECOND)
    (tmp_path / "incoming" / f"{NAME}.wav.part").unlink()

    assert spool_in(tmp_path).take_up(NAME) is None
    assert files_in(tmp_path) == []


def test_sidecar_that_cannot_be_read_is_set_aside(tmp_path: Path) -> None:
    spool = spool_in(tmp_path)
    (tmp_path / "incoming").mkdir()
    (tmp_path / "incoming" / f"{NAME}.json").write_text('{"id": "not one of ours"}')

    assert spool.take_up(NAME) is None

    assert files_in(tmp_path) == [f"incoming/{NAME}.refused"]
    assert list(spool.undelivered()) == []
    spool.set_aside(NAME)


def test_folder_that_was_never_used_has_nothing_to_deliver(tmp_path: Path) -> None:
    assert list(spool_in(tmp_path / "nowhere").undelivered()) == []


def test_disk_that_is_nearly_full_takes_no_message(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="free space") as caught:
        spool_in(tmp_path, min_free_bytes=1 << 62).create(message())

    assert caught.value.errno == errno.ENOSPC
    assert files_in(tmp_path) == []


def test_folder_that_cannot_be_made_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "incoming").write_text("a file is in the way")

    with pytest.raises(OSError, match="exists"):
        spool_in(tmp_path).create(message())


def test_no_two_recordings_share_a_file(tmp_path: Path) -> None:
    file = spool_in(tmp_path).create(message())

    with pytest.raises(FileExistsError):
        spool_in(tmp_path).create(message())
    file.discard()


def test_what_a_failed_write_left_behind_does_not_count(tmp_path: Path) -> None:
    file = spool_in(tmp_path).create(message())
    file.append(SECOND)
    part = tmp_path / "incoming" / f"{NAME}.wav.part"
    with part.open("ab") as other:
        other.write(b"the beginning of what found no room")

    complete = file.finish()

    data = (tmp_path / complete.path).read_bytes()
    assert read_wav(data) == SECOND
    assert len(data) == 8058


def test_failure_to_complete_is_made_good_by_the_next_look(tmp_path: Path) -> None:
    in_the_way = tmp_path / "2025-11-21"
    in_the_way.write_text("a file where the day's folder should be")
    file = spool_in(tmp_path).create(message())
    file.append(SECOND)
    with pytest.raises(OSError, match="exists"):
        file.finish()
    in_the_way.unlink()

    complete = spool_in(tmp_path).take_up(NAME)

    assert complete is not None
    assert complete.seconds == 1.0
    assert (tmp_path / complete.path).exists()


def test_path_is_by_day_and_id() -> None:
    path = message_path(UUID(int=7), "2025-11-21")

    assert path == "2025-11-21/00000000-0000-0000-0000-000000000007.wav"


def test_seconds_are_those_that_were_written(tmp_path: Path) -> None:
    file: MessageFile = spool_in(tmp_path).create(message())
    assert file.seconds == 0.0

    file.append(SECOND)

    assert file.seconds == 1.0
    file.discard()
