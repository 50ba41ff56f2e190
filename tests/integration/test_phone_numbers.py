"""`/v1/phone-numbers` over HTTP, over doubles of everything behind it."""

from __future__ import annotations

from typing import Any
from uuid import UUID, uuid4

import pytest
import pytest_asyncio
from support.carrier_account import AccountInMemory
from support.control_world import ControlWorld, control_world

pytestmark = pytest.mark.asyncio

PATH = "/v1/phone-numbers"
NUMBER = "+12025550100"
TRUNK = {
    "trunk_address": "yourtrunk.pstn.twilio.com",
    "auth_username": "oneinbox",
    "auth_password": "hunter2-secret",
}


PUBLISHED_FIELDS = {
    "id",
    "phone_number",
    "friendly_name",
    "provider",
    "agent_id",
    "status",
    "inbound_trunk_id",
    "outbound_trunk_id",
    "dispatch_rule_id",
    "inbound_routing",
    "sms_capable",
    "created_at",
    "updated_at",
}


@pytest_asyncio.fixture
async def world() -> ControlWorld:
    return await control_world()


def carrier_of(world: ControlWorld) -> AccountInMemory:
    account = world.number_world.platform
    assert account is not None
    return account


async def agent(world: ControlWorld) -> str:
    made = await world.call("POST", "/v1/agents", json={"name": "a"})
    return str(made.json()["id"])


async def register(world: ControlWorld, agent: str, /, **changes: Any) -> Any:
    body = {
        "phone_number": NUMBER,
        "provider": "twilio",
        "agent_id": agent,
        "provider_config": TRUNK,
    }
    return await world.call("POST", PATH, json=body | changes)


async def test_a_registered_number_has_the_published_fields(world: ControlWorld) -> None:
    agent_id = await agent(world)
    routing = {
        "agent_id": agent_id,
        "fallback": {"agent_id": f"agt_{agent_id}"},
        "voicemail_message": "Sorry.",
    }
    answer = await register(world, f"agt_{agent_id}", inbound_routing=routing)
    body = answer.json()
    assert answer.status_code == 201
    assert set(body) >= PUBLISHED_FIELDS
    assert body["inbound_routing"] == routing | {"fallback": {"agent_id": agent_id}}
    assert (body["status"], body["provider"], body["is_verified"]) == ("active", "twilio", False)
    assert body["dispatch_rule_id"] is not None
    assert UUID(body["outbound_trunk_id"])
    assert "hunter2" not in answer.text
    again = await world.call("GET", f"{PATH}/phn_{body['id']}")
    assert again.json() == body


async def test_outbound_only_numbers_have_no_rule(world: ControlWorld) -> None:
    body = (await register(world, await agent(world))).json()
    assert (body["inbound_routing"], body["dispatch_rule_id"]) == (None, None)


async def test_routing_is_replaced_whole_and_null_makes_it_outbound_only(
    world: ControlWorld,
) -> None:
    agent_id = await agent(world)
    made = (
        await register(
            world,
            agent_id,
            friendly_name="Sales",
            inbound_routing={"agent_id": agent_id, "voicemail_message": "Hello."},
        )
    ).json()
    path = f"{PATH}/{made['id']}"
    whole = await world.call("PATCH", path, json={"inbound_routing": {"agent_id": agent_id}})
    assert whole.json()["inbound_routing"] == {
        "agent_id": agent_id,
        "fallback": None,
        "voicemail_message": None,
    }
    assert whole.json()["friendly_name"] == "Sales"
    none = (await world.call("PATCH", path, json={"inbound_routing": None})).json()
    assert (none["inbound_routing"], none["dispatch_rule_id"]) == (None, None)
    renamed = (await world.call("PATCH", path, json={"friendly_name": None})).json()
    assert (renamed["friendly_name"], renamed["agent_id"]) == (None, agent_id)
    assert (await world.call("PATCH", path, json={"agent_id": None})).status_code == 422
    assert (await world.call("PATCH", path, json={})).json() == renamed


@pytest.mark.parametrize(
    ("changes", "status", "code"),
    [
        ({"provider_config": {"trunk_address": "x"}}, 400, "SIP_TRUNK_PROVISION_FAILED"),
        ({"agent_id": str(uuid4())}, 400, "AGENT_NOT_FOUND"),
        ({"credential_id": f"crd_{uuid4()}"}, 400, "CREDENTIAL_NOT_FOUND"),
    ],
)
async def test_a_refused_registration_says_why(
    world: ControlWorld, changes: dict[str, Any], status: int, code: str
) -> None:
    answer = await register(world, await agent(world), **changes)
    assert (answer.status_code, answer.json()["error"]["code"]) == (status, code)


@pytest.mark.parametrize(
    "changes",
    [
        {"phone_number": "12025550100"},
        {"phone_number": "+1\u0662\u0660\u0662555010\u0660"},
        {"phone_number": "+12025550100\n"},
        {"provider": "vonage"},
        {"agent_id": "agent"},
        {"inbound_routing": {}},
    ],
)
async def test_an_invalid_registration_is_422_and_repeats_no_secret(
    world: ControlWorld, changes: dict[str, Any]
) -> None:
    answer = await register(world, await agent(world), **changes)
    assert answer.status_code == 422
    assert "hunter2" not in answer.text
    assert all("input" not in problem for problem in answer.json()["detail"])


