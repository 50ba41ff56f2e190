"""The control API as a child process of the server: started, watched, started again, ended.

A channel (a socket pair) joins the two: the child reads its configuration from it, secrets and all,
and ends when the channel does, so that a parent that was killed leaves nothing behind; the parent
reads of the child's end from it.
"""

from __future__ import annotations

import asyncio
import pickle
import socket
import subprocess
import sys
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from sip_edge.logs import get_logger
from sip_edge.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable

    from sip_edge.config import Config

FIRST_PAUSE_SECONDS: Final = 1.0
LONGEST_PAUSE_SECONDS: Final = 30.0
"""Between starts of a process that keeps ending, say because its port is taken."""
STEADY_SECONDS: Final = 60.0
"""A process that lived for this long is started again after the first pause."""
STOP_SECONDS: Final = 12.0
"""What it may take to end; requests have 10 s."""
REAP_SECONDS: Final = 0.02

_log = get_logger("sip_edge.api")


def control_command() -> tuple[str, ...]:
    """How the child is started. -P: nothing is imported from the current folder."""
    return (sys.executable, "-P", "-m", "sip_edge.app.control_child")


def with_dsn(config: Config, dsn: str) -> Config:
    """The configuration with the database that the parent found or started."""
    database = config.database.model_copy(update={"dsn": SecretStr(dsn)})
    return config.model_copy(update={"database": database})


@asynccontextmanager
async def control_beside(
    config: Config, dsn: str, *, on_restart: Callable[[], None]
) -> AsyncIterator[None]:
    """Run the control API in a process of its own, if it is enabled, until the block ends."""
    if not config.api.enabled:
        yield
        return
    control = ControlProcess(
        control_command(), pickle.dumps(with_dsn(config, dsn)), on_restart=on_restart
    )
    keeping = spawn(control.keep_running(), name="control API")
    try:
        yield
    finally:
        await control.stop()
        keeping.cancel()
        await asyncio.wait({keeping})


class ControlProcess:
    """One process at a time, started again when it ends. `greeting` is what it is sent first."""

    def __init__(
        self, command: tuple[str, ...], greeting: bytes, *, on_restart: Callable[[], None]
    ) -> None:
        self._command = command
        self._greeting = greeting
        self._on_restart = on_restart
        self._process: subprocess.Popen[bytes] | None = None
        self._has_ended = asyncio.Event()
        self._stopping = asyncio.Event()

    @property
    def pid(self) -> int | None:
        """The process's id, None while there is none."""
        return None if self._process is None else self._process.pid

    async def keep_running(self) -> None:
        """Until cancelled or stopped: start the process, and again whenever it has ended."""
        loop = asyncio.get_running_loop()
        pause = FIRST_PAUSE_SECONDS
        while not self._stopping.is_set():
            began_at = loop.time()
            reason = await self._run_once()
            if self._stopping.is_set():
                return
            if loop.time() - began_at >= STEADY_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            _log.error("api_ended", reason=reason, again_in_seconds=pause)
            self._on_restart()
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def stop(self) -> None:
        """Let it answer what it was asked, then end it."""
        self._stopping.set()
        process = self._process
        if process is None:
            return
        process.terminate()
        try:
            async with asyncio.timeout(STOP_SECONDS):
                await self._has_ended.wait()
        except TimeoutError:
            process.kill()
            await self._has_ended.wait()

    async def _run_once(self) -> str:
        """Start it and wait for its end; why it ended."""
        ours, its = socket.socketpair()
        self._has_ended.clear()
        with its:
            try:
                self._process = _spawn(self._command, its)
            except OSError as error:
                ours.close()
                return f"it cannot be started: {error}"
        process = self._process
        try:
            await self._until_closed(ours)
            return f"exit code {await _reaped(process)}"
        finally:
            if process.poll() is None:
                process.kill()
                process.wait()
            self._process = None
            self._has_ended.set()

    async def _until_closed(self, channel: socket.socket) -> None:
        """Send the greeting, and return when the other side has closed."""
        reader, writer = await asyncio.open_connection(sock=channel)
        try:
            writer.write(len(self._greeting).to_bytes(4, "big") + self._greeting)
            while await reader.read(4096):
                pass
        except ConnectionError:
            return
        finally:
            writer.close()


def _spawn(command: tuple[str, ...], channel: socket.socket) -> subprocess.Popen[bytes]:
    """Start a program with the channel as its input. Raises OSError.

    Not the loop's own way to start processes: uvloop forks, which stops all speech for as long as
    it takes to copy our page tables. This does not copy them.
    """
    return subprocess.Popen(
        list(command),
        stdin=channel.fileno(),
        stdout=subprocess.DEVNULL,
        # Ctrl-C is for the parent, which lets calls finish first.
        start_new_session=True,
    )


async def _reaped(process: subprocess.Popen[bytes]) -> int:
    """Its exit code; it has closed everything, so that this takes a moment."""
    try:
        async with asyncio.timeout(STOP_SECONDS):
            while (code := process.poll()) is None:  # noqa: ASYNC110 - there is no event for it
                await asyncio.sleep(REAP_SECONDS)
    except TimeoutError:
        process.kill()
        return process.wait()
    return code
