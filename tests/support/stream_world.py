"""Streams of the edge on the loopback, and who hears what comes over them."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sip_edge.sip.flow import Address, Flow
from sip_edge.sip.stream import FramingError
from sip_edge.transport.connection_books import Refused
from sip_edge.transport.streams import StreamConnections, StreamLimits

TLS_FILES = Path(__file__).parents[1] / "data" / "tls"
"""A certificate for `localhost` and 127.0.0.1, and the authority that made it."""

LIMITS = StreamLimits(max_connections=8, max_connections_per_source=4, idle_seconds=60.0)


@dataclass
class Receiver:
    """Takes what arrives, and counts what goes wrong."""

    messages: asyncio.Queue[tuple[bytes, Flow]] = field(default_factory=asyncio.Queue)
    closed: asyncio.Queue[Flow] = field(default_factory=asyncio.Queue)
    errors: list[str] = field(default_factory=list)
    refused: list[Refused] = field(default_factory=list)
    cut: int = 0
    failed_handshakes: int = 0

    def receive_stream_message(self, data: bytes, flow: Flow) -> None:
        self.messages.put_nowait((data, flow))

    def receive_framing_error(self, error: FramingError, flow: Flow) -> None:
        self.errors.append(str(error))

    def stream_closed(self, flow: Flow) -> None:
        self.closed.put_nowait(flow)

    def connection_refused(self, why: Refused) -> None:
        self.refused.append(why)

    def connection_cut(self) -> None:
        self.cut += 1

    def handshake_failed(self) -> None:
        self.failed_handshakes += 1

    async def next(self) -> tuple[bytes, Flow]:
        """The next message."""
        async with asyncio.timeout(10):
            return await self.messages.get()


@dataclass
class World:
    """One edge's streams: `address` is where they listen."""

    connections: StreamConnections
    receiver: Receiver
    address: Address

    @property
    def port(self) -> int:
        return self.address.port


@asynccontextmanager
async def listening(
    limits: StreamLimits = LIMITS,
    *,
    may_speak: Callable[[str], bool] = lambda host: True,
    tls: bool = False,
    host: str = "127.0.0.1",
    client_context: Callable[[str], ssl.SSLContext] | None = None,
    local_host: str | None = None,
    may_send_more: Callable[[str], bool] | None = None,
) -> AsyncIterator[World]:
    """Streams that listen, over TLS if asked."""
    receiver = Receiver()
    connections = StreamConnections(
        loop=asyncio.get_running_loop(),
        limits=limits,
        receiver=receiver,
        observer=receiver,
        client_context=client_context,
        local_host=local_host,
        may_send_more=may_send_more,
    )
    context = server_context() if tls else None
    address = connections.listen(
        host, 0, may_speak=may_speak, context=None if context is None else lambda: context
    )
    try:
        yield World(connections, receiver, address)
    finally:
        connections.close()
        await asyncio.sleep(0.01)  # What was cancelled or aborted gets its turn.


def server_context() -> ssl.SSLContext:
    """An ordinary server's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(TLS_FILES / "worker.pem", TLS_FILES / "worker.key")
    return context


def trusting_context() -> ssl.SSLContext:
    """A client's that believes the authority of the tests."""
    return ssl.create_default_context(cafile=str(TLS_FILES / "ca.pem"))


async def is_closed(reader: asyncio.StreamReader) -> bool:
    """True if the other side ends the connection without another byte."""
    async with asyncio.timeout(10):
        try:
            return await reader.read(1) == b""
        except OSError:
            return True
