"""SIP over TCP and TLS: all connections of the process (RFC 3261 section 18, RFC 5923)."""

from __future__ import annotations

import asyncio
import socket
import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, Protocol

from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.tasks import spawn
from sip_edge.transport.acceptor import Acceptor, open_listener
from sip_edge.transport.connection_books import ConnectionBooks, Refused, StreamLimits
from sip_edge.transport.stream_connection import READ_BYTES, StreamConnection

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.sip.stream import FramingError
    from sip_edge.transport.targets import Peer

__all__ = ["StreamConnections", "StreamLimits", "StreamObserver", "StreamReceiver"]

UNACKNOWLEDGED_SECONDS: Final = 20
"""A peer whose kernel does not acknowledge for so long is gone (TCP_USER_TIMEOUT, RFC 5482)."""
KEEPALIVE_SECONDS: Final = 60
"""A connection that is silent for so long is probed by the kernel: a NAT keeps its mapping, and a
peer that has vanished is noticed long before the connection counts as idle."""
PROBE_SECONDS: Final = 15
"""Between two of these probes, should the first stay unanswered."""


class StreamReceiver(Protocol):
    """Takes what arrives on streams."""

    def receive_stream_message(self, data: bytes, flow: Flow) -> None: ...

    def receive_framing_error(self, error: FramingError, flow: Flow) -> None: ...

    def stream_closed(self, flow: Flow) -> None: ...


class StreamObserver(Protocol):
    """Counts what goes wrong."""

    def connection_refused(self, why: Refused) -> None:
        """A connection that came in was closed without a word."""

    def connection_cut(self) -> None:
        """A peer was too slow, sent what cannot be framed, or did not read."""

    def handshake_failed(self) -> None:
        """A TLS handshake, with a caller or with a peer that we called, came to nothing."""


@dataclass(frozen=True, slots=True)
class _Gate:
    """What a listener demands. `context` gives the TLS context of the moment; None for TCP."""

    may_speak: Callable[[str], bool]
    context: Callable[[], ssl.SSLContext] | None

    @property
    def transport(self) -> Transport:
        return Transport.TCP if self.context is None else Transport.TLS


