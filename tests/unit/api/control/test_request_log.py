"""Around every request: its id, its count, and an answer whatever happens."""

from __future__ import annotations

import pytest
from structlog.testing import capture_logs
from support.control_world import control_world

pytestmark = pytest.mark.asyncio


async def test_clients_own_id_comes_back() -> None:
    world = await control_world()

    answer = await world.call("GET", "/v1/agents", headers={"X-Request-Id": "order 66"})

    assert answer.headers["X-Request-Id"] == "order 66"


@pytest.mark.parametrize("name", ["", "x" * 129, "a\tb", "\xfc"])
async def test_id_that_would_spoil_a_log_is_replaced(name: str) -> None:
    world = await control_world()

    answer = await world.call("GET", "/v1/agents", headers={"X-Request-Id": name.encode("latin-1")})

    assert len(answer.headers["X-Request-Id"]) == 36


async def test_every_answer_has_an_id_of_its_own() -> None:
    world = await control_world()
    async with world.client("") as client:
        answers = [await client.get(path) for path in ("/v1/agents", "/nothing", "/healthz")]

    assert len({answer.headers["X-Request-Id"] for answer in answers}) == 3


async def test_requests_are_counted_by_operation() -> None:
    world = await control_world()
    await world.call("GET", "/v1/agents")
    await world.call("GET", "/v1/agents/none")
    await world.call("GET", "/v1/nothing")
    await world.call("POST", "/v1/agents", json={})

    assert world.observed.requests == [
        ("list_agents", 200),
        ("get_agent", 404),
        ("other", 404),
        ("create_agent", 422),
    ]


async def test_fault_of_ours_is_answered_without_its_story() -> None:
    world = await control_world()

    async def broken(*_: object, **__: object) -> None:
        raise RuntimeError("hunter2")

    world.agents.page = broken  # type: ignore[assignment,method-assign]
    with capture_logs() as lines:
        answer = await world.call("GET", "/v1/agents")

    assert answer.status_code == 500
    assert [line["event"] for line in lines] == ["api_request_failed", "api_request"]
    assert lines[0]["request_id"] == answer.headers["X-Request-Id"]
    assert answer.json() == {
        "error": {"code": "INTERNAL", "message": "Something went wrong on our side."}
    }
    assert "X-Request-Id" in answer.headers
    assert world.observed.requests == [("list_agents", 500)]
