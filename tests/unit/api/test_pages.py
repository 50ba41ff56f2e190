"""What each page says, and with which status."""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from typing import Any

import pytest

from sip_edge.api import ReadyState, Sources, make_app


@dataclass
class World:
    """What the pages ask, as plain values."""

    silence: float = 0.02
    readiness: tuple[ReadyState, str] = (ReadyState.READY, "")
    accepts: list[str] = field(default_factory=list)
    errors: int = 0
    is_broken: bool = False

    def metrics(self, accept: str) -> tuple[bytes, str]:
        if self.is_broken:
            raise RuntimeError("no registry")
        self.accepts.append(accept)
        return b"sip_edge_invites_total 7.0\n", "text/plain; version=0.0.4; charset=utf-8"

    def count_error(self) -> None:
        self.errors += 1

    def sources(self) -> Sources:
        return Sources(
            version="1.2.3",
            metrics=self.metrics,
            seconds_since_tick=lambda: self.silence,
            readiness=lambda: self.readiness,
            on_error=self.count_error,
        )


def _get(
    world: World, path: str, *, method: str = "GET", accept: str = "*/*"
) -> tuple[int, dict[str, str], bytes]:
    """Ask the application as an ASGI server would."""
    sent: list[dict[str, Any]] = []
    scope = {
        "type": "http",
        "asgi": {"version": "3.0"},
        "http_version": "1.1",
        "method": method,
        "scheme": "http",
        "path": path,
        "raw_path": path.encode(),
        "root_path": "",
        "query_string": b"",
        "headers": [(b"host", b"edge"), (b"accept", accept.encode())],
        "client": ("127.0.0.1", 50000),
        "server": ("127.0.0.1", 8080),
    }

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    async def ask() -> None:
        await make_app(world.sources())(scope, receive, send)

    try:
        asyncio.run(ask())
    except RuntimeError:
        if not world.is_broken:
            raise
    headers = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], headers, b"".join(part.get("body", b"") for part in sent[1:])


@pytest.mark.parametrize(
    ("state", "reason", "status"),
    [
        (ReadyState.STARTING, "routes are being loaded", 503),
        (ReadyState.READY, "", 200),
        (ReadyState.DEGRADED, "PostgreSQL is away since 12 s", 200),
        (ReadyState.DRAINING, "shutting down", 503),
    ],
)
def test_readiness_is_a_state_with_a_reason(state: ReadyState, reason: str, status: int) -> None:
    answer = _get(World(readiness=(state, reason)), "/readyz")

    assert answer[0] == status
    assert json.loads(answer[2]) == {"state": state.value, "reason": reason}


@pytest.mark.parametrize(
    ("silence", "status", "state"), [(0.1, 200, "ok"), (5.0, 200, "ok"), (5.001, 503, "stalled")]
)
def test_process_is_healthy_while_its_media_loop_turns(
    silence: float, status: int, state: str
) -> None:
    answer = _get(World(silence=silence), "/healthz")

    assert answer[0] == status
    assert json.loads(answer[2])["state"] == state


def test_metrics_are_given_as_the_registry_made_them() -> None:
    world = World()

    status, headers, body = _get(world, "/metrics", accept="application/openmetrics-text")

    assert (status, body) == (200, b"sip_edge_invites_total 7.0\n")
    assert headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert world.accepts == ["application/openmetrics-text"]


def test_index_names_the_pages_and_the_version() -> None:
    status, _, body = _get(World(), "/")

    assert status == 200
    assert json.loads(body) == {
        "name": "sip-edge",
        "version": "1.2.3",
        "pages": ["/metrics", "/healthz", "/readyz"],
    }


@pytest.mark.parametrize("path", ["/", "/metrics", "/healthz", "/readyz"])
def test_probe_may_ask_for_the_head_alone(path: str) -> None:
    assert _get(World(), path, method="HEAD")[0] == 200


@pytest.mark.parametrize("path", ["/docs", "/redoc", "/openapi.json", "/metrics/"])
def test_nothing_else_is_there(path: str) -> None:
    assert _get(World(), path)[0] in (404, 307)


def test_nothing_can_be_changed() -> None:
    assert _get(World(), "/metrics", method="POST")[0] == 405


def test_page_that_fails_is_counted_and_tells_nothing() -> None:
    world = World(is_broken=True)

    status, _, body = _get(world, "/metrics")

    assert (status, json.loads(body)) == (500, {"detail": "internal error"})
    assert world.errors == 1
