"""One render worker, seen from the edge: start it, ask it one thing at a time, end it."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from threading import Thread
from typing import TYPE_CHECKING, Final, Protocol

from sip_edge.voicemail.render_messages import (
    LENGTHS,
    READY,
    FrameError,
    Reply,
    Request,
    decode_lengths,
    decode_reply,
    encode,
)

if TYPE_CHECKING:
    from asyncio import StreamReader, StreamWriter

_KEPT_VARIABLES: Final = (
    "PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "LD_LIBRARY_PATH", "PYTHONPATH", "VIRTUAL_ENV",
)  # fmt: skip
"""Of our environment, which holds passwords that no speech engine needs."""


class WorkerDiedError(Exception):
    """The worker is gone, or does not keep to the protocol; it must not be used any more."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A reply and its sound."""

    reply: Reply
    sound: bytes


class Worker(Protocol):
    """A running render worker."""

    async def ask(self, request: Request) -> Answer:
        """Send a request and wait for its answer. Raises WorkerDiedError.

        Not to be cancelled, unless the worker is killed after that.
        """
        ...

    async def wait_ended(self) -> int:
        """Return the process's exit code when it has ended."""
        ...

    def kill(self) -> None:
        """End it at once."""
        ...

    async def stop(self, seconds: float) -> None:
        """Let it end within so many seconds, then end it."""
        ...


def worker_command() -> tuple[str, ...]:
    """How the render worker is started. -P: nothing is imported from the current folder."""
    module = "sip_edge.voicemail.render_worker"
    return (sys.executable, "-P", "-m", module, "--parent", str(os.getpid()))


def worker_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """What of our environment the worker gets; one thread is enough for it."""
    kept = {name: environment[name] for name in _KEPT_VARIABLES if name in environment}
    return kept | {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}


async def start_worker(
    command: Sequence[str], environment: Mapping[str, str], *, within_seconds: float
) -> RenderProcess:
    """Start a worker and wait until it is there. Raises WorkerDiedError."""
    ours, its = socket.socketpair()
    with its:
        try:
            process = _spawn(command, environment, its.fileno())
        except OSError as error:
            ours.close()
            raise WorkerDiedError(f"it cannot be started: {error}") from error
    worker = RenderProcess(process, *await asyncio.open_connection(sock=ours))
    try:
        async with asyncio.timeout(within_seconds):
            await worker.receive(READY)
    except TimeoutError:
        await worker.end()
        raise WorkerDiedError(f"it was not there after {within_seconds:g} s") from None
    except BaseException:
        await worker.end()
        raise
    return worker


def _spawn(
    command: Sequence[str], environment: Mapping[str, str], channel: int
) -> subprocess.Popen[bytes]:
    """Start a program whose input and output is the socket `channel`. Raises OSError.

    Not the loop's own way to start processes: uvloop forks, which stops all speech for as long as
    it takes to copy our page tables (30 ms for 400 MB). This does not copy them, and takes 1 ms.
    """
    return subprocess.Popen(
        list(command),
        env=worker_environment(environment),
        stdin=channel,
        stdout=channel,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


class RenderProcess:
    """A child process that speaks `render_messages` (implements Worker)."""

    def __init__(
        self, process: subprocess.Popen[bytes], replies: StreamReader, requests: StreamWriter
    ) -> None:
        self._process = process
        self._replies = replies
        self._requests = requests
        loop = asyncio.get_running_loop()
        self._ended: asyncio.Future[int] = loop.create_future()
        wait = partial(_wait_for, process, loop, self._ended)
        Thread(target=wait, name="render worker's end", daemon=True).start()

    @property
    def pid(self) -> int:
        """The process."""
        return self._process.pid

    async def ask(self, request: Request) -> Answer:
        """See Worker.ask."""
        try:
            self._requests.write(encode(request))
            await self._requests.drain()
        except (ConnectionError, RuntimeError) as error:
            raise WorkerDiedError("it takes no requests any more") from error
        return await self.receive(request.id)

    async def receive(self, request_id: int) -> Answer:
        """The answer to the request of this id, which must be the next one."""
        try:
            header_size, sound_size = decode_lengths(await self._replies.readexactly(LENGTHS.size))
            reply = decode_reply(await self._replies.readexactly(header_size))
            sound = await self._replies.readexactly(sound_size)
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise WorkerDiedError("it ended") from error
        except FrameError as error:
            raise WorkerDiedError(f"it does not keep to the protocol: {error}") from error
        if reply.id != request_id:
            raise WorkerDiedError(f"it answered request {reply.id} instead of {request_id}")
        return Answer(reply, sound)

    async def wait_ended(self) -> int:
        """See Worker.wait_ended."""
        return await asyncio.shield(self._ended)

    def kill(self) -> None:
        """See Worker.kill."""
        self._process.kill()

    async def stop(self, seconds: float) -> None:
        """See Worker.stop: the end of its standard input ends it."""
        self._requests.close()
        try:
            async with asyncio.timeout(seconds):
                await self.wait_ended()
        except TimeoutError:
            await self.end()

    async def end(self) -> None:
        """End it at once and wait until it is gone."""
        self._requests.close()
        self.kill()
        await self.wait_ended()


def _wait_for(
    process: subprocess.Popen[bytes],
    loop: asyncio.AbstractEventLoop,
    ended: asyncio.Future[int],
) -> None:
    """On a thread of its own: tell `ended` the exit code."""
    code = process.wait()
    with suppress(RuntimeError):  # The loop is closed: nobody waits any more.
        loop.call_soon_threadsafe(_tell, ended, code)


def _tell(ended: asyncio.Future[int], code: int) -> None:
    if not ended.done():
        ended.set_result(code)
