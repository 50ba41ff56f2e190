"""Runs uvicorn in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from sip_edge.api.listening import HttpLimits, listen, uvicorn_config

if TYPE_CHECKING:
    import socket

    from fastapi import FastAPI
    from uvicorn import Server

LIMITS: Final = HttpLimits(backlog=128, most_at_once=64, keep_alive_seconds=5, finish_seconds=1)
"""Scrapes and probes are a handful."""
STOP_SECONDS: Final = 3.0
"""How long `stop` waits for the thread; then it is left behind, as it holds up nothing."""


class HttpServer:
    """Serves what `make_app` makes; it is called, and imports the framework, in the thread."""

    def __init__(self, *, host: str, port: int, make_app: Callable[[], FastAPI]) -> None:
        self._host = host
        self._port = port
        self._make_app = make_app
        self._thread: threading.Thread | None = None
        self._server: Server | None = None
        self._is_stopping = False

    def start(self) -> int:
        """Listen, and begin to serve; returns the port, which matters where 0 was asked for.

        Callers may connect at once and are answered when the application is there. Raises
        ListenError.
        """
        listener = listen("http", self._host, self._port, backlog=LIMITS.backlog)
        port = int(listener.getsockname()[1])
        self._thread = threading.Thread(
            target=self._run, args=(listener,), name="http", daemon=True
        )
        self._thread.start()
        return port

    async def stop(self) -> None:
        """Stop listening, let requests finish for a moment, end the thread; seconds at most."""
        self._is_stopping = True
        if self._server is not None:
            self._server.should_exit = True
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, STOP_SECONDS)

    def _run(self, listener: socket.socket) -> None:
        from uvicorn import Server

        with listener:
            self._server = Server(uvicorn_config(self._make_app(), LIMITS))
            if not self._is_stopping:
                asyncio.run(self._server.serve(sockets=[listener]))
