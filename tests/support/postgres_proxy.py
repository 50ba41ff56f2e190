"""A proxy before a PostgreSQL server that can refuse, or hang: accept, and never answer."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from enum import Enum
from urllib.parse import parse_qs, urlsplit

import asyncpg


class Mood(Enum):
    """How the server is."""

    FINE = "fine"
    REFUSING = "refusing"
    HANGING = "hanging"


class PostgresProxy:
    """Listens on a TCP port and passes everything on to a server's Unix socket."""

    def __init__(self, dsn: str) -> None:
        parts = urlsplit(dsn)
        query = parse_qs(parts.query)
        self._socket = f"{query['host'][0]}/.s.PGSQL.{query['port'][0]}"
        self._user, self._database = parts.username, parts.path
        self._may_flow = asyncio.Event()
        self._may_flow.set()
        self._is_refusing = False
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self.dsn = ""

    def set_mood(self, mood: Mood) -> None:
        """Whoever is connected when the server refuses loses the connection."""
        self._is_refusing = mood is Mood.REFUSING
        if self._is_refusing:
            for writer in self._writers:
                writer.transport.abort()
        if mood is Mood.HANGING:
            self._may_flow.clear()
        else:
            self._may_flow.set()

    async def connect(self) -> asyncpg.Connection:
        """As the edge connects, but with less patience than it has."""
        return await asyncpg.connect(self.dsn, timeout=0.5, command_timeout=0.5)

    async def accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One client."""
        if self._is_refusing:
            writer.transport.abort()
            return
        with suppress(OSError):
            server_reader, server_writer = await asyncio.open_unix_connection(self._socket)
            self._writers |= {writer, server_writer}
            for source, sink in ((reader, server_writer), (server_reader, writer)):
                task = asyncio.create_task(self._pump(source, sink))
                self._tasks.add(task)
                task.add_done_callback(self._tasks.discard)

    async def listen(self) -> asyncio.Server:
        """Begin; `dsn` leads here from now on."""
        server = await asyncio.start_server(self.accept, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        self.dsn = f"postgresql://{self._user}@127.0.0.1:{port}{self._database}"
        return server

    async def close(self) -> None:
        """Let go of everybody."""
        tasks = list(self._tasks)
        for task in tasks:
            task.cancel()
        for writer in self._writers:
            writer.transport.abort()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _pump(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while data := await reader.read(65_536):
                await self._may_flow.wait()
                writer.write(data)
                await writer.drain()
        writer.transport.abort()


@asynccontextmanager
async def postgres_proxy(dsn: str) -> AsyncIterator[PostgresProxy]:
    """A proxy before the server of `dsn`, as long as the context lasts."""
    proxy = PostgresProxy(dsn)
    server = await proxy.listen()
    try:
        yield proxy
    finally:
        server.close()
        await proxy.close()
