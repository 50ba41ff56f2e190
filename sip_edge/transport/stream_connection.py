"""One TCP or TLS connection: bytes in, whole messages out (RFC 3261 18.3, RFC 5626 4.4.1)."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol, cast

from typing_extensions import override

from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.sip.stream import FramingError, Ping, StreamFramer

if TYPE_CHECKING:
    from sip_edge.transport.connection_books import StreamLimits

PONG: Final = b"\r\n"
"""The answer to a CRLFCRLF ping (RFC 5626 section 4.4.1)."""
READ_BYTES: Final = 16 * 1024
"""Read at a time: some forty messages, 4 ms. A peer that floods delays speech by no more."""


class ConnectionOwner(Protocol):
    """What a connection tells, and needs to know."""

    limits: StreamLimits
    read_buffer: bytearray

    def now(self) -> float: ...

    def opened(self, connection: StreamConnection) -> int:
        """The number of this connection from now on."""
        ...

    def received(self, data: bytes, flow: Flow) -> None: ...

    def broken(self, error: FramingError, flow: Flow) -> None: ...

    def cut(self) -> None:
        """A connection was ended for what its peer did or did not do."""
        ...

    def lost(self, connection: StreamConnection) -> None: ...

    def is_within_rate(self, flow: Flow, messages: int) -> bool:
        """Counts messages; False if their source should not be read for a while."""
        ...


class StreamConnection(asyncio.BufferedProtocol):
    """Frames what comes, answers pings, and ends the connection where it goes beyond a bound.

    `flow` is None until the connection stands, its TLS handshake included.
    """

    def __init__(
        self, owner: ConnectionOwner, transport: Transport, *, is_outgoing: bool = False
    ) -> None:
        self._owner = owner
        self._kind = transport
        self.is_outgoing = is_outgoing
        self._framer = StreamFramer()
        self._transport: asyncio.Transport | None = None
        self._heard_at = 0.0
        self._message_began_at: float | None = None
        self._closing_since: float | None = None
        self._is_paused = False
        self.flow: Flow | None = None

    @override
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        stream = cast("asyncio.Transport", transport)
        peer = stream.get_extra_info("peername")
        local = stream.get_extra_info("sockname")
        if not peer or not local:
            stream.abort()  # Gone before it was seen.
            return
        self._transport = stream
        self._heard_at = self._owner.now()
        self.flow = Flow(
            self._kind,
            Address(local[0], local[1]),
            Address(peer[0], peer[1]),
            self._owner.opened(self),
        )

    @override
    def get_buffer(self, sizehint: int) -> bytearray:
        # One for all connections: it is filled and emptied within one turn of the loop.
        return self._owner.read_buffer

    @override
    def buffer_updated(self, nbytes: int) -> None:
        flow = self.flow
        if flow is None or self._transport is None or self._closing_since is not None:
            return
        self._heard_at = self._owner.now()
        try:
            frames = self._framer.feed(bytes(memoryview(self._owner.read_buffer)[:nbytes]))
        except FramingError as error:
            self._pass_on(error.frames, flow)
            # Where the next message begins is unknown now (RFC 3261 18.3): say so and close.
            self._owner.broken(error, flow)
            self._owner.cut()
            self.close()
            return
        self._pass_on(frames, flow)
        if not self._framer.is_within_message:
            self._message_began_at = None
        elif self._message_began_at is None or frames:
            self._message_began_at = self._heard_at
        if frames and not self._owner.is_within_rate(flow, len(frames)):
            self._pause()

    def _pause(self) -> None:
        """Read no more until `resume`: the peer's own TCP makes it wait, and nothing is lost."""
        if self._transport is not None and self.is_open and not self._is_paused:
            self._is_paused = True
            self._transport.pause_reading()

    def resume(self) -> None:
        """Asked once a second: read on, if that was paused."""
        if self._transport is not None and self._is_paused and self.is_open:
            self._is_paused = False
            self._transport.resume_reading()

    def _pass_on(self, frames: list[bytes | Ping], flow: Flow) -> None:
        pings = 0
        for frame in frames:
            if isinstance(frame, Ping):
                pings += 1
            else:
                self._owner.received(frame, flow)
        if pings:
            self.send(PONG * pings)

    @override
    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if self.flow is not None:
            self._owner.lost(self)

    @property
    def is_open(self) -> bool:
        """True while messages may be sent."""
        return (
            self._transport is not None
            and self._closing_since is None
            and not self._transport.is_closing()
        )

    def send(self, data: bytes) -> bool:
        """Write; False if the connection is gone, or is given up because its peer does not read."""
        if self._transport is None or not self.is_open:
            return False
        self._transport.write(data)
        if self._transport.get_write_buffer_size() > self._owner.limits.write_buffer_bytes:
            self._owner.cut()
            self.abort()
            return False
        return True

    def end_if_too_slow(self, now: float) -> None:
        """Asked once a second: nothing here needs a timer of its own."""
        limits = self._owner.limits
        began_at = self._message_began_at
        if self._closing_since is not None:
            if now - self._closing_since > limits.close_seconds:
                self.abort()  # Whoever does not read would keep it half closed for ever.
        elif began_at is not None and now - began_at > limits.message_seconds:
            self._owner.cut()
            self.abort()
        elif now - self._heard_at > limits.idle_seconds:
            self.close()

    def close(self) -> None:
        """Close after what was written has gone out."""
        if self._transport is not None and self._closing_since is None:
            self._closing_since = self._owner.now()
            self._transport.close()

    def abort(self) -> None:
        """Close at once."""
        if self._transport is not None:
            self._transport.abort()