class StreamConnections:
    """All connections of the process, those that came in and those that we opened.

    `client_context` gives the TLS context for a peer of that name ("" for an address); without it
    no TLS connection is opened. Connections of ours leave from `local_host`, if that is given. A
    source of which `may_send_more` says False is not read for up to a second.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        limits: StreamLimits,
        receiver: StreamReceiver,
        observer: StreamObserver,
        client_context: Callable[[str], ssl.SSLContext] | None = None,
        local_host: str | None = None,
        may_send_more: Callable[[str], bool] | None = None,
    ) -> None:
        self._loop = loop
        self.limits = limits
        self.read_buffer = bytearray(READ_BYTES)
        self._receiver = receiver
        self._observer = observer
        self._client_context = client_context
        self._local = None if local_host is None else (local_host, 0)
        self._may_send_more = may_send_more
        self._books = ConnectionBooks(limits)
        self._acceptors: list[Acceptor] = []
        self._connections: dict[int, StreamConnection] = {}
        self._outgoing: dict[Peer, Flow] = {}
        self._connecting: dict[Peer, asyncio.Task[Flow | OSError]] = {}
        self._handshakes: set[asyncio.Task[None]] = set()
        self._last_number = 0
        self._sweeper: asyncio.TimerHandle | None = None

    def listen(
        self,
        host: str,
        port: int,
        *,
        may_speak: Callable[[str], bool],
        context: Callable[[], ssl.SSLContext] | None = None,
    ) -> Address:
        """Accept connections, over TLS if there is a context; returns the bound address.

        Raises OSError if the port is taken.
        """
        gate = _Gate(may_speak, context)
        acceptor = Acceptor(
            loop=self._loop,
            listener=open_listener(host, port),
            on_connection=lambda connection, source: self._accepted(connection, source, gate),
            on_exhausted=lambda: self._observer.connection_refused(Refused.DESCRIPTORS),
        )
        self._acceptors.append(acceptor)
        return acceptor.local

    async def flow_to(self, peer: Peer) -> Flow:
        """A connection to `peer`: one that we opened before, or a new one.

        Raises OSError (TimeoutError included) if that fails.
        """
        known = self._outgoing.get(peer)
        if known is not None and self.is_open(known):
            return known
        task = self._connecting.get(peer)
        if task is None:
            task = spawn(self._connect(peer), name=f"connect to {peer.address.host}")
            self._connecting[peer] = task
            task.add_done_callback(lambda _: self._connecting.pop(peer, None))
        # Whoever waits may be cancelled; others may wait for the same connection.
        result = await asyncio.shield(task)
        if isinstance(result, OSError):
            raise ConnectionError(str(result)) from result
        return result

    def send(self, data: bytes, flow: Flow) -> bool:
        """Write to the flow's connection; False if it is gone."""
        connection = self._connections.get(flow.connection)
        return connection is not None and connection.send(data)

    def is_open(self, flow: Flow) -> bool:
        """True while the flow's connection stands."""
        connection = self._connections.get(flow.connection)
        return connection is not None and connection.is_open

    def close_flow(self, flow: Flow) -> None:
        """Close a connection after what was written has gone out."""
        if connection := self._connections.get(flow.connection):
            connection.close()

    def close(self) -> None:
        """Stop listening and drop every connection."""
        for acceptor in self._acceptors:
            acceptor.close()
        self._acceptors.clear()
        for task in [*self._handshakes, *self._connecting.values()]:
            task.cancel()
        for connection in list(self._connections.values()):
            connection.abort()
        if self._sweeper is not None:
            self._sweeper.cancel()
            self._sweeper = None

    def __len__(self) -> int:
        return len(self._connections)

    # Connections that come in.

    def _accepted(self, connection: socket.socket, source: str, gate: _Gate) -> None:
        """Judge a connection before it costs anything: who it is, then whether there is room."""
        if not gate.may_speak(source):
            refused: Refused | None = Refused.STRANGER
        else:
            refused = self._books.admit(source, with_handshake=gate.context is not None)
        if refused is not None:
            connection.close()
            self._observer.connection_refused(refused)
            return
        task = spawn(self._take_in(connection, source, gate), name="accept")
        self._handshakes.add(task)
        task.add_done_callback(self._handshakes.discard)

    async def _take_in(self, connection: socket.socket, source: str, gate: _Gate) -> None:
        protocol = StreamConnection(self, gate.transport)
        try:
            _find_dead_peers(connection)
            if gate.context is None:
                await self._loop.connect_accepted_socket(lambda: protocol, connection)
            else:
                await self._loop.connect_accepted_socket(
                    lambda: protocol,
                    connection,
                    ssl=gate.context(),
                    ssl_handshake_timeout=self.limits.handshake_seconds,
                    ssl_shutdown_timeout=self.limits.close_seconds,
                )
        except OSError:
            if gate.context is not None:
                self._observer.handshake_failed()
        finally:
            if gate.context is not None:
                self._books.handshake_ended(source)
            if protocol.flow is None:
                connection.close()
                self._books.release(source)

    # Connections that we open.

    async def _connect(self, peer: Peer) -> Flow | OSError:
        """The error is a value here: that a peer cannot be reached is no fault of ours."""
        if not self._books.open_outgoing():
            return ConnectionError("too many connections of ours")
        protocol = StreamConnection(self, peer.transport, is_outgoing=True)
        try:
            async with asyncio.timeout(self.limits.connect_seconds):
                await self._open(protocol, peer)
        except OSError as error:
            if isinstance(error, ssl.SSLError):
                self._observer.handshake_failed()
            return error
        finally:
            if protocol.flow is None:
                self._books.release_outgoing()
        if protocol.flow is None or not protocol.is_open:
            return ConnectionAbortedError("the connection was lost at once")
        self._outgoing[peer] = protocol.flow
        return protocol.flow

    async def _open(self, protocol: StreamConnection, peer: Peer) -> None:
        host, port = peer.address.host, peer.address.port
        local = self._local if self._local and (":" in self._local[0]) == (":" in host) else None
        if peer.transport is not Transport.TLS:
            transport, _ = await self._loop.create_connection(
                lambda: protocol, host, port, local_addr=local
            )
        elif self._client_context is None:
            raise ConnectionError("no TLS here")
        else:
            transport, _ = await self._loop.create_connection(
                lambda: protocol,
                host,
                port,
                local_addr=local,
                ssl=self._client_context(peer.name),
                server_hostname=peer.name or host,
                ssl_handshake_timeout=self.limits.connect_seconds,
                ssl_shutdown_timeout=self.limits.close_seconds,
            )
        opened = transport.get_extra_info("socket")
        if opened is not None:
            _find_dead_peers(opened)

    # What connections tell (stream_connection.ConnectionOwner).

    def now(self) -> float:
        """The loop's clock, in seconds."""
        return self._loop.time()

    def opened(self, connection: StreamConnection) -> int:
        """Enter a connection that stands."""
        self._last_number += 1
        self._connections[self._last_number] = connection
        if self._sweeper is None:
            self._sweeper = self._loop.call_later(1.0, self._sweep)
        return self._last_number

    def received(self, data: bytes, flow: Flow) -> None:
        """One whole message."""
        self._receiver.receive_stream_message(data, flow)

    def is_within_rate(self, flow: Flow, messages: int) -> bool:
        """Count messages of one source; one False is enough."""
        may_send_more, host = self._may_send_more, flow.remote.host
        return may_send_more is None or all(may_send_more(host) for _ in range(messages))

    def broken(self, error: FramingError, flow: Flow) -> None:
        """A stream that cannot be trusted any more."""
        self._receiver.receive_framing_error(error, flow)

    def cut(self) -> None:
        """A connection is ended for what its peer did."""
        self._observer.connection_cut()

    def lost(self, connection: StreamConnection) -> None:
        """Drop a connection from the books and tell the receiver."""
        flow = connection.flow
        if flow is None or self._connections.pop(flow.connection, None) is None:
            return
        if connection.is_outgoing:
            self._books.release_outgoing()
            for peer in [peer for peer, known in self._outgoing.items() if known == flow]:
                del self._outgoing[peer]
        else:
            self._books.release(flow.remote.host)
        self._receiver.stream_closed(flow)

    def _sweep(self) -> None:
        """Once a second: one timer for all connections, however many there are."""
        now = self._loop.time()
        for connection in list(self._connections.values()):
            connection.resume()
            connection.end_if_too_slow(now)
        self._sweeper = self._loop.call_later(1.0, self._sweep) if self._connections else None


def _find_dead_peers(connection: socket.socket) -> None:
    """Have the kernel reset a connection whose other end is gone without a word."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        (socket.TCP_KEEPIDLE, KEEPALIVE_SECONDS),
        (socket.TCP_KEEPINTVL, PROBE_SECONDS),
        (socket.TCP_USER_TIMEOUT, UNACKNOWLEDGED_SECONDS * 1000),
    ):
        connection.setsockopt(socket.IPPROTO_TCP, option, value)
