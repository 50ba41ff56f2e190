"""Messages as files for people."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.voicemail import SPEECH, message

from sip_edge.media.wav import read_wav
from sip_edge.voicemail.files import VoicemailFileError, export_message, render_text
from sip_edge.voicemail.spool import MessageSpool


def recorded(folder: Path) -> str:
    """The path of a message of two seconds."""
    file = MessageSpool(folder, min_free_bytes=0).create(message())
    file.append(SPEECH * 100)
    return file.finish().path


def test_exported_message_is_a_file_that_plays_everywhere(tmp_path: Path) -> None:
    to = tmp_path / "message.wav"

    assert export_message(tmp_path, recorded(tmp_path), to) == 2.0

    data = to.read_bytes()
    # 16-bit PCM, mono, 8000 Hz.
    assert data[20:28] == bytes.fromhex("01000100401F0000")
    assert read_wav(data) == SPEECH * 100


def test_row_cannot_name_a_file_elsewhere(tmp_path: Path) -> None:
    recorded(tmp_path)

    for path in ("../../etc/passwd", "/etc/passwd"):
        with pytest.raises(VoicemailFileError, match="outside"):
            export_message(tmp_path, path, tmp_path / "message.wav")


def test_message_whose_file_is_gone_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(VoicemailFileError, match=r"2025/gone\.wav: No such file"):
        export_message(tmp_path, "2025/gone.wav", tmp_path / "message.wav")


def test_file_that_is_no_message_is_an_error_of_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.wav").write_text("not sound")

    with pytest.raises(VoicemailFileError, match="not a WAV file"):
        export_message(tmp_path, "a.wav", tmp_path / "message.wav")


def test_place_that_cannot_be_written_is_an_error_of_one_line(tmp_path: Path) -> None:
    with pytest.raises(VoicemailFileError, match=r"nowhere/message\.wav: No such file"):
        export_message(tmp_path, recorded(tmp_path), tmp_path / "nowhere" / "message.wav")


@pytest.mark.asyncio
async def test_language_that_nobody_speaks_is_an_error_that_says_what_to_install() -> None:
    with pytest.raises(VoicemailFileError, match=r"nothing that is installed speaks 'xx'"):
        await render_text("Hello.", "xx")
