"""How an HTTP server of ours listens, and what it bounds; uvicorn does the rest."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final, cast

if TYPE_CHECKING:
    from asyncio import Protocol

    from fastapi import FastAPI
    from uvicorn import Config
    from uvicorn._types import ASGIApplication

HEAD_SECONDS: Final = 10.0
"""For the head of a request, which comes in one packet from any client that works."""


class ListenError(Exception):
    """The address cannot be listened on; the message is one line for an operator."""


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """The bounds of a server: connections that wait and that are served, and seconds.

    A connection beyond `most_at_once` gets 503. `finish_seconds` is how long a request that is
    being answered may go on when the server is told to end.
    """

    backlog: int
    most_at_once: int
    keep_alive_seconds: int
    finish_seconds: int


def listen(table: str, host: str, port: int, *, backlog: int) -> socket.socket:
    """A listening socket; `table` is the configuration's that names it. Raises ListenError."""
    try:
        family, *_, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        return socket.create_server(address[:2], family=family, backlog=backlog)
    except OSError as error:
        where = f"[{host}]" if ":" in host else host
        raise ListenError(
            f"{table}: cannot listen on {where}:{port}: {error.strerror};"
            f" set {table}.host and {table}.port to an address of this machine that is free"
        ) from error


def uvicorn_config(app: FastAPI, limits: HttpLimits) -> Config:
    """HTTP/1.1 alone, no header believed, no log but ours."""
    # Takes a tenth of a second, and the metrics' server is imported by whoever takes calls.
    from uvicorn import Config

    from sip_edge.api.http_protocol import PromptH11Protocol

    return Config(
        # Starlette and uvicorn describe the same interface in types that differ.
        cast("ASGIApplication", app),
        http=cast("type[Protocol]", partial(PromptH11Protocol, head_seconds=HEAD_SECONDS)),
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        proxy_headers=False,
        backlog=limits.backlog,
        limit_concurrency=limits.most_at_once,
        timeout_keep_alive=limits.keep_alive_seconds,
        timeout_graceful_shutdown=limits.finish_seconds,
    )
