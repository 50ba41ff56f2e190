"""A UDP socket on the loopback address whose datagrams go to a function."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

Receive = Callable[[bytes, tuple[str, int]], None]


class Datagrams(asyncio.DatagramProtocol):
    """To be opened, then closed."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._transport: asyncio.DatagramTransport | None = None

    async def open(self) -> None:
        """Bind to a port that the kernel picks."""
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )

    async def close(self) -> None:
        """Free the port."""
        if self._transport is not None:
            self._transport.close()
            self._transport = None
            await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._receive(data, addr)

    def send(self, data: bytes, to: tuple[str, int]) -> None:
        """Send one datagram; nothing happens once the socket is closed."""
        if self._transport is not None:
            self._transport.sendto(data, to)

    @property
    def address(self) -> tuple[str, int]:
        """Host and port."""
        assert self._transport is not None
        host, port = self._transport.get_extra_info("sockname")
        return str(host), int(port)
