"""A carrier's proxy that listens for TCP or TLS connections of the edge and reads what comes."""

from __future__ import annotations

import asyncio
import ssl
from typing import Self

from support.polling import PATIENCE_SECONDS
from support.raw_sip import Received, read_message


class SipListener:
    """Keeps every request and answers it with 200. Use as an asynchronous context manager."""

    def __init__(self, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> None:
        self._host = host
        self._tls = tls
        self._server: asyncio.Server | None = None
        self._writers: list[asyncio.StreamWriter] = []
        self._requests: asyncio.Queue[Received] = asyncio.Queue()
        self.connections = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._host, 0, ssl=self._tls)
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()
        await self._server.wait_closed()
        await asyncio.sleep(0.01)

    @property
    def port(self) -> int:
        """Where it listens."""
        assert self._server is not None
        port: int = self._server.sockets[0].getsockname()[1]
        return port

    async def request(self, method: str) -> Received:
        """The next request with this method."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while True:
                message = await self._requests.get()
                if message.method == method:
                    return message

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                length = int(read_message(head).header("Content-Length"))
                message = read_message(head + await reader.readexactly(length))
                self._requests.put_nowait(message)
                writer.write(accept(message).encode())
        except (asyncio.IncompleteReadError, OSError):
            writer.close()


def accept(request: Received) -> str:
    """A 200 to a request."""
    names = ("Via", "From", "To", "Call-ID", "CSeq")
    lines = [f"{name}: {value}" for name in names for value in request.all(name)]
    return "\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""])
