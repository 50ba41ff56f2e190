"""Who is connected: the bounds on connections and TLS handshakes, counted without any I/O."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from sip_edge.transport.sources import limited_as

MAX_HANDSHAKES: Final = 128
"""TLS handshakes at once: each costs the loop about 1 ms of RSA and 25 KiB."""
MAX_HANDSHAKES_PER_SOURCE: Final = 32
"""Of these from one source, so that one that stalls leaves room for the others."""
MAX_OUTGOING: Final = 256
"""Connections that we opened: carriers have a few dozen addresses; a Contact may name anything."""


class Refused(Enum):
    """Why a connection was turned away."""

    STRANGER = "stranger"
    FULL = "full"
    CROWDED = "crowded"
    HANDSHAKES = "handshakes"
    DESCRIPTORS = "descriptors"


@dataclass(frozen=True, slots=True)
class StreamLimits:
    """Bounds of the TCP and TLS side. Times in seconds.

    - `max_connections`, `max_connections_per_source`: of those that come in.
    - `idle_seconds`: a connection may say nothing for so long.
    - `message_seconds`: a message that has begun may take so long to arrive; a carrier's takes
      milliseconds, one that trickles in holds memory for nothing.
    - `write_buffer_bytes`: may wait for a peer that does not read; some hundred responses.
    - `connect_seconds`: for a connection of ours, handshake included: several targets fit into a
      transaction's 32 s.
    - `handshake_seconds`: for the TLS handshake of a caller: three lost packets.
    - `close_seconds`: for what was written to go out when a connection is being closed.
    """

    max_connections: int
    max_connections_per_source: int
    idle_seconds: float
    message_seconds: float = 10.0
    write_buffer_bytes: int = 256 * 1024
    connect_seconds: float = 4.0
    handshake_seconds: float = 5.0
    close_seconds: float = 5.0


class ConnectionBooks:
    """Counts connections. At a bound the newest loses, and no other is touched."""

    def __init__(self, limits: StreamLimits) -> None:
        self._limits = limits
        self._total = 0
        self._per_source: dict[str, int] = {}
        self._handshakes = 0
        self._handshakes_per_source: dict[str, int] = {}
        self._outgoing = 0

    def admit(self, host: str, *, with_handshake: bool) -> Refused | None:
        """Enter a connection from `host`, or say why it may not be."""
        host = limited_as(host)
        limits = self._limits
        if self._total >= limits.max_connections:
            return Refused.FULL
        if self._per_source.get(host, 0) >= limits.max_connections_per_source:
            return Refused.CROWDED
        if with_handshake:
            begun = self._handshakes_per_source.get(host, 0)
            if self._handshakes >= MAX_HANDSHAKES or begun >= MAX_HANDSHAKES_PER_SOURCE:
                return Refused.HANDSHAKES
            self._handshakes += 1
            self._handshakes_per_source[host] = begun + 1
        self._total += 1
        self._per_source[host] = self._per_source.get(host, 0) + 1
        return None

    def handshake_ended(self, host: str) -> None:
        """The handshake of an admitted connection is over, well or badly."""
        self._handshakes -= 1
        _take_off(self._handshakes_per_source, limited_as(host))

    def release(self, host: str) -> None:
        """An admitted connection is gone."""
        self._total -= 1
        _take_off(self._per_source, limited_as(host))

    def open_outgoing(self) -> bool:
        """Enter a connection of ours; False if there are too many."""
        if self._outgoing >= MAX_OUTGOING:
            return False
        self._outgoing += 1
        return True

    def release_outgoing(self) -> None:
        """A connection of ours is gone."""
        self._outgoing -= 1


def _take_off(counts: dict[str, int], host: str) -> None:
    """One less; a source without any is forgotten, or a scan would grow our memory."""
    left = counts[host] - 1
    if left:
        counts[host] = left
    else:
        del counts[host]
