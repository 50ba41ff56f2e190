"""`/v1/integrations`."""

from __future__ import annotations

import logging
from typing import Any

import pytest
from support.control_world import control_world

pytestmark = pytest.mark.asyncio

BODY = {
    "name": "My Twilio Account",
    "provider": "twilio",
    "api_key": "hunter2",
    "metadata": {"account_sid": "AC1", "phone_number": "+15739693824", "region": "ie1"},
}


async def test_key_goes_in_and_never_comes_out(caplog: pytest.LogCaptureFixture) -> None:
    world = await control_world()
    with caplog.at_level(logging.DEBUG):
        async with world.client() as client:
            made = await client.post("/v1/integrations", json=BODY)
            integration = made.json()
            path = f"/v1/integrations/{integration['id']}"
            answers = [made, await client.get(path), await client.get("/v1/integrations")]

    assert made.status_code == 201
    assert (integration["provider"], integration["metadata"]) == ("twilio", BODY["metadata"])
    assert not any("hunter2" in answer.text for answer in answers)
    assert "hunter2" not in caplog.text
    found = await world.services.integrations.credentials(
        world.our_workspace, next(iter(world.integrations.rows))
    )
    assert found.secret == "hunter2"


async def test_deleted_integration_is_gone() -> None:
    world = await control_world()
    integration = (await world.call("POST", "/v1/integrations", json=BODY)).json()
    path = f"/v1/integrations/crd_{integration['id']}"

    assert (await world.call("DELETE", path)).status_code == 204
    assert (await world.call("GET", path)).status_code == 404
    assert world.integrations.rows == {}


async def test_list_is_filtered_by_provider() -> None:
    world = await control_world()
    await world.call("POST", "/v1/integrations", json=BODY)
    await world.call("POST", "/v1/integrations", json={**BODY, "provider": "telnyx"})

    page = (await world.call("GET", "/v1/integrations?provider=telnyx")).json()

    assert [each["provider"] for each in page["items"]] == ["telnyx"]


async def test_without_an_encryption_key_nothing_is_stored() -> None:
    world = await control_world(box_keys=())

    answer = await world.call("POST", "/v1/integrations", json=BODY)

    assert answer.status_code == 503
    assert answer.json()["error"]["code"] == "ENCRYPTION_NOT_CONFIGURED"
    assert world.integrations.rows == {}


@pytest.mark.parametrize(
    "change",
    [
        {"api_key": ""}, {"api_key": ["hunter2"]}, {"api_key": "hunter2" * 1_000},
        {"name": 5}, {"provider": "Twilio!"}, {"metadata": "hunter2"},
        {"metadata": {"sip_trunk": ["hunter2"]}},
    ],
)  # fmt: skip
async def test_mistake_is_told_without_the_key(change: dict[str, Any]) -> None:
    world = await control_world()

    answer = await world.call("POST", "/v1/integrations", json={**BODY, **change})

    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert all(set(each) == {"loc", "msg", "type"} for each in answer.json()["detail"])
