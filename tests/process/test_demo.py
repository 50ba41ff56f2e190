"""`sip-edge demo`, what `make run` runs: real calls, told in milliseconds, then a server."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import urllib.request
from pathlib import Path

import pytest
from support.free_ports import free_port, free_ports
from support.polling import eventually

pytestmark = [pytest.mark.asyncio, pytest.mark.timeout(240)]

WORKER_PORT = 7860
"""Where `config/demo.toml` says that the demonstration's worker listens."""


def is_taken(port: int) -> bool:
    here = f"0100007F:{port:04X} "
    return here in Path("/proc/net/tcp").read_text()


async def test_demo_places_its_calls_and_serves_until_it_is_interrupted(tmp_path: Path) -> None:
    if is_taken(WORKER_PORT):
        pytest.skip(f"port {WORKER_PORT} is taken (does `make run` go on somewhere?)")
    http_port, rtp_port = free_port(), free_ports(40)
    environment = {
        **{name: value for name, value in os.environ.items() if "SIP_EDGE" not in name},
        "SIP_EDGE__SIP__PORT": str(free_port()),
        "SIP_EDGE__HTTP__PORT": str(http_port),
        "SIP_EDGE__API__PORT": str(free_port()),
        "SIP_EDGE__MEDIA__PORT_MIN": str(rtp_port),
        "SIP_EDGE__MEDIA__PORT_MAX": str(rtp_port + 39),
        "SIP_EDGE__DATABASE__DATA_DIR": str(tmp_path / "postgres"),
        "SIP_EDGE__VOICEMAIL__DIRECTORY": str(tmp_path / "voicemail"),
        "SIP_EDGE__DATABASE__SPOOL_DIR": str(tmp_path / "spool"),
        "PYTHONUNBUFFERED": "1",
    }
    output = tmp_path / "output"
    with output.open("wb") as file:
        demo = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sip_edge", "demo",
            env=environment, stdin=asyncio.subprocess.DEVNULL, stdout=file, stderr=file,
        )  # fmt: skip
    try:
        await eventually(
            lambda: "Ctrl-C" in output.read_text() or demo.returncode is not None,
            what="the demonstration's calls",
            seconds=180,
        )
        story = output.read_text()
        metrics = await asyncio.to_thread(page, http_port, "/metrics")
        demo.send_signal(signal.SIGINT)
        async with asyncio.timeout(30):
            code = await demo.wait()
    finally:
        if demo.returncode is None:
            demo.kill()
            await demo.wait()
    assert re.search(r"\+1\d{10}: an agent answers", story), story
    assert "fallback took it" in story, story
    assert "486 Busy Here" in story, story
    assert "Nobody can take your call. Please leave a message after the tone." in story, story
    assert "then the beep" in story, story
    assert "Please call me back tomorrow at nine." in story, story
    assert "each heard what the other said" in story, story
    assert "agent 00000000-0000-4000-8000-00000000000b" in story, story
    assert "NOT AS IT SHOULD BE" not in story, story
    assert "calls ended as they should" in story, story
    assert 'sip_edge_calls_total{outcome="fallback"} 1.0' in metrics
    assert "sip_edge_internal_errors_total 0.0" in metrics
    assert code == 0


def page(port: int, path: str) -> str:
    """A page of its HTTP server."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(f"http://127.0.0.1:{port}{path}", timeout=10) as response:
        return str(response.read().decode())
