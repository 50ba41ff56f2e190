"""The pool of RTP ports: an even port and the odd one above it for each call (RFC 3550 section 11).

Ports are taken in random order, so that nobody can foretell the next call's, and rest after use:
the peer of the call before may go on sending for a while, and its packets must find a closed port,
not another call.
"""

from __future__ import annotations

import errno
import secrets
import socket
from collections import deque
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable

RTP_RECEIVE_BUFFER_BYTES: Final = 64 * 1024
"""The kernel doubles it: room for about 100 packets, the two seconds of the worst stall."""
RTCP_RECEIVE_BUFFER_BYTES: Final = 8 * 1024
MAX_TRIES: Final = 32
"""Ports that another program holds, tried in a row before giving up: each costs system calls."""


class NoRtpPortError(Exception):
    """No pair of ports can be opened: all are taken or resting, or the system refuses."""


class RtpSockets:
    """A pair of non-blocking UDP sockets bound to `port` and `port` + 1."""

    __slots__ = ("port", "rtcp", "rtp")

    def __init__(self, *, port: int, rtp: socket.socket, rtcp: socket.socket) -> None:
        self.port = port
        self.rtp = rtp
        self.rtcp = rtcp


class RtpPortPool:
    """Lends pairs of sockets from `port_min` to `port_max` (inclusive) on one address.

    `choose(n)` picks a number below n.
    """

    def __init__(
        self,
        *,
        host: str,
        port_min: int,
        port_max: int,
        quarantine_seconds: float,
        choose: Callable[[int], int] = secrets.randbelow,
    ) -> None:
        self._host = host
        self._quarantine_seconds = quarantine_seconds
        self._choose = choose
        self._free = list(range(port_min + port_min % 2, port_max, 2))
        self.size = len(self._free)
        """Pairs in all."""
        self._resting: deque[tuple[float, int]] = deque()
        self._lent: set[int] = set()
        self._is_closed = False

    def count_free(self, now: float) -> int:
        """Pairs that can be lent now."""
        self._end_rest(now)
        return len(self._free)

    @property
    def resting(self) -> int:
        """Pairs in quarantine."""
        return len(self._resting)

    @property
    def lent(self) -> int:
        """Pairs in use."""
        return len(self._lent)

    def acquire(self, now: float) -> RtpSockets:
        """Open a pair of sockets. Raises NoRtpPortError."""
        if self._is_closed:
            raise NoRtpPortError("the pool is closed")
        self._end_rest(now)
        for _ in range(MAX_TRIES):
            if not self._free:
                break
            port = self._take()
            try:
                sockets = self._open(port)
            except NoRtpPortError:
                self._free.append(port)  # The system has refused us, not the port.
                raise
            if sockets is not None:
                self._lent.add(port)
                return sockets
            # Another program has it. Whoever it is may be gone later.
            self._resting.append((now + self._quarantine_seconds, port))
        raise NoRtpPortError(
            f"no RTP port: {self.lent} in use, {self.resting} resting, {len(self._free)} free"
        )

    def release(self, sockets: RtpSockets, now: float) -> None:
        """Close a pair and let its ports rest. Once more does nothing."""
        sockets.rtp.close()
        sockets.rtcp.close()
        if sockets.port in self._lent:
            self._lent.discard(sockets.port)
            self._resting.append((now + self._quarantine_seconds, sockets.port))

    def close(self) -> None:
        """Lend no more. Pairs that are lent stay with their calls."""
        self._is_closed = True

    def _end_rest(self, now: float) -> None:
        while self._resting and self._resting[0][0] <= now:
            self._free.append(self._resting.popleft()[1])

    def _take(self) -> int:
        free = self._free
        index = self._choose(len(free))
        port, free[index] = free[index], free[-1]
        free.pop()
        return port

    def _open(self, port: int) -> RtpSockets | None:
        """The pair on `port`; None if somebody else has one of them. Raises NoRtpPortError."""
        rtp = self._bind(port, RTP_RECEIVE_BUFFER_BYTES)
        if rtp is None:
            return None
        try:
            rtcp = self._bind(port + 1, RTCP_RECEIVE_BUFFER_BYTES)
        except NoRtpPortError:
            rtp.close()
            raise
        if rtcp is None:
            rtp.close()
            return None
        return RtpSockets(port=port, rtp=rtp, rtcp=rtcp)

    def _bind(self, port: int, receive_buffer: int) -> socket.socket | None:
        family = socket.AF_INET6 if ":" in self._host else socket.AF_INET
        try:
            udp = socket.socket(family, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        except OSError as error:
            raise NoRtpPortError(f"no socket: {error.strerror}") from error
        try:
            udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_buffer)
            if family == socket.AF_INET6:
                udp.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            udp.bind((self._host, port))
        except OSError as error:
            udp.close()
            if error.errno == errno.EADDRINUSE:
                return None
            raise NoRtpPortError(f"{self._host} port {port}: {error.strerror}") from error
        return udp
