"""`/v1/agents`."""

from __future__ import annotations

from typing import Any

import pytest
from support.control_world import control_world

pytestmark = pytest.mark.asyncio


async def test_agent_is_made_shown_changed_and_deleted() -> None:
    world = await control_world()
    async with world.client() as client:
        made = await client.post(
            "/v1/agents",
            json={
                "name": "Front desk",
                "worker_url": "wss://worker.example.com/call",
                "worker_options": {"abnormal_end": "hangup", "mine": [1]},
                "voicemail_message": "Leave a message.",
                "language": "en",
                "llm": "what this edge does not know is ignored",
            },
        )
        agent = made.json()
        path = f"/v1/agents/{agent['id']}"
        shown = await client.get(path)
        changed = await client.patch(path, json={"status": "paused", "language": None})
        deleted = await client.delete(path)
        gone = await client.get(path)

    assert made.status_code == 201
    assert {name: agent[name] for name in ("name", "status", "worker_options", "language")} == {
        "name": "Front desk",
        "status": "active",
        "worker_options": {"abnormal_end": "hangup", "mine": [1]},
        "language": "en",
    }
    assert shown.json() == agent
    assert changed.json() == {
        **agent,
        "status": "paused",
        "language": None,
        "updated_at": changed.json()["updated_at"],
    }
    assert (deleted.status_code, deleted.content) == (204, b"")
    assert gone.status_code == 404


async def test_prefixed_id_is_the_same_agent() -> None:
    world = await control_world()
    agent = (await world.call("POST", "/v1/agents", json={"name": "A"})).json()

    assert (await world.call("GET", f"/v1/agents/agt_{agent['id']}")).json() == agent


async def test_empty_change_changes_nothing() -> None:
    world = await control_world()
    agent = (await world.call("POST", "/v1/agents", json={"name": "A"})).json()

    answer = await world.call("PATCH", f"/v1/agents/{agent['id']}", json={})

    assert (answer.status_code, answer.json()) == (200, agent)


@pytest.mark.parametrize(
    "body",
    [
        {}, {"name": ""}, {"name": "x" * 201}, {"name": "A", "status": "deleted"},
        {"name": "A", "voicemail_message": "x" * 2_001}, {"name": "A", "language": "not a tag"},
        {"name": "A", "worker_options": []}, {"name": "A", "worker_options": {"bearer_token": "x"}},
        {"name": "A", "worker_options": {"accept_timeout_seconds": 11}}, [], "A", None,
    ],
)  # fmt: skip
async def test_agent_that_makes_no_sense_is_invalid(body: Any) -> None:
    world = await control_world()

    answer = await world.call("POST", "/v1/agents", json=body)

    assert answer.status_code == 422
    assert {"loc", "msg", "type"} <= set(answer.json()["detail"][0])


@pytest.mark.parametrize("body", [{"name": None}, {"status": None}, {"status": "deleted"}])
async def test_change_to_what_an_agent_cannot_be_is_invalid(body: dict[str, Any]) -> None:
    world = await control_world()
    agent = (await world.call("POST", "/v1/agents", json={"name": "A"})).json()

    assert (await world.call("PATCH", f"/v1/agents/{agent['id']}", json=body)).status_code == 422


async def test_worker_where_none_may_be_is_refused() -> None:
    world = await control_world()
    world.places.refused = {"ws://10.0.0.1/": "Not there."}

    answer = await world.call(
        "POST", "/v1/agents", json={"name": "A", "worker_url": "ws://10.0.0.1/"}
    )

    assert answer.status_code == 400
    assert answer.json() == {"error": {"code": "WORKER_URL_REFUSED", "message": "Not there."}}


async def test_list_is_read_page_by_page() -> None:
    world = await control_world()
    for number in range(5):
        await world.call("POST", "/v1/agents", json={"name": str(number)})
    names: list[str] = []
    cursor: str | None = None
    while True:
        page = (
            await world.call(
                "GET", "/v1/agents", params={"limit": 2, **({"cursor": cursor} if cursor else {})}
            )
        ).json()
        names += [agent["name"] for agent in page["items"]]
        cursor = page["next_cursor"]
        if cursor is None:
            break

    assert names == ["4", "3", "2", "1", "0"]


@pytest.mark.parametrize(
    "query", ["limit=0", "limit=101", "limit=x", "limit=" + "9" * 400, "cursor=x", "status=deleted"]
)
async def test_list_that_makes_no_sense_is_invalid(query: str) -> None:
    world = await control_world()

    answer = await world.call("GET", f"/v1/agents?{query}")

    assert answer.status_code == 422
    assert answer.json()["detail"][0]["loc"] == ["query", query.partition("=")[0]]
