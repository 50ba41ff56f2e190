"""An agent worker for whole-process tests, on the `websockets` library: it speaks Twilio's Media
Streams as carriers' customers write it, shares no code with the edge, and does what a test says.
"""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Self

from support.polling import PATIENCE_SECONDS, eventually
from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response


class WorkerCall:
    """One call, as the worker sees it."""

    def __init__(self, connection: ServerConnection, start: dict[str, Any]) -> None:
        self._connection = connection
        self.start = start
        self.path = connection.request.path if connection.request else ""
        self.heard = bytearray()
        self.digits: list[str] = []
        self.marks: list[str] = []
        self.is_stopped = False
        self.closed = asyncio.Event()

    @property
    def parameters(self) -> dict[str, str]:
        """The `customParameters` of the start message."""
        parameters: dict[str, str] = self.start["customParameters"]
        return parameters

    async def say(self, ulaw: bytes) -> None:
        """Send all of it at once; pacing is the edge's business."""
        payload = base64.b64encode(ulaw).decode()
        await self._send({"event": "media", "media": {"payload": payload}})

    async def mark(self, name: str) -> None:
        """Ask to be told when all that was said before has been played."""
        await self._send({"event": "mark", "mark": {"name": name}})

    async def clear(self) -> None:
        """Take back what has not been played."""
        await self._send({"event": "clear"})

    async def send_text(self, text: str) -> None:
        """Send a message that may be none of the dialect."""
        await self._connection.send(text)

    async def hang_up(self, code: int = 1000) -> None:
        """Close the WebSocket."""
        await self._connection.close(code)

    async def send_any(self, message: str | bytes) -> None:
        """Send one message, text or binary, that need not make sense."""
        await self._connection.send(message)

    def write(self, data: bytes) -> None:
        """Write bytes that need not be WebSocket."""
        self._connection.transport.write(data)

    def stop_reading(self) -> None:
        """Leave everything unread and unanswered from now on, as a process that hangs does."""
        self._connection.transport.pause_reading()  # type: ignore[attr-defined]

    async def ended(self) -> None:
        """Wait until the connection is closed, whoever closed it."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            await self.closed.wait()

    def vanish(self) -> None:
        """Cut the connection without a close frame, as a worker that is killed does."""
        self._connection.transport.abort()

    async def heard_at_least(self, seconds: float) -> None:
        """Wait until so much of the caller's sound has come."""
        await eventually(
            lambda: len(self.heard) / 8000, lambda heard: heard >= seconds, what="seconds heard"
        )

    def take(self, message: dict[str, Any]) -> None:
        """A message from the edge, after `start`."""
        match message["event"]:
            case "media":
                self.heard += base64.b64decode(message["media"]["payload"])
            case "dtmf":
                self.digits.append(message["dtmf"]["digit"])
            case "mark":
                self.marks.append(message["mark"]["name"])
            case "stop":
                self.is_stopped = True

    async def _send(self, message: dict[str, Any]) -> None:
        await self._connection.send(json.dumps({**message, "streamSid": self.start["streamSid"]}))


Behaviour = Callable[[WorkerCall], Awaitable[None]]


async def listen(call: WorkerCall) -> None:
    """Say nothing."""


class StreamWorker:
    """A worker on `port`; `behaviour` runs with each call, until the edge or it hangs up.

    With `refuse_with`, every upgrade is refused with that status. Use as a context manager.
    """

    def __init__(
        self,
        port: int,
        behaviour: Behaviour = listen,
        *,
        echo: bool = False,
        refuse_with: int | None = None,
    ) -> None:
        self._port = port
        self._behaviour = behaviour
        self._echo = echo
        self._refuse_with = refuse_with
        self._server: Server | None = None
        self.calls: list[WorkerCall] = []
        self.refused = 0

    async def __aenter__(self) -> Self:
        self._server = await serve(
            self._handle, "127.0.0.1", self._port, process_request=self._admit, compression=None
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    def stop_listening(self) -> None:
        """Take no new connection; those that are there stay."""
        assert self._server is not None
        self._server.close(close_connections=False)

    async def next_call(self, number: int = 1) -> WorkerCall:
        """The call with this number, counted from 1, once it has come."""
        await eventually(lambda: len(self.calls) >= number, what=f"call {number} at the worker")
        return self.calls[number - 1]

    def _admit(self, connection: ServerConnection, request: Request) -> Response | None:
        if self._refuse_with is None:
            return None
        self.refused += 1
        return connection.respond(HTTPStatus(self._refuse_with), "not now\n")

    async def _handle(self, connection: ServerConnection) -> None:
        try:
            connected = json.loads(await connection.recv())
            start = json.loads(await connection.recv())
        except ConnectionClosed:
            return  # the caller left before the call began
        assert (connected["event"], start["event"]) == ("connected", "start")
        call = WorkerCall(connection, start["start"])
        self.calls.append(call)
        behaviour = asyncio.create_task(self._behave(call))
        try:
            async for text in connection:
                message = json.loads(text)
                call.take(message)
                if self._echo and message["event"] == "media":
                    await call.say(base64.b64decode(message["media"]["payload"]))
        except ConnectionClosed:
            pass  # without a close frame: as good an end as any, seen from here
        finally:
            call.closed.set()
            behaviour.cancel()
            await asyncio.wait([behaviour])

    async def _behave(self, call: WorkerCall) -> None:
        try:
            await self._behaviour(call)
        except ConnectionClosed:
            return


class HangingWorker:
    """Accepts connections on `port`, reads what comes, and never answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self.opened = 0
        self.closed = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._swallow, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        await self._server.wait_closed()

    async def _swallow(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.opened += 1
        try:
            while await reader.read(65_536):
                pass
        except ConnectionError:
            pass  # a reset is an end too
        finally:
            self.closed += 1
            writer.close()
