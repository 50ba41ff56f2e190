"""From a worker's addresses to one connected socket, whichever answers first."""

from __future__ import annotations

import asyncio
import errno
import os
import socket
from ipaddress import IPv6Address, ip_address
from typing import TYPE_CHECKING, Final

from sip_edge.routing.outcome import AttemptFailure
from sip_edge.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.agents.settings import Network

_UNREACHABLE: Final = frozenset(
    {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.ENETDOWN, errno.EHOSTDOWN, errno.EADDRNOTAVAIL}
    | {errno.EAFNOSUPPORT, errno.EACCES, errno.EPERM, errno.EINVAL}
)
_TIMED_OUT: Final = frozenset({errno.ETIMEDOUT})
_NAT64: Final = 0x0064_FF9B << 96


class DialError(Exception):
    """No address could be connected to."""

    def __init__(self, failure: AttemptFailure, detail: str) -> None:
        super().__init__(detail)
        self.failure = failure
        self.detail = detail


def permitted(
    addresses: Sequence[str], *, allowed: Sequence[Network], denied: Sequence[Network]
) -> list[str]:
    """Those of `addresses` that may be dialled; an empty `allowed` allows all that is not denied.

    An IPv4 address inside an IPv6 one (mapped, or NAT64 of RFC 6052) is judged as what it is.
    """
    return [
        address
        for address in addresses
        if not _is_in(address, denied) and (not allowed or _is_in(address, allowed))
    ]


async def dial(addresses: Sequence[str], port: int, *, stagger_seconds: float) -> socket.socket:
    """Connect to the first of `addresses` that answers; the socket is the caller's.

    The next address joins in when the one before has failed or has been silent for
    `stagger_seconds` (RFC 8305 section 5). Raises DialError; when cancelled, leaves nothing open.
    """
    waiting = list(addresses)
    attempts: set[asyncio.Task[socket.socket | OSError]] = set()
    first_error: OSError | None = None
    winner: socket.socket | None = None
    try:
        while winner is None and (waiting or attempts):
            if waiting:
                address = waiting.pop(0)
                attempts.add(spawn(_connect(address, port), name=f"dial {address}"))
            done, _ = await asyncio.wait(
                attempts,
                timeout=stagger_seconds if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                result = attempt.result()
                if isinstance(result, OSError):
                    first_error = first_error or result
                elif winner is None:
                    winner = result
                else:
                    continue
                attempts.discard(attempt)
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_close_socket)
    if winner is None:
        raise _dial_error(first_error)
    return winner


async def _connect(address: str, port: int) -> socket.socket | OSError:
    """A connected socket, or why there is none: as a value, since it is no defect of the task."""
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        candidate = socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
    except OSError as error:
        return error
    is_connected = False
    try:
        # A frame of 20 ms must not wait for the acknowledgement of the one before.
        candidate.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        await asyncio.get_running_loop().sock_connect(candidate, (address, port))
        is_connected = True
    except OSError as error:
        return error
    finally:
        if not is_connected:
            candidate.close()
    return candidate


def _close_socket(attempt: asyncio.Task[socket.socket | OSError]) -> None:
    """Close what an attempt had reached when nobody wanted it any more."""
    if not attempt.cancelled() and isinstance(result := attempt.result(), socket.socket):
        result.close()


def _dial_error(error: OSError | None) -> DialError:
    if error is None:
        return DialError(AttemptFailure.DNS, "no address to dial")
    # Not strerror: asyncio puts the address in there.
    reason = type(error).__name__ if error.errno is None else os.strerror(error.errno)
    if error.errno == errno.ECONNREFUSED:
        return DialError(AttemptFailure.REFUSED, reason)
    if error.errno in _TIMED_OUT:
        return DialError(AttemptFailure.TIMEOUT, reason)
    if error.errno in _UNREACHABLE:
        return DialError(AttemptFailure.UNREACHABLE, reason)
    if error.errno in {errno.ECONNRESET, errno.ECONNABORTED}:
        return DialError(AttemptFailure.REFUSED, reason)
    # What is left is ours: no file descriptors, no buffers, no local ports.
    return DialError(AttemptFailure.INTERNAL, reason)


def _is_in(text: str, networks: Sequence[Network]) -> bool:
    address = ip_address(text)
    if isinstance(address, IPv6Address):
        if address.ipv4_mapped is not None:
            address = address.ipv4_mapped
        elif int(address) >> 32 == _NAT64 >> 32:
            address = ip_address(int(address) & 0xFFFF_FFFF)
    return any(address.version == network.version and address in network for network in networks)
