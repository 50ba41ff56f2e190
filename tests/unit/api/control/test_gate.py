"""What every request passes: who asks, how often, how much, for how long."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import pytest
from support.control_world import control_world

from sip_edge.api.control.services import ControlSettings
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.values import Workspace

pytestmark = pytest.mark.asyncio

JSON = {"Content-Type": "application/json"}


@pytest.mark.parametrize(
    "header",
    [
        None, "", "Bearer", "Bearer ", "Bearer oi_sk_nobody", "Basic {ours}", "{ours}",
        "Bearer {ours}x", "Bearer x {ours}", "Bearer a.b.c", "Bearer " + "x" * 9_000,
    ],
)  # fmt: skip
async def test_stranger_is_turned_away_whatever_is_asked(header: str | None) -> None:
    world = await control_world()
    headers = {} if header is None else {"Authorization": header.format(ours=world.ours)}
    async with world.client("") as client:
        for method, path in [("GET", "/v1/agents"), ("POST", "/v1/nothing"), ("PUT", "/v1")]:
            answer = await client.request(method, path, headers=headers, content=b"{")

            assert answer.status_code == 401
            assert answer.headers["WWW-Authenticate"] == "Bearer"
            assert answer.json()["error"]["code"] == "UNAUTHORIZED"


async def test_scheme_is_read_in_any_case() -> None:
    world = await control_world()
    async with world.client("") as client:
        answer = await client.get("/v1/agents", headers={"Authorization": f"bEARER {world.ours}"})

    assert answer.status_code == 200


async def test_two_headers_are_nobody() -> None:
    world = await control_world()
    async with world.client("") as client:
        both = [("Authorization", f"Bearer {world.ours}")] * 2
        answer = await client.get("/v1/agents", headers=both)

    assert answer.status_code == 401


async def test_revoked_key_opens_nothing() -> None:
    world = await control_world()
    [first, _] = world.keys.rows
    await world.keys.revoke(world.our_workspace, first)

    assert (await world.call("GET", "/v1/agents")).status_code == 401


class Tokens:
    """Stands for the verifier of JWTs."""

    def __init__(self, claim: str) -> None:
        self._claim = claim

    async def workspace(self, token: str) -> str:
        return self._claim


@pytest.mark.parametrize("claim", ["theirs", "id"])
async def test_token_speaks_for_the_workspace_that_it_names(claim: str) -> None:
    theirs = Workspace(UUID(int=7), "theirs")
    world = await control_world(tokens=Tokens(str(theirs.id) if claim == "id" else claim))
    world.workspaces.rows = {theirs.id: theirs}
    async with world.client("a.b.c") as client:
        made = await client.post("/v1/agents", json={"name": "A"})

    assert made.status_code == 201
    [(owner, _)] = world.agents.rows.values()
    assert owner == theirs.id


@pytest.mark.parametrize("claim", ["nobody", str(UUID(int=9))])
async def test_token_of_a_workspace_that_does_not_exist_is_forbidden(claim: str) -> None:
    world = await control_world(tokens=Tokens(claim))
    async with world.client("a.b.c") as client:
        answer = await client.get("/v1/agents")

    assert (answer.status_code, answer.json()["error"]["code"]) == (403, "FORBIDDEN")


async def test_too_many_requests_are_told_to_wait() -> None:
    world = await control_world(settings=ControlSettings(requests_per_minute=6))
    assert (await world.call("GET", "/v1/agents")).status_code == 200

    answer = await world.call("GET", "/v1/agents")

    assert (answer.status_code, answer.headers["Retry-After"]) == (429, "10")
    assert answer.json()["error"]["code"] == "RATE_LIMITED"
    async with world.client(world.theirs) as client:
        assert (await client.get("/v1/agents")).status_code == 200
    world.ticks.now = 10.0
    assert (await world.call("GET", "/v1/agents")).status_code == 200


async def test_body_that_says_that_it_is_too_large_is_not_read() -> None:
    world = await control_world(settings=ControlSettings(max_body_bytes=100))

    answer = await world.call("POST", "/v1/agents", content=b"x" * 101, headers=JSON)

    assert (answer.status_code, answer.json()["error"]["code"]) == (413, "BODY_TOO_LARGE")


async def test_body_in_chunks_is_counted() -> None:
    world = await control_world(settings=ControlSettings(max_body_bytes=100))
    sent = 0

    async def chunks() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b"x" * 10

    answer = await world.call("POST", "/v1/agents", content=chunks(), headers=JSON)

    assert answer.status_code == 413
    assert sent <= 12


async def test_body_of_the_largest_size_is_read() -> None:
    world = await control_world(settings=ControlSettings(max_body_bytes=100))
    body = b'{"name": "A"}'.ljust(100)

    assert (await world.call("POST", "/v1/agents", content=body, headers=JSON)).status_code == 201


@pytest.mark.parametrize(
    "body", [b"{", b'{"name": NaN}', b'{"name": "\\ud800"}', b'{"name": "a\\u0000"}', b"[" * 9_000]
)
async def test_body_that_cannot_be_kept_is_invalid(body: bytes) -> None:
    world = await control_world()

    answer = await world.call("POST", "/v1/agents", content=body, headers=JSON)

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"][0] == "body"
    assert world.agents.rows == {}


@pytest.mark.parametrize("path", ["/v1/calls?outcome=%00", "/v1/agents?cursor=a%00b"])
async def test_nul_in_a_query_is_invalid(path: str) -> None:
    world = await control_world()

    assert (await world.call("GET", path)).status_code == 422


async def test_request_that_takes_too_long_is_ended() -> None:
    world = await control_world(settings=ControlSettings(request_seconds=0.05))

    async def never(worker_url: str) -> str | None:
        await asyncio.Event().wait()
        return None

    world.places.problem = never  # type: ignore[method-assign]
    answer = await world.call("POST", "/v1/agents", json={"name": "A", "worker_url": "ws://a/"})

    assert (answer.status_code, answer.json()["error"]["code"]) == (504, "TIMED_OUT")


async def test_database_that_is_away_is_said_to_be() -> None:
    world = await control_world()

    async def away(digest: bytes) -> None:
        raise ProvisioningError(
            ErrorCode.DATABASE_UNAVAILABLE, "It is away.", retry_after_seconds=2
        )

    world.keys.find_by_digest = away  # type: ignore[assignment,method-assign]
    answer = await world.call("GET", "/v1/agents")

    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "2")
    assert answer.json()["error"]["code"] == "DATABASE_UNAVAILABLE"


async def test_pages_for_operators_need_no_key() -> None:
    world = await control_world()
    async with world.client("") as client:
        assert [
            (await client.get(path)).status_code for path in ("/healthz", "/readyz", "/metrics")
        ] == [200, 200, 200]


async def test_request_with_two_lengths_is_refused_and_the_connection_closed() -> None:
    world = await control_world()
    both = {"Content-Length": "4", "Transfer-Encoding": "chunked"}
    answer = await world.call("POST", "/v1/agents", headers=both, content=b"0\r\n\r\n")

    assert answer.status_code == 400
    assert answer.json()["error"]["code"] == "INVALID_REQUEST"
    assert answer.headers["connection"] == "close"
