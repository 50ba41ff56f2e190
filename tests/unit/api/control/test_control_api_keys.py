"""`/v1/api-keys`."""

from __future__ import annotations

import pytest
from support.control_world import control_world

pytestmark = pytest.mark.asyncio


async def test_new_key_works_is_shown_once_and_can_be_revoked() -> None:
    world = await control_world()
    made = await world.call("POST", "/v1/api-keys", json={"name": "ci"})
    secret, key_id = made.json()["key"], made.json()["id"]
    async with world.client(secret) as client:
        listed = await client.get("/v1/api-keys")
        revoked = await client.delete(f"/v1/api-keys/{key_id}")
        after = await client.get("/v1/api-keys")

    assert made.status_code == 201
    assert secret.startswith("oi_sk_")
    assert [key["name"] for key in listed.json()["items"]] == ["ci", "ours"]
    assert secret not in listed.text
    assert (revoked.status_code, after.status_code) == (204, 401)


async def test_key_without_a_name_is_fine() -> None:
    world = await control_world()

    assert (await world.call("POST", "/v1/api-keys", json={})).status_code == 201
    assert (await world.call("POST", "/v1/api-keys", json={"name": 5})).status_code == 422


async def test_key_of_another_workspace_cannot_be_revoked() -> None:
    world = await control_world()
    made = await world.call("POST", "/v1/api-keys", json={})
    async with world.client(world.theirs) as client:
        answer = await client.delete(f"/v1/api-keys/{made.json()['id']}")

    assert answer.status_code == 404
    async with world.client(made.json()["key"]) as client:
        assert (await client.get("/v1/agents")).status_code == 200
