"""`sip-edge call`, the test phone, calls SIPp: our own phone must not be right only towards us."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio
from support.free_ports import free_port
from support.sipp import Sipp, SippRun, sipp_program
from support.sound import find, read_wav, speech_like, write_wav

pytestmark = [pytest.mark.peer, pytest.mark.asyncio]

NUMBER = "+12025550142"
both_transports = pytest.mark.parametrize("transport", ["udp", "tcp"])


@pytest_asyncio.fixture
async def callee(tmp_path: Path) -> AsyncIterator[Sipp]:
    """SIPp, waiting to be called."""
    if sipp_program() is None:
        pytest.skip("SIPp is not installed (Debian: sip-tester): our phone is not tested here")
    # It calls nobody, so it needs no edge; the port is only there to be named.
    sipp = Sipp(tmp_path, edge_host="127.0.0.1", edge_port=free_port())
    yield sipp
    await sipp.stop()


async def dial(run: SippRun, transport: str, *options: str) -> tuple[int, dict[str, Any]]:
    """Call SIPp with the phone; its exit code and its report."""
    await run.is_listening(transport)
    phone = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "sip_edge", "call", NUMBER, "--to", f"127.0.0.1:{run.port}",
        "--transport", transport, "--json", *options,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    output, errors = await phone.communicate()
    assert phone.returncode is not None
    assert output, errors.decode()
    return phone.returncode, json.loads(output)


@both_transports
async def test_phone_calls_talks_listens_and_hangs_up(
    callee: Sipp, tmp_path: Path, transport: str
) -> None:
    speech = speech_like(3, seed=31)
    write_wav(tmp_path / "play.wav", speech)
    run = await callee.start(
        "callee_answers", number=NUMBER, transport=transport, options=("-rtp_echo",)
    )
    files = ("--play", str(tmp_path / "play.wav"), "--record", str(tmp_path / "record.wav"))
    code, report = await dial(run, transport, "--seconds", "4", *files)
    await run.succeeds()
    match = find(speech, read_wav(tmp_path / "record.wav"))
    assert code == 0
    assert report["answered"] is True
    assert report["status"] == 200
    assert report["invite_to_180_ms"] is not None
    assert match.share >= 0.75, match
    assert match.is_in_order, match


@both_transports
async def test_phone_reports_a_refusal_and_acknowledges_it(callee: Sipp, transport: str) -> None:
    run = await callee.start("callee_refuses", number=NUMBER, transport=transport)
    code, report = await dial(run, transport)
    await run.succeeds()
    assert code == 1
    assert report["status"] == 486
