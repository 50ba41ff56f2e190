"""The folder of recorded messages."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.storage.audio_files import AudioFolder

pytestmark = pytest.mark.asyncio


async def refusal(folder: Path, path: str) -> ErrorCode:
    with pytest.raises(ProvisioningError) as caught:
        await AudioFolder(folder).open(path)
    return caught.value.code


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """With one message of ten bytes, and a secret beside it."""
    folder = tmp_path / "voicemail"
    (folder / "2026-07-01").mkdir(parents=True)
    (folder / "2026-07-01" / "a.wav").write_bytes(b"0123456789")
    (tmp_path / "secret").write_text("hunter2")
    return folder


async def test_file_is_read_from_where_it_is_asked(folder: Path) -> None:
    file = await AudioFolder(folder).open("2026-07-01/a.wav")

    assert file.size == 10
    assert await file.read(0, 4) == b"0123"
    assert await file.read(8, 100) == b"89"
    assert await file.read(10, 1) == b""
    await file.close()
    await file.close()
    assert await file.read(0, 1) == b""


@pytest.mark.parametrize(
    "path", ["2026-07-01/b.wav", "2026-07-01", "../secret", "/etc/passwd", "a\0b", "", "x" * 5_000]
)
async def test_what_is_not_in_the_folder_is_not_found(folder: Path, path: str) -> None:
    assert await refusal(folder, path) is ErrorCode.AUDIO_NOT_FOUND


async def test_link_out_of_the_folder_is_not_followed(folder: Path) -> None:
    (folder / "link.wav").symlink_to(folder.parent / "secret")

    assert await refusal(folder, "link.wav") is ErrorCode.AUDIO_NOT_FOUND


async def test_pipe_is_no_recording(folder: Path) -> None:
    os.mkfifo(folder / "pipe.wav")

    assert await refusal(folder, "pipe.wav") is ErrorCode.AUDIO_NOT_FOUND


async def test_folder_of_another_machine_is_said_to_be_one(tmp_path: Path) -> None:
    assert await refusal(tmp_path / "absent", "a.wav") is ErrorCode.AUDIO_NOT_HERE
