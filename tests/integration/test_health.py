"""`sip-edge health` against the real pages, and against what else may be listening there."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from support.free_ports import free_port

from sip_edge.api import HttpServer, ReadyState, Sources, make_app
from sip_edge.health import Health, Page, check, page_url


@dataclass
class Edge:
    """What the server's pages say."""

    silence: float = 0.0
    readiness: tuple[ReadyState, str] = (ReadyState.READY, "")

    async def ask(self, page: Page) -> Health:
        sources = Sources(
            version="1",
            metrics=lambda _: (b"", "text/plain"),
            seconds_since_tick=lambda: self.silence,
            readiness=lambda: self.readiness,
            on_error=lambda: None,
        )
        server = HttpServer(host="127.0.0.1", port=0, make_app=lambda: make_app(sources))
        port = server.start()
        try:
            return await asyncio.to_thread(check, page_url("127.0.0.1", port, page), 30.0)
        finally:
            await server.stop()


@contextmanager
def somebody_else(answer: bytes) -> Iterator[str]:
    """A server that says `answer` to its first caller, whatever was asked."""
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            connection, _ = listener.accept()
            with connection:
                connection.recv(4096)
                connection.sendall(answer)

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/healthz"
        thread.join()


@pytest.mark.asyncio
@pytest.mark.parametrize(
    ("edge", "page", "expected"),
    [
        (Edge(), Page.ALIVE, Health(True, "ok")),
        (Edge(silence=7.0), Page.ALIVE, Health(False, "stalled")),
        (Edge(), Page.READY, Health(True, "ready")),
        (
            Edge(readiness=(ReadyState.DEGRADED, "routes are stale: timeout")),
            Page.READY,
            Health(True, "degraded: routes are stale: timeout"),
        ),
        (
            Edge(readiness=(ReadyState.DRAINING, "the server is shutting down")),
            Page.READY,
            Health(False, "draining: the server is shutting down"),
        ),
    ],
)
async def test_health_is_what_the_page_says(edge: Edge, page: Page, expected: Health) -> None:
    assert await edge.ask(page) == expected


def test_nobody_listening_is_bad_health() -> None:
    url = f"http://127.0.0.1:{free_port()}/healthz"

    assert check(url, 5.0) == Health(False, f"{url}: [Errno 111] Connection refused")


@pytest.mark.parametrize(
    ("answer", "says"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nOK", "answers 200, but not as sip-edge"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n[]", "answers 200, but not as sip-edge"),
        (b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", "answers 404, but not as"),
        (b"SIP/2.0 200 OK\r\n\r\n", "SIP/2.0 200 OK"),
        (b"", "Remote end closed connection"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 999999\r\n\r\n" + b"[" * 99_999, "answers 200, but"),
        (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 99_999, "got more than 65536 bytes"),
    ],
)
def test_whatever_else_answers_there_is_bad_health(answer: bytes, says: str) -> None:
    with somebody_else(answer) as url:
        health = check(url, 5.0)

    assert not health.is_good
    assert says in health.text


@pytest.mark.parametrize(
    "url", ["https://127.0.0.1:8080/", "127.0.0.1:8080", "http://h:port/", "http://[::1/", ""]
)
def test_what_is_no_url_of_a_server_is_bad_health(url: str) -> None:
    assert not check(url, 1.0).is_good


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("127.0.0.1", "http://127.0.0.1:8080/healthz"),
        ("0.0.0.0", "http://127.0.0.1:8080/healthz"),
        ("192.0.2.7", "http://192.0.2.7:8080/healthz"),
        ("::", "http://[::1]:8080/healthz"),
        ("2001:db8::7", "http://[2001:db8::7]:8080/healthz"),
        ("localhost", "http://localhost:8080/healthz"),
    ],
)
def test_server_is_asked_where_it_listens(host: str, expected: str) -> None:
    assert page_url(host, 8080, Page.ALIVE) == expected
