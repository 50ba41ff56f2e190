"""Agent workers built on the `websockets` library, scripted by a test."""

from __future__ import annotations

import asyncio
import hashlib
import json
import ssl
from base64 import b64encode
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed
from websockets.http11 import Request, Response

TLS = Path(__file__).parent.parent / "data" / "tls"
PATIENCE_SECONDS = 10.0
"""How long a test waits for what must happen; far more than it ever takes."""


class WorkerCall:
    """One call as its worker sees it: what it was told, and what it may say."""

    def __init__(self, connection: ServerConnection) -> None:
        self.connection = connection
        assert connection.request is not None
        self.path = connection.request.path
        self.headers: Headers = connection.request.headers

    async def receive(self) -> dict[str, Any]:
        """The next message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            text = await self.connection.recv()
        assert isinstance(text, str)
        message = json.loads(text)
        assert isinstance(message, dict)
        return message

    async def receive_start(self) -> dict[str, Any]:
        """Read `connected` and `start`; returns the latter."""
        assert (await self.receive())["event"] == "connected"
        start = await self.receive()
        assert start["event"] == "start"
        return start

    async def receive_event(self, event: str) -> dict[str, Any]:
        """The next message of this kind; others are skipped."""
        while True:
            message = await self.receive()
            if message["event"] == event:
                return message

    async def say(self, ulaw: bytes) -> None:
        """Send sound."""
        await self.send({"event": "media", "media": {"payload": b64encode(ulaw).decode()}})

    async def mark(self, name: str) -> None:
        """Ask to be told when all that was said has been heard."""
        await self.send({"event": "mark", "mark": {"name": name}})

    async def clear(self) -> None:
        """Drop what has not been played yet."""
        await self.send({"event": "clear"})

    async def send(self, message: dict[str, Any]) -> None:
        """Send one message of the dialect."""
        await self.connection.send(json.dumps({"streamSid": "MZ" + "2" * 32, **message}))

    async def close(self, code: int = 1000) -> None:
        """Close with a code."""
        await self.connection.close(code, "scripted")

    def drop(self) -> None:
        """Cut the connection without a close frame."""
        self.connection.transport.abort()

    async def closed(self) -> tuple[int | None, list[dict[str, Any]]]:
        """Wait for the end: the peer's close code and the messages that came before it."""
        messages = []
        try:
            while True:
                messages.append(await self.receive())
        except ConnectionClosed as closed:
            return (closed.rcvd.code if closed.rcvd else None), messages


class ScriptedWorker:
    """A server that accepts calls and hands them to the test."""

    def __init__(self, server: Server, calls: asyncio.Queue[WorkerCall], scheme: str) -> None:
        self._calls = calls
        self.port = int(server.sockets[0].getsockname()[1])
        self.url = f"{scheme}://127.0.0.1:{self.port}/ws"

    async def call(self) -> WorkerCall:
        """The next call that was accepted."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._calls.get()


Script = Callable[[WorkerCall], Awaitable[None]]


@asynccontextmanager
async def scripted_worker(
    script: Script | None = None,
    *,
    status: int | None = None,
    tls: bool = False,
    host: str = "127.0.0.1",
    max_queue: int | None = None,
) -> AsyncIterator[ScriptedWorker]:
    """Serve calls: run `script` for each, or hand it to `ScriptedWorker.call`.

    With `status` the upgrade is answered by that HTTP status instead of 101.
    """
    calls: asyncio.Queue[WorkerCall] = asyncio.Queue()

    async def handle(connection: ServerConnection) -> None:
        call = WorkerCall(connection)
        if script is not None:
            await script(call)
            return
        calls.put_nowait(call)
        await connection.wait_closed()

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        return None if status is None else connection.respond(status, "scripted\n")

    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(TLS / "worker.pem", TLS / "worker.key")
    async with serve(
        handle,
        host,
        0,
        process_request=answer,
        ssl=context,
        ping_interval=None,
        max_size=None,
        max_queue=max_queue,
        close_timeout=1.0,
    ) as server:
        yield ScriptedWorker(server, calls, "wss" if tls else "ws")


@asynccontextmanager
async def tcp_server(
    behave: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    *,
    tls: bool = False,
) -> AsyncIterator[int]:
    """A bare TCP server for what no WebSocket library would do; yields its port."""
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(TLS / "worker.pem", TLS / "worker.key")
    connections: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        connections.add(task)
        try:
            await behave(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            writer.transport.abort()
            connections.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tuple(connections):
            task.cancel()
        await asyncio.gather(*connections, return_exceptions=True)
        await server.wait_closed()


def switching_protocols(request: bytes, *, key: str | None = None) -> bytes:
    """A correct 101 for `request`; with `key`, one for another request."""
    if key is None:
        header = next(
            line for line in request.split(b"\r\n") if line.lower().startswith(b"sec-websocket-key")
        )
        key = header.split(b":")[1].strip().decode()
    accept = b64encode(
        hashlib.sha1(key.encode() + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest()
    )
    return (
        b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Accept: " + accept + b"\r\n\r\n"
    )
