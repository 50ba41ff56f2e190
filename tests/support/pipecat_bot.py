"""Runs pipecat's echo bot (`tests/peers/pipecat`), an agent worker that we did not write."""

from __future__ import annotations

import os
import socket
import subprocess
import time
from pathlib import Path

ROOT = Path(__file__).parents[2]
BOTS = ROOT / "tests" / "peers" / "pipecat"
PYTHON = ROOT / ".venv-pipecat" / "bin" / "python"
INSTALLED = ROOT / ".venv-pipecat" / "installed"
START_SECONDS = 90
"""Its modules are compiled at the first start, on a machine that may be busy with other things."""


def is_pipecat_installed() -> bool:
    """True once `make test` (scripts/peers.sh) has made its environment."""
    return INSTALLED.exists()


class PipecatBot:
    """A bot that listens on ws://127.0.0.1:`port`/ws.

    `bot_echo.py` is written like pipecat's own examples for Twilio; it wants credentials and uses
    them only when the bot hangs up, which tests leave to `bot_echo_explicit.py`.
    """

    def __init__(self, script: str, *, port: int, folder: Path) -> None:
        self._log = folder / f"{script}.log"
        arguments = {
            "bot_echo.py": ["--host", "127.0.0.1", "--port", str(port)],
            "bot_echo_explicit.py": [str(port)],
        }[script]
        environment = {
            **os.environ,
            "TWILIO_ACCOUNT_SID": "AC" + "0" * 32,
            "TWILIO_AUTH_TOKEN": "not-a-token",
            "PYTHONUNBUFFERED": "1",
        }
        with self._log.open("wb") as output:
            self._process = subprocess.Popen(
                [str(PYTHON), script, *arguments],
                cwd=BOTS,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        self._wait_until_it_listens(port)

    @property
    def log(self) -> str:
        """What it has said so far."""
        return self._log.read_text(errors="replace")

    def stop(self) -> None:
        """End the process."""
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _wait_until_it_listens(self, port: int) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
            except OSError:
                time.sleep(0.1)
            else:
                return
        self.stop()
        raise AssertionError(f"pipecat's bot did not start:\n{self.log[-4000:]}")
