"""An agent worker without a WebSocket library: for what no library does. The path says what."""

from __future__ import annotations

import asyncio
import base64
import hashlib
from typing import Self

_GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"  # RFC 6455 section 1.3
_GOING_AWAY = b"\x88\x02" + (1001).to_bytes(2, "big")


class OddWorker:
    """Listens on `port`, until the block ends.

    /garbage answers with what is no HTTP, /hang not at all; /closes accepts and closes in one
    breath; /deaf accepts, and then neither reads nor answers anything.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._server: asyncio.Server | None = None
        self._is_over = asyncio.Event()

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._is_over.set()
        self._server.close()
        await self._server.wait_closed()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            request = (await reader.readuntil(b"\r\n\r\n")).decode()
            path = request.split(" ", 2)[1]
            if path == "/garbage":
                writer.write(b"what is this?\r\n\r\n")
            elif path in ("/closes", "/deaf"):
                writer.write(_switching(request) + (_GOING_AWAY if path == "/closes" else b""))
            await writer.drain()
            if path in ("/hang", "/deaf"):
                await self._is_over.wait()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # Who gave up waiting may go.
        finally:
            writer.close()


def _switching(request: str) -> bytes:
    """101, with the proof that the request was read (RFC 6455 section 4.2.2)."""
    lines = (line.partition(":") for line in request.split("\r\n"))
    key = next(value for name, _, value in lines if name.lower() == "sec-websocket-key").strip()
    proof = base64.b64encode(hashlib.sha1((key + _GUID).encode()).digest()).decode()
    return (
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        f"Sec-WebSocket-Accept: {proof}\r\n\r\n"
    ).encode()
