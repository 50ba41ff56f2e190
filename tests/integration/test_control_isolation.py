"""No key sees, changes or removes what belongs to another workspace: every operation, by rule.

Each operation is tried by a stranger with a key of another workspace. One that fits none of the
rules fails the test: whoever adds it says here what a stranger may do with it.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio
from support.control_rows import call_record, voicemail_record

from sip_edge.api.control.app import make_control_app
from sip_edge.api.control.services import ControlSettings
from sip_edge.api_metrics import ApiMetrics
from sip_edge.app.control import make_services
from sip_edge.config import load_config
from sip_edge.resolver import CaresLookup, Resolver, ResolverSettings
from sip_edge.storage.api_key_rows import PostgresWorkspaces
from sip_edge.storage.control_database import ControlDatabase
from sip_edge.storage.pool import create_pool

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

MAKES_OWN = {"create_agent", "create_integration", "create_api_key"}
"""What a stranger makes is the stranger's: tested by what the owner's lists show."""
NOT_OF_A_WORKSPACE = {
    "search_phone_numbers",
    "purchase_phone_number",
    "register_phone_number",
}
"""Search asks the carrier; buying and registering are tested with the numbers."""

CALL, MESSAGE = call_record(1), voicemail_record(1)
NUMBER = "+12025550101"


@dataclass
class Two:
    """The owner's and the stranger's clients, and the ids of what the owner has."""

    owner: httpx.AsyncClient
    stranger: httpx.AsyncClient
    ids: dict[str, str]
    operations: list[tuple[str, str, str]]


@pytest_asyncio.fixture
async def two(database_dsn: str, tmp_path: Path) -> AsyncIterator[Two]:
    sound = tmp_path / MESSAGE.path
    sound.parent.mkdir(parents=True)
    sound.write_bytes(b"RIFF")
    config = load_config(
        None,
        {
            "SIP_EDGE__API__ENCRYPTION_KEY": "00" * 32,
            "SIP_EDGE__VOICEMAIL__DIRECTORY": str(tmp_path),
        },
    )
    settings = ResolverSettings()
    loop = asyncio.get_running_loop()
    resolver = Resolver(settings=settings, lookup=CaresLookup(settings=settings), clock=loop.time)
    async with create_pool(database_dsn) as pool:
        database = ControlDatabase(pool)
        metrics = ApiMetrics(())
        services, beside = make_services(config, database, resolver=resolver, metrics=metrics)
        app = make_control_app(services=services, settings=ControlSettings(), observer=metrics)
        workspaces = PostgresWorkspaces(database)
        ours = (await workspaces.default()).id
        keys = [
            (await services.api_keys.create(workspace, "test")).secret
            for workspace in (ours, (await workspaces.named_or_new("theirs")).id)
        ]
        transport = httpx.ASGITransport(app=app)
        clients = [
            httpx.AsyncClient(
                transport=transport,
                base_url="http://api.test",
                headers={"Authorization": f"Bearer {key}"},
            )
            for key in keys
        ]
        yield Two(*clients, await _belongings(clients[0], pool, ours), _operations(app))
        for client in clients:
            await client.aclose()
        await beside.platform.aclose()
    await resolver.close()


async def _belongings(owner: httpx.AsyncClient, pool: Any, workspace: UUID) -> dict[str, str]:
    """One of everything, by the name that paths have for its id."""
    account = {"name": "A", "provider": "twilio", "api_key": "hunter2"}
    made = {
        "agent_id": await owner.post("/v1/agents", json={"name": "A"}),
        "integration_id": await owner.post("/v1/integrations", json=account),
        "api_key_id": await owner.post("/v1/api-keys", json={"name": "A"}),
    }
    await pool.execute(
        "INSERT INTO calls (id, state, instance_id, started_at, workspace_id)"
        " VALUES ($1, 'ended', gen_random_uuid(), $2, $3)",
        CALL.id, CALL.started_at, workspace,
    )  # fmt: skip
    await pool.execute(
        "INSERT INTO voicemails (id, call_id, phone_number, received_at, seconds, bytes, path,"
        " workspace_id) VALUES ($1, $2, $3, $4, 1, 4, $5, $6)",
        MESSAGE.id, CALL.id, NUMBER, MESSAGE.received_at, MESSAGE.path, workspace,
    )  # fmt: skip
    number = await pool.fetchval(
        "INSERT INTO phone_numbers (phone_number, agent_id) VALUES ($1, $2) RETURNING id",
        NUMBER, UUID(made["agent_id"].json()["id"]),
    )  # fmt: skip
    return {
        **{name: str(answer.json()["id"]) for name, answer in made.items()},
        "call_id": str(CALL.id),
        "voicemail_id": str(MESSAGE.id),
        "phone_number_id": str(number),
    }


def _operations(app: Any) -> list[tuple[str, str, str]]:
    """Name, method and path of each."""
    return [
        (operation["operationId"].partition("_v1_")[0], method.upper(), path)
        for path, methods in app.openapi()["paths"].items()
        for method, operation in methods.items()
    ]


async def test_what_is_not_a_strangers_does_not_exist(two: Two) -> None:
    """Whatever has an id in its path: 404 for a stranger, and all is as it was for its owner."""
    tried = [each for each in two.operations if "{" in each[2]]
    for name, method, template in tried:
        path = template.format(**two.ids)
        body = {"json": {"name": "mine"}} if method == "PATCH" else {}
        answer = await two.stranger.request(method, path, **body)

        assert answer.status_code == 404, (name, answer.text)
        assert answer.json()["error"]["code"] == "NOT_FOUND", name
    for name, method, template in tried:
        if method == "GET":
            answer = await two.owner.get(template.format(**two.ids))
            assert answer.status_code == 200, (name, answer.text)
    assert {template.partition("{")[2].partition("}")[0] for _, _, template in tried} == set(
        two.ids
    )


async def test_lists_show_ones_own_alone(two: Two) -> None:
    lists = [each for each in two.operations if each[0].startswith("list_")]
    for name, _, path in lists:
        shown = (await two.owner.get(path)).json()["items"]
        strangers = (await two.stranger.get(path)).json()["items"]
        ids = {item["id"] for item in shown}

        assert ids & set(two.ids.values()), name
        assert not ids & {item["id"] for item in strangers}, name
    assert len(lists) == 6


async def test_what_a_stranger_makes_is_the_strangers(two: Two) -> None:
    bodies: dict[str, dict[str, Any]] = {
        "create_agent": {"name": "B"},
        "create_integration": {"name": "B", "provider": "telnyx", "api_key": "x"},
        "create_api_key": {"name": "B"},
    }
    made = [each for each in two.operations if each[0] in MAKES_OWN]
    for name, method, path in made:
        answer = await two.stranger.request(method, path, json=bodies[name])
        assert answer.status_code == 201, (name, answer.text)

        shown = (await two.owner.get(path)).json()["items"]
        assert answer.json()["id"] not in {item["id"] for item in shown}, name
    assert {each[0] for each in made} == MAKES_OWN


async def test_every_operation_is_one_of_these(two: Two) -> None:
    unknown = {
        name
        for name, _, path in two.operations
        if "{" not in path
        and not name.startswith("list_")
        and name not in MAKES_OWN | NOT_OF_A_WORKSPACE
    }

    assert unknown == set()
