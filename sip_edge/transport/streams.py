"""SIP over TCP: listeners, connections, framing and bounds (RFC 3261 section 18, RFC 5626)."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol, cast

from typing_extensions import override

from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.sip.stream import FramingError, Ping, StreamFramer

if TYPE_CHECKING:
    from collections.abc import Callable

PONG: Final = b"\r\n"
"""The answer to a CRLFCRLF ping (RFC 5626 section 4.4.1)."""


class StreamReceiver(Protocol):
    """Takes what arrives on streams."""

    def receive_stream_message(self, data: bytes, flow: Flow) -> None: ...

    def receive_framing_error(self, error: FramingError, flow: Flow) -> None: ...

    def stream_closed(self, flow: Flow) -> None: ...


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of the TCP side. Times in seconds.

    `message_seconds` is how long a message that has begun may take to arrive; `idle_seconds` how
    long a connection may say nothing; `write_buffer_bytes` how much may wait for a slow reader.
    """

    max_connections: int
    max_connections_per_source: int
    idle_seconds: float
    message_seconds: float = 10.0
    write_buffer_bytes: int = 256 * 1024
    connect_seconds: float = 4.0


class StreamConnections:
    """All TCP connections of the process, those that came in and those that we opened."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: StreamLimits,
        may_speak: Callable[[str], bool],
        receiver: StreamReceiver,
        on_refused: Callable[[], None],
    ) -> None:
        self._loop = loop
        self.limits = limits
        self._may_speak = may_speak
        self.receiver = receiver
        self._on_refused = on_refused
        self._server: asyncio.Server | None = None
        self._connections: dict[int, _Connection] = {}
        self._outgoing: dict[Address, Flow] = {}
        self._per_source: dict[str, int] = {}
        self._last_number = 0
        self._sweeper: asyncio.TimerHandle | None = None

    async def listen(self, host: str, port: int) -> Address:
        """Accept connections; returns the bound address. Raises OSError if the port is taken."""
        self._server = await self._loop.create_server(lambda: _Connection(self), host, port)
        name = self._server.sockets[0].getsockname()
        return Address(name[0], name[1])

    async def flow_to(self, remote: Address) -> Flow:
        """A connection to `remote`: one that we opened before, or a new one.

        Raises OSError (TimeoutError included) if that fails.
        """
        known = self._outgoing.get(remote)
        if known is not None and self.is_open(known):
            return known
        async with asyncio.timeout(self.limits.connect_seconds):
            _, connection = await self._loop.create_connection(
                lambda: _Connection(self, is_outgoing=True), remote.host, remote.port
            )
        if connection.flow is None:
            raise ConnectionAbortedError("the connection was lost at once")
        self._outgoing[remote] = connection.flow
        return connection.flow

    def send(self, data: bytes, flow: Flow) -> bool:
        """Write to the flow's connection; False if it is gone."""
        connection = self._connections.get(flow.connection)
        return connection is not None and connection.send(data)

    def is_open(self, flow: Flow) -> bool:
        """True while the flow's connection stands."""
        return flow.connection in self._connections

    def close_flow(self, flow: Flow) -> None:
        """Close a connection after what was written has gone out."""
        if connection := self._connections.get(flow.connection):
            connection.close()

    def close(self) -> None:
        """Stop listening and drop every connection."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for connection in list(self._connections.values()):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def __len__(self) -> int:
        return len(self._connections)

    def admit(self, connection: _Connection, host: str, *, is_outgoing: bool) -> int | None:
        """Register a connection and return its number; None if it may not be.

        At a bound the newest loses; a stranger is closed without a word.
        """
        full = len(self._connections) >= self.limits.max_connections
        crowded = self._per_source.get(host, 0) >= self.limits.max_connections_per_source
        if not is_outgoing and (full or crowded or not self._may_speak(host)):
            self._on_refused()
            return None
        self._last_number += 1
        self._connections[self._last_number] = connection
        self._per_source[host] = self._per_source.get(host, 0) + 1
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(1.0, self._sweep)
        return self._last_number

    def forget(self, flow: Flow) -> None:
        """Drop a connection from the books and tell the receiver."""
        if self._connections.pop(flow.connection, None) is None:
            return
        self._outgoing.pop(flow.remote, None)
        host = flow.remote.host
        left = self._per_source.get(host, 1) - 1
        if left > 0:
            self._per_source[host] = left
        else:
            self._per_source.pop(host, None)
        self.receiver.stream_closed(flow)

    def now(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time()

    def _sweep(self) -> None:
        """Once a second: one timer for all connections, however many there are."""
        now = self._loop.time()
        for connection in list(self._connections.values()):
            connection.end_if_too_slow(now)
        self._sweeper = self._loop.call_later(1.0, self._sweep) if self._connections else None


class _Connection(asyncio.Protocol):
    """One TCP connection: bytes in, whole messages out."""

    def __init__(self, connections: StreamConnections, *, is_outgoing: bool = False) -> None:
        self._connections = connections
        self._is_outgoing = is_outgoing
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._heard_at = 0.0
        self._message_began_at: float | None = None
        self.flow: Flow | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        peer = stream.get_extra_info("peername")
        local = stream.get_extra_info("sockname")
        if not peer or not local:
            stream.abort()  # Gone before it was seen.
            return
        number = self._connections.admit(self, peer[0], is_outgoing=self._is_outgoing)
        if number is None:
            stream.abort()
            return
        self._transport = stream
        self._heard_at = self._connections.now()
        self.flow = Flow(
            Transport.TCP, Address(local[0], local[1]), Address(peer[0], peer[1]), number
        )

    @override
    def data_received(self, data: bytes) -> None:
        flow = self.flow
        if flow is None or self._transport is None:
            return
        self._heard_at = self._connections.now()
        try:
            frames = self._framer.feed(data)
        except FramingError as error:
            self._pass_on(error.frames, flow)
            # Where the next message begins is unknown now (RFC 3261 18.3): say so and close.
            self._connections.receiver.receive_framing_error(error, flow)
            self.close()
            return
        self._pass_on(frames, flow)
        if not self._framer.is_within_message:
            self._message_began_at = None
        elif self._message_began_at is None or frames:
            self._message_began_at = self._heard_at

    def _pass_on(self, frames: list[bytes | Ping], flow: Flow) -> None:
        for frame in frames:
            if isinstance(frame, Ping):
                self.send(PONG)
            else:
                self._connections.receiver.receive_stream_message(frame, flow)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.flow is not None:
            self._connections.forget(self.flow)

    def send(self, data: bytes) -> bool:
        if self._transport is None or self._transport.is_closing():
            return False
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._connections.limits.write_buffer_bytes:
            self.abort()
            return False
        return True

    def end_if_too_slow(self, now: float) -> None:
        limits = self._connections.limits
        began_at = self._message_began_at
        if began_at is not None and now - began_at > limits.message_seconds:
            self.abort()
        elif now - self._heard_at > limits.idle_seconds:
            self.close()

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()
