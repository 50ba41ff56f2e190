"""The application as a whole: its description, and what is true of every operation."""

from __future__ import annotations

from typing import Any

import pytest
from support.control_world import control_world

from sip_edge.api.control.app import operations
from sip_edge.api.control.services import ControlSettings
from sip_edge.provisioning.errors import ErrorCode

pytestmark = pytest.mark.asyncio


async def described() -> dict[str, Any]:
    """Every operation of the OpenAPI by its operationId."""
    document = (await control_world()).app.openapi()
    return {
        operation["operationId"]: {**operation, "method": method}
        for path in document["paths"].values()
        for method, operation in path.items()
    }


async def test_every_operation_names_its_errors_and_wants_a_key() -> None:
    for name, operation in (await described()).items():
        assert operation["security"] == [{"API Key": []}], name
        assert {"401", "403", "429", "503", "504"} <= set(operation["responses"]), name
        assert operation["description"], name
        if "requestBody" in operation:
            assert {"400", "413", "422"} <= set(operation["responses"]), name


async def test_every_code_is_a_word_of_the_description() -> None:
    document = (await control_world()).app.openapi()

    assert document["components"]["schemas"]["ErrorCode"]["enum"] == [
        code.value for code in ErrorCode
    ]
    assert document["components"]["securitySchemes"]["API Key"]["scheme"] == "bearer"


async def test_operations_are_named_as_the_framework_does() -> None:
    names = await described()

    assert "list_agents_v1_agents_get" in names
    assert "get_voicemail_audio_v1_voicemails__voicemail_id__audio_get" in names
    assert len(operations()) == len(names) == len(set(operations()))


async def test_what_is_not_there_is_said_in_one_shape() -> None:
    world = await control_world()

    missing = await world.call("GET", "/v1/nothing")
    wrong = await world.call("PUT", "/v1/agents")

    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "NOT_FOUND")
    assert (wrong.status_code, wrong.json()["error"]["code"]) == (405, "METHOD_NOT_ALLOWED")
    assert wrong.headers["Allow"] == "GET, POST"


async def test_browsers_of_other_sites_get_no_permission() -> None:
    world = await control_world()
    headers = {"Origin": "https://evil.example.com", "Access-Control-Request-Method": "POST"}

    asked = await world.call("OPTIONS", "/v1/agents", headers=headers)
    read = await world.call("GET", "/v1/agents", headers=headers)

    for answer in (asked, read):
        assert not [name for name in answer.headers if name.startswith("access-control")]


async def test_description_can_be_kept_to_oneself() -> None:
    world = await control_world(settings=ControlSettings(public_docs=False))
    async with world.client("") as client:
        assert [(await client.get(path)).status_code for path in ("/openapi.json", "/docs")] == [
            404,
            404,
        ]


async def test_readiness_says_what_is_wrong() -> None:
    async def away() -> str | None:
        return "The database cannot be reached."

    world = await control_world(problem=away)
    async with world.client("") as client:
        answer = await client.get("/readyz")

    assert answer.status_code == 503
    assert answer.json()["reason"] == "The database cannot be reached."