async def test_a_number_is_registered_once_whoever_comes(world: ControlWorld) -> None:
    agent_id = await agent(world)
    await register(world, agent_id)
    answer = await register(world, agent_id)
    assert (answer.status_code, answer.json()["error"]["code"]) == (409, "NUMBER_TAKEN")


async def test_no_key_sees_anothers_numbers(world: ControlWorld) -> None:
    made = (await register(world, await agent(world))).json()
    async with world.client(world.theirs) as stranger:
        for method in ("GET", "PATCH", "DELETE"):
            body = {} if method != "PATCH" else {"json": {"friendly_name": "mine"}}
            answer = await stranger.request(method, f"{PATH}/{made['id']}", **body)
            assert answer.status_code == 404
        assert (await stranger.get(PATH)).json() == {"items": [], "next_cursor": None}


async def test_numbers_for_sale_are_found_and_bought(world: ControlWorld) -> None:
    carrier_of(world).for_sale = ["+12025550101", "+12025550102"]
    found = await world.call("GET", f"{PATH}/search?country=US&area_code=202&limit=10")
    assert [each["phone_number"] for each in found.json()["items"]] == [
        "+12025550101",
        "+12025550102",
    ]
    agent_id = await agent(world)
    wanted = {"phone_number": "+12025550102", "agent_id": agent_id, "friendly_name": "Sales"}
    bought = await world.call("POST", f"{PATH}/purchase", json=wanted)
    body = bought.json()
    assert bought.status_code == 201
    assert (body["phone_number"], body["origin"], body["is_verified"]) == (
        "+12025550102",
        "purchased",
        True,
    )
    assert (body["inbound_trunk_id"], body["outbound_trunk_id"]) == ("TK1", None)
    gone = await world.call("DELETE", f"{PATH}/{body['id']}")
    assert (gone.status_code, gone.content) == (204, b"")
    assert carrier_of(world).returned == ["+12025550102"]
    assert (await world.call("GET", f"{PATH}/{body['id']}")).status_code == 404


async def test_the_same_key_buys_once(world: ControlWorld) -> None:
    carrier_of(world).for_sale = ["+12025550101", "+12025550102"]
    wanted = {"agent_id": await agent(world)}
    answers = [
        await world.call("POST", f"{PATH}/purchase", json=wanted, headers={"Idempotency-Key": "k1"})
        for _ in range(2)
    ]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert len(carrier_of(world).sold) == 1


async def test_a_workspace_that_may_have_no_more_numbers_is_refused_until_one_is_released() -> None:
    world = await control_world(most_numbers=1)
    carrier_of(world).for_sale = ["+12025550101", "+12025550102"]
    wanted = {"agent_id": await agent(world)}
    key = {"Idempotency-Key": "k2"}
    bought = await world.call("POST", f"{PATH}/purchase", json=wanted)
    refused = await world.call("POST", f"{PATH}/purchase", json=wanted, headers=key)
    assert (refused.status_code, refused.json()["error"]["code"]) == (403, "NUMBER_LIMIT_REACHED")
    assert len(carrier_of(world).sold) == 1
    # A number of one's own is not bought.
    assert (await register(world, wanted["agent_id"])).status_code == 201
    await world.call("DELETE", f"{PATH}/{bought.json()['id']}")
    again = await world.call("POST", f"{PATH}/purchase", json=wanted, headers=key)
    assert again.status_code == 201


async def test_reading_heeds_no_key(world: ControlWorld) -> None:
    key = {"Idempotency-Key": "k1"}
    assert (await world.call("GET", PATH, headers=key)).json()["items"] == []
    await register(world, await agent(world))
    assert len((await world.call("GET", PATH, headers=key)).json()["items"]) == 1


async def test_a_pending_purchase_is_not_the_last_word_for_its_key(world: ControlWorld) -> None:
    carrier = carrier_of(world)
    carrier.for_sale, carrier.is_slow = ["+12025550101"], True
    wanted = {"agent_id": await agent(world)}
    key = {"Idempotency-Key": "k1"}
    first = (await world.call("POST", f"{PATH}/purchase", json=wanted, headers=key)).json()
    assert first["status"] == "pending"
    busy = await world.call("PATCH", f"{PATH}/{first['id']}", json={"friendly_name": "x"})
    assert (busy.status_code, busy.headers["retry-after"]) == (409, "5")
    carrier.settle()
    await world.number_world.reconciler.run_once()
    second = (await world.call("POST", f"{PATH}/purchase", json=wanted, headers=key)).json()
    assert (second["id"], second["status"]) == (first["id"], "active")


async def test_a_list_has_pages_and_filters(world: ControlWorld) -> None:
    agent_id = await agent(world)
    for n in range(3):
        await register(world, agent_id, phone_number=f"+120255501{n:02}")
    first = (await world.call("GET", f"{PATH}?limit=2")).json()
    rest = (await world.call("GET", f"{PATH}?limit=2&cursor={first['next_cursor']}")).json()
    shown = [each["phone_number"] for page in (first, rest) for each in page["items"]]
    assert shown == ["+12025550102", "+12025550101", "+12025550100"]
    one = await world.call("GET", f"{PATH}?phone_number=%2B12025550101&agent_id=agt_{agent_id}")
    assert [each["phone_number"] for each in one.json()["items"]] == ["+12025550101"]
    none = await world.call("GET", f"{PATH}?provider=telnyx")
    assert none.json()["items"] == []
