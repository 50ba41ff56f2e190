"""A port that swallows what is sent to it: no connection to it is ever accepted or refused."""

from __future__ import annotations

import asyncio
import socket
from typing import Self

MAX_FILLERS = 4
"""A backlog of 0 holds one connection on Linux; a few more do no harm."""


class SwallowingPort:
    """A listener whose queue is full, so that the kernel drops each further SYN."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._sockets: list[socket.socket] = []

    async def __aenter__(self) -> Self:
        listener = socket.socket()
        self._sockets.append(listener)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self._port))
        listener.listen(0)
        for _ in range(MAX_FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(("127.0.0.1", self._port))
            self._sockets.append(filler)
        await asyncio.sleep(0.05)
        return self

    async def __aexit__(self, *_: object) -> None:
        for each in self._sockets:
            each.close()
