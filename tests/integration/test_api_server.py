"""The HTTP server as a whole: a real socket, a thread, and the real metrics."""

from __future__ import annotations

import asyncio
import http.client
import json
import socket
import threading
import time
from collections.abc import AsyncIterator, Callable
from contextlib import closing
from dataclasses import dataclass, field

import pytest
import pytest_asyncio

from sip_edge.api import HttpServer, ListenError, ReadyState, Sources, make_app
from sip_edge.metrics import Metrics


@dataclass
class Edge:
    """A server and what it is told."""

    metrics: Metrics = field(default_factory=lambda: Metrics(version="1.2.3"))
    readiness: tuple[ReadyState, str] = (ReadyState.STARTING, "routes are being loaded")
    threads: set[str] = field(default_factory=set)
    port: int = 0

    def ready(self) -> tuple[ReadyState, str]:
        self.threads.add(threading.current_thread().name)
        return self.readiness

    def server(self, port: int = 0) -> HttpServer:
        sources = Sources(
            version="1.2.3",
            metrics=self.metrics.render,
            seconds_since_tick=lambda: 0.0,
            readiness=self.ready,
            on_error=self.metrics.internal_errors.inc,
        )
        return HttpServer(host="127.0.0.1", port=port, make_app=lambda: make_app(sources))

    async def get(self, path: str, **headers: str) -> tuple[int, str, str]:
        return await asyncio.to_thread(_get, self.port, path, headers)


def _get(port: int, path: str, headers: dict[str, str]) -> tuple[int, str, str]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    with closing(connection):
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.headers["content-type"], answer.read().decode()


@pytest_asyncio.fixture
async def edge() -> AsyncIterator[Edge]:
    edge = Edge()
    server = edge.server()
    edge.port = server.start()
    yield edge
    await server.stop()


@pytest.mark.asyncio
async def test_client_that_connects_at_once_is_answered(edge: Edge) -> None:
    status, content_type, body = await edge.get("/healthz")

    assert (status, content_type) == (200, "application/json")
    assert json.loads(body)["state"] == "ok"


@pytest.mark.asyncio
async def test_readiness_follows_the_edge_and_is_asked_in_a_thread_of_its_own(edge: Edge) -> None:
    before = await edge.get("/readyz")
    edge.readiness = (ReadyState.READY, "")
    after = await edge.get("/readyz")

    assert (before[0], after[0]) == (503, 200)
    assert json.loads(before[2]) == {"state": "starting", "reason": "routes are being loaded"}
    assert edge.threads == {"http"}


@pytest.mark.asyncio
async def test_scraper_gets_what_was_counted_in_the_format_it_asks_for(edge: Edge) -> None:
    edge.metrics.invite_received()

    text = await edge.get("/metrics")
    modern = await edge.get("/metrics", accept="application/openmetrics-text;version=1.0.0")

    assert text[:2] == (200, "text/plain; version=0.0.4; charset=utf-8")
    assert "sip_edge_invites_total 1.0" in text[2].splitlines()
    assert modern[1] == "application/openmetrics-text; version=1.0.0; charset=utf-8"
    assert modern[2].endswith("# EOF\n")


@pytest.mark.asyncio
async def test_pages_are_made_though_the_loop_of_the_calls_stands_still(edge: Edge) -> None:
    status, _, _ = _get(edge.port, "/metrics", {})  # Blocks this thread, and with it its loop.

    assert status == 200


@pytest.mark.asyncio
async def test_port_in_use_is_one_line_that_names_it() -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]

        with pytest.raises(ListenError) as caught:
            Edge().server(port).start()

    assert f"http: cannot listen on 127.0.0.1:{port}: Address already in use" in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-name.invalid"])
def test_address_of_another_machine_is_one_line_too(host: str) -> None:
    server = HttpServer(host=host, port=8080, make_app=lambda: make_app(_never()))

    with pytest.raises(ListenError) as caught:
        server.start()

    assert f"http: cannot listen on {host}:8080: " in str(caught.value)


@pytest.mark.asyncio
async def test_stopped_server_frees_its_port_and_its_thread() -> None:
    edge = Edge()
    server = edge.server()
    edge.port = server.start()
    await edge.get("/healthz")

    await server.stop()

    assert not [thread for thread in threading.enumerate() if thread.name == "http"]
    with socket.create_server(("127.0.0.1", edge.port)):
        pass


@pytest.mark.asyncio
async def test_server_may_be_stopped_before_it_has_begun() -> None:
    server = Edge().server()
    server.start()

    await server.stop()

    assert not [thread for thread in threading.enumerate() if thread.name == "http"]


@pytest.mark.asyncio
async def test_client_that_never_finishes_does_not_hold_up_the_end(edge: Edge) -> None:
    await edge.get("/healthz")
    other = Edge()
    server = other.server()
    other.port = server.start()
    await other.get("/healthz")

    with socket.create_connection(("127.0.0.1", other.port)) as client:
        client.sendall(b"GET /metrics HTTP/1.1\r\n")
        started = time.monotonic()
        await server.stop()

    assert time.monotonic() - started < 10


def _never() -> Sources:
    def fail() -> tuple[ReadyState, str]:
        raise AssertionError("not asked")

    ask: Callable[[], tuple[ReadyState, str]] = fail
    return Sources(
        version="0",
        metrics=lambda _: (b"", ""),
        seconds_since_tick=lambda: 0.0,
        readiness=ask,
        on_error=lambda: None,
    )
