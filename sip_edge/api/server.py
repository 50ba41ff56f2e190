"""Runs uvicorn in a thread with an event loop of its own."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from fastapi import FastAPI
    from uvicorn import Server
    from uvicorn._types import ASGIApplication

BACKLOG: Final = 128
MOST_AT_ONCE: Final = 64
"""Requests and connections at once; more get 503. Scrapes and probes are a handful."""
KEEP_ALIVE_SECONDS: Final = 5
FINISH_SECONDS: Final = 1
"""How long a request that is being answered may go on after `stop`."""
STOP_SECONDS: Final = 3.0
"""How long `stop` waits for the thread; then it is left behind, as it holds up nothing."""


class ListenError(Exception):
    """The address cannot be listened on; the message is one line for an operator."""


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
        listener = self._listen()
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

    def _listen(self) -> socket.socket:
        try:
            family, *_, address = socket.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )[0]
            return socket.create_server(address[:2], family=family, backlog=BACKLOG)
        except OSError as error:
            where = f"[{self._host}]" if ":" in self._host else self._host
            raise ListenError(
                f"http: cannot listen on {where}:{self._port}: {error.strerror};"
                " set http.host and http.port to an address of this machine that is free"
            ) from error

    def _run(self, listener: socket.socket) -> None:
        from uvicorn import Config, Server

        with listener:
            self._server = Server(
                Config(
                    # Starlette and uvicorn describe the same interface in types that differ.
                    cast("ASGIApplication", self._make_app()),
                    http="h11",
                    ws="none",
                    lifespan="off",
                    log_config=None,
                    access_log=False,
                    server_header=False,
                    proxy_headers=False,
                    backlog=BACKLOG,
                    limit_concurrency=MOST_AT_ONCE,
                    timeout_keep_alive=KEEP_ALIVE_SECONDS,
                    timeout_graceful_shutdown=FINISH_SECONDS,
                )
            )
            if not self._is_stopping:
                asyncio.run(self._server.serve(sockets=[listener]))
