"""One render worker, seen from the edge: start it, ask it one thing at a time, end it."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
    from asyncio import StreamReader
    from asyncio.subprocess import Process

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
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            env=worker_environment(environment),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
            start_new_session=True,
        )
    except OSError as error:
        raise WorkerDiedError(f"it cannot be started: {error}") from error
    worker = RenderProcess(process)
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


class RenderProcess:
    """A child process that speaks `render_messages` (implements Worker)."""

    def __init__(self, process: Process) -> None:
        if process.stdin is None or process.stdout is None:
            raise ValueError("the worker needs two pipes")
        self._process = process
        self._requests = process.stdin
        self._replies: StreamReader = process.stdout

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
        return await self._process.wait()

    def kill(self) -> None:
        """See Worker.kill."""
        if self._process.returncode is None:
            try:
                self._process.kill()
            except ProcessLookupError:
                return  # It has ended by itself, and nobody has told us yet.

    async def stop(self, seconds: float) -> None:
        """See Worker.stop: the end of its standard input ends it."""
        self._requests.close()
        try:
            async with asyncio.timeout(seconds):
                await self._process.wait()
        except TimeoutError:
            await self.end()

    async def end(self) -> None:
        """End it at once and wait until it is gone."""
        self.kill()
        await self._process.wait()
