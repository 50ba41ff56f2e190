"""The SIP socket for UDP: raw, non-blocking, drained in batches (decision 17)."""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING, Final

from sip_edge.sip.flow import Address, Flow, Transport

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

BATCH: Final = 64
"""Datagrams read per wake-up: it is amortised, and speech waits 64 * 70 µs at most."""
MAX_DATAGRAM: Final = 65_535
"""The largest UDP payload; carriers' INVITEs exceed an Ethernet frame."""

_IP_MTU_DISCOVER: Final = 10
_IPV6_MTU_DISCOVER: Final = 23
_PMTUDISC_DONT: Final = 0
"""Linux's numbers (linux/in.h, linux/in6.h); Python's socket module has no names for them."""


class UdpListener:
    """One bound UDP socket; `start` hands each datagram on with the flow it came on."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        host: str,
        port: int,
        receive_buffer_bytes: int,
        may_speak: Callable[[str], bool],
        on_send_failure: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._may_speak = may_speak
        self._receive: Callable[[bytes, Flow], None] | None = None
        self._on_send_failure = on_send_failure
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._socket = socket.socket(family, socket.SOCK_DGRAM)
        try:
            self._socket.setblocking(False)
            for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):
                self._socket.setsockopt(socket.SOL_SOCKET, option, receive_buffer_bytes)
            if family == socket.AF_INET6:
                # Or `::` would take IPv4 callers too, whom an IPv6 address in SDP leaves deaf.
                self._socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            _let_it_be_fragmented(self._socket, family)
            self._socket.bind((host, port))
        except OSError:
            self._socket.close()
            raise
        # Read into again and again: a stranger's datagram is not even copied (2 us instead of 3).
        self._buffer = bytearray(MAX_DATAGRAM)
        self._view = memoryview(self._buffer)
        name = self._socket.getsockname()
        self.local = Address(name[0], name[1])

    def start(self, receive: Callable[[bytes, Flow], None]) -> None:
        """Begin to receive: `receive` gets each datagram from a source that may speak."""
        self._receive = receive
        self._loop.add_reader(self._socket.fileno(), self._on_readable)

    def close(self) -> None:
        """Stop receiving and free the port."""
        if self._socket.fileno() >= 0:
            self._loop.remove_reader(self._socket.fileno())
            self._socket.close()

    def flow_to(self, remote: Address) -> Flow:
        """The flow from this socket to `remote`."""
        return Flow(Transport.UDP, self.local, remote, 0)

    def can_reach(self, host: str) -> bool:
        """True if the numeric `host` is of this socket's address family."""
        return (self._socket.family == socket.AF_INET6) == (":" in host)

    def send(self, data: bytes, remote: Address) -> bool:
        """Send one datagram; False if the kernel would not take it (SIP's timers repeat it)."""
        try:
            self._socket.sendto(data, (remote.host, remote.port))
        except OSError:
            self._on_send_failure()
            return False
        return True

    def _on_readable(self) -> None:
        for _ in range(BATCH):
            try:
                size, source = self._socket.recvfrom_into(self._buffer)
            except (BlockingIOError, InterruptedError):
                return
            except OSError:
                # An ICMP error for something sent earlier; the next datagram is not touched by it.
                continue
            if self._receive is None or self._socket.fileno() < 0:
                return
            if self._may_speak(source[0]):
                data = bytes(self._view[:size])
                self._receive(data, self.flow_to(Address(source[0], source[1])))


def _let_it_be_fragmented(sip: socket.socket, family: socket.AddressFamily) -> None:
    """Linux sets "don't fragment" on UDP and drops what a link on the way finds too long.

    A 200 with its Record-Routes may well be longer than 1500 bytes, and nobody would repeat it in
    smaller pieces.
    """
    if family == socket.AF_INET6:
        sip.setsockopt(socket.IPPROTO_IPV6, _IPV6_MTU_DISCOVER, _PMTUDISC_DONT)
    else:
        sip.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _PMTUDISC_DONT)
