"""Listening for connections: raw sockets, so that a stranger is closed before he costs anything.

The event loop's own servers begin a TLS handshake before anybody is asked, and are at the mercy of
the system when descriptors run out. Here the source is judged right after `accept`; without a free
descriptor a reserve is given up for the moment that it takes to accept and close the newest.
"""

from __future__ import annotations

import errno
import os
import socket
from typing import TYPE_CHECKING, Final

from sip_edge.sip.flow import Address

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

BATCH: Final = 16
"""Connections accepted per wake-up: speech waits for a millisecond at most."""
BACKLOG: Final = 512
"""Connections that the kernel completes while the process is busy."""
REST_SECONDS: Final = 0.5
"""How long nothing is accepted where not even the reserve helps: the loop must not spin."""

_EXHAUSTED: Final = frozenset((errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM))


def open_listener(host: str, port: int) -> socket.socket:
    """A listening, non-blocking socket. Raises OSError if the port is taken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listener = socket.socket(family, socket.SOCK_STREAM)
    try:
        listener.setblocking(False)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            # As for UDP: `::` is for IPv6 alone.
            listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        listener.bind((host, port))
        listener.listen(BACKLOG)
    except OSError:
        listener.close()
        raise
    return listener


class Acceptor:
    """Accepts on one listening socket and hands on each connection with its source address.

    `on_connection` takes the socket over; `on_exhausted` is told of each connection that was closed
    because the process has no descriptor for it.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        listener: socket.socket,
        on_connection: Callable[[socket.socket, str], None],
        on_exhausted: Callable[[], None],
    ) -> None:
        self._loop = loop
        self._listener = listener
        self._on_connection = on_connection
        self._on_exhausted = on_exhausted
        self._reserve: int | None = _open_reserve()
        self._rest: asyncio.TimerHandle | None = None
        name = listener.getsockname()
        self.local = Address(name[0], name[1])
        loop.add_reader(listener.fileno(), self._on_readable)

    def close(self) -> None:
        """Stop accepting and free the port."""
        if self._rest is not None:
            self._rest.cancel()
            self._rest = None
        if self._listener.fileno() >= 0:
            self._loop.remove_reader(self._listener.fileno())
            self._listener.close()
        if self._reserve is not None:
            os.close(self._reserve)
            self._reserve = None

    def _on_readable(self) -> None:
        for _ in range(BATCH):
            try:
                connection, source = self._listener.accept()
            except (BlockingIOError, InterruptedError):
                return
            except OSError as error:
                if error.errno not in _EXHAUSTED:
                    continue  # That connection is gone already (accept(2): as if it had not been).
                if not self._turn_one_away():
                    self._take_a_rest()
                    return
                continue
            connection.setblocking(False)
            self._on_connection(connection, source[0])

    def _turn_one_away(self) -> bool:
        """Accept and close a connection on the reserve's descriptor; False if it could not be."""
        if self._reserve is None:
            return False
        os.close(self._reserve)
        self._reserve = None
        try:
            connection, _ = self._listener.accept()
            connection.close()
            self._on_exhausted()
        except OSError:
            return False
        finally:
            self._reserve = _open_reserve()
        return True

    def _take_a_rest(self) -> None:
        """Leave connections in the backlog for a while, or the loop would do nothing else."""
        self._loop.remove_reader(self._listener.fileno())
        self._rest = self._loop.call_later(REST_SECONDS, self._rise)

    def _rise(self) -> None:
        self._rest = None
        if self._reserve is None:
            self._reserve = _open_reserve()
        self._loop.add_reader(self._listener.fileno(), self._on_readable)


def _open_reserve() -> int | None:
    try:
        return os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
