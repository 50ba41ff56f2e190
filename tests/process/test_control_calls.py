"""The control API and the SIP side of one server: what is said over HTTP is how calls go."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import pytest_asyncio
from support.control_edge import ControlEdge
from support.free_ports import free_port
from support.line import SPEECH, Line
from support.polling import eventually
from support.stream_worker import StreamWorker, WorkerCall

pytestmark = [pytest.mark.asyncio, pytest.mark.postgres]

CARRIER = "127.0.54.1"
"""From here calls are Twilio's."""
PROMPT_SECONDS = 5.0
"""A change is seen within 0.1 s; a machine that is busy with other things may need longer."""
TRUNK = {
    "trunk_address": "trunk.example.com",
    "auth_username": "user",
    "auth_password": "hunter2-sip-password",
}


async def speak(call: WorkerCall) -> None:
    await call.say(SPEECH)


@dataclass
class World:
    """A workspace's client, and the workers of two agents of its own."""

    control: ControlEdge
    client: httpx.AsyncClient
    ada: StreamWorker
    bob: StreamWorker
    ada_id: str
    bob_id: str
    nobody_id: str

    async def register(self, number: str, routing: dict[str, Any] | None = None) -> str:
        """Register a number; its id."""
        body = {
            "phone_number": number,
            "provider": "twilio",
            "agent_id": self.ada_id,
            "provider_config": TRUNK,
            "inbound_routing": routing,
        }
        answer = await self.client.post("/v1/phone-numbers", json=body)
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])

    async def change(self, path: str, **changes: Any) -> dict[str, Any]:
        answer = await self.client.patch(path, json=changes)
        assert answer.status_code == 200, answer.text
        changed: dict[str, Any] = answer.json()
        return changed

    def line(self, number: str) -> Line:
        return Line(
            (self.control.edge.host, self.control.edge.sip_port), number, host=CARRIER, frame=SPEECH
        )

    async def refusal(self, number: str) -> int:
        """The status of a call that nobody takes; 200 for one that somebody does."""
        async with self.line(number) as line:
            final = await line.dial()
            if final.status == 200:
                await line.hang_up()
            return final.status

    async def until_refused(self, number: str, status: int) -> None:
        """Call until the change has been seen, which must be soon."""
        await eventually(
            lambda: self.refusal(number),
            lambda seen: seen == status,
            what=f"the status of a call to {number}",
            seconds=PROMPT_SECONDS,
        )

    async def taken_by(self, number: str) -> StreamWorker | None:
        """Whose worker gets a call to the number; None if nobody's."""
        before = {id(worker): len(worker.calls) for worker in (self.ada, self.bob)}
        if await self.refusal(number) != 200:
            return None
        for worker in (self.ada, self.bob):
            if len(worker.calls) > before[id(worker)]:
                assert worker.calls[-1].parameters["to_number"] == number
                return worker
        return None

    async def until_taken_by(self, number: str, worker: StreamWorker) -> None:
        """Call until this worker gets the call, which must be soon."""
        loop = asyncio.get_running_loop()
        began_at = loop.time()
        while await self.taken_by(number) is not worker:
            assert loop.time() - began_at < PROMPT_SECONDS, "the change is not seen"


@pytest_asyncio.fixture
async def world(control: ControlEdge, calls_key: str) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(control.client(calls_key))
        ports = [free_port() for _ in range(3)]
        ada = await stack.enter_async_context(StreamWorker(ports[0], speak))
        bob = await stack.enter_async_context(StreamWorker(ports[1], speak))
        agents = []
        for name, port in zip(("Ada", "Bob", "Nobody"), ports, strict=True):
            agent = {"name": name, "worker_url": f"ws://127.0.0.1:{port}/call"}
            answer = await client.post("/v1/agents", json=agent)
            assert answer.status_code == 201, answer.text
            agents.append(answer.json()["id"])
        yield World(control, client, ada, bob, *agents)


@pytest.fixture(scope="session")
def calls_key(control: ControlEdge) -> str:
    return asyncio.run(control.make_key("calls"))


async def test_number_answers_as_soon_as_it_is_registered(world: World) -> None:
    number = "+12025550180"
    await world.register(number, {"agent_id": world.ada_id})
    loop = asyncio.get_running_loop()
    registered_at = loop.time()
    while True:
        async with world.line(number) as line:
            called_at = loop.time()
            status = (await line.dial()).status
            answered_at = loop.time()
            assert answered_at - registered_at < PROMPT_SECONDS
            if status == 200:
                await line.hang_up()
                break

    print(
        f"the call {1000 * (called_at - registered_at):.1f} ms after the number was registered"
        f" was answered, after another {1000 * (answered_at - called_at):.1f} ms"
    )
    call = await world.ada.next_call()
    assert call.parameters["to_number"] == number
    assert call.parameters["agent_id"] == world.ada_id


async def test_next_call_goes_where_the_last_change_says(world: World) -> None:
    number = "+12025550181"
    path = f"/v1/phone-numbers/{await world.register(number, {'agent_id': world.ada_id})}"
    await world.until_taken_by(number, world.ada)

    await world.change(path, inbound_routing={"agent_id": world.bob_id})
    await world.until_taken_by(number, world.bob)

    changed = await world.change(path, inbound_routing=None)
    assert changed["inbound_routing"] is None
    assert changed["dispatch_rule_id"] is None
    await world.until_refused(number, 603)

    deleted = await world.client.delete(path)
    assert deleted.status_code == 204
    await world.until_refused(number, 404)
    assert (await world.client.get(path)).status_code == 404


async def test_agent_that_is_paused_or_deleted_leaves_calls_to_the_fallback(world: World) -> None:
    number = "+12025550182"
    routing = {"agent_id": world.ada_id, "fallback": {"agent_id": world.bob_id}}
    await world.register(number, routing)
    await world.until_taken_by(number, world.ada)

    await world.change(f"/v1/agents/{world.ada_id}", status="paused")
    await world.until_taken_by(number, world.bob)
    await world.change(f"/v1/agents/{world.ada_id}", status="active")
    await world.until_taken_by(number, world.ada)
    assert (await world.client.delete(f"/v1/agents/{world.ada_id}")).status_code == 204
    await world.until_taken_by(number, world.bob)


async def test_call_that_nobody_takes_is_refused_or_recorded(world: World) -> None:
    number = "+12025550183"
    path = f"/v1/phone-numbers/{await world.register(number, {'agent_id': world.nobody_id})}"
    await world.until_refused(number, 480)

    message = {"agent_id": world.nobody_id, "voicemail_message": "Please leave a message."}
    await world.change(path, inbound_routing=message)
    await world.until_refused(number, 200)
    async with world.line(number) as line:
        assert (await line.dial()).status == 200
        await line.hears_the_beep()
        await asyncio.sleep(1.5)
        await line.hang_up()

    query = {"phone_number": number}
    record = await first_item(world.client, "/v1/voicemails", query)
    assert record["seconds"] > 0.5
    sound = await world.client.get(record["audio_url"], headers={"Range": "bytes=0-3"})
    assert (sound.status_code, sound.content) == (206, b"RIFF")
    call = await first_item(world.client, "/v1/calls", {**query, "outcome": "voicemail"})
    assert call["phone_number"] == number


async def items(client: httpx.AsyncClient, path: str, query: dict[str, str]) -> list[Any]:
    answer = await client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found: list[Any] = answer.json()["items"]
    return found


async def first_item(client: httpx.AsyncClient, path: str, query: dict[str, str]) -> Any:
    """The newest one, once there is one: records are written in batches, after the call."""

    async def probe() -> list[Any]:
        return await items(client, path, query)

    found: list[Any] = await eventually(probe, what=f"rows at {path}")
    return found[0]


async def test_no_workspace_sees_anothers_numbers_and_calls(world: World) -> None:
    number = "+12025550184"
    identity = await world.register(number, {"agent_id": world.ada_id})
    await world.until_taken_by(number, world.ada)
    call = await first_item(world.client, "/v1/calls", {"phone_number": number})
    body = {
        "phone_number": number,
        "provider": "twilio",
        "agent_id": world.ada_id,
        "provider_config": TRUNK,
    }

    elsewhere = await world.control.make_key("elsewhere")
    async with world.control.client(elsewhere) as stranger:
        for path in (f"/v1/phone-numbers/{identity}", f"/v1/calls/{call['id']}"):
            assert (await stranger.get(path)).status_code == 404
        for path in ("/v1/phone-numbers", "/v1/calls", "/v1/agents"):
            assert await items(stranger, path, {}) == []
        foreign = await stranger.post("/v1/phone-numbers", json=body)
        own = await stranger.post("/v1/agents", json={"name": "Eve"})
        taken = await stranger.post(
            "/v1/phone-numbers", json={**body, "agent_id": own.json()["id"]}
        )

    assert (foreign.status_code, foreign.json()["error"]["code"]) == (400, "AGENT_NOT_FOUND")
    assert (taken.status_code, taken.json()["error"]["code"]) == (409, "NUMBER_TAKEN")
    assert await world.taken_by(number) is world.ada


async def test_secrets_are_in_no_log_and_no_row(world: World, calls_key: str) -> None:
    secret = "hunter2-carrier-key"
    account = {"name": "A", "provider": "twilio", "api_key": secret}
    made = await world.client.post("/v1/integrations", json=account)
    assert made.status_code == 201
    await world.register("+12025550185")
    broken = {"name": "A", "provider": "twilio", "api_key": [secret]}
    refused = await world.client.post("/v1/integrations", json=broken)
    assert refused.status_code == 422

    rows = []
    for table in await world.control.edge.sql(
        "SELECT tablename FROM pg_tables WHERE schemaname = 'public'"
    ):
        name = table["tablename"]
        found = await world.control.edge.sql(f'SELECT row_to_json(t)::text AS row FROM "{name}" t')
        rows += [row["row"] for row in found]
    kept = "\n".join([*rows, world.control.edge.output])
    for hidden in (secret, TRUNK["auth_password"], calls_key):
        assert hidden not in made.text + refused.text
        assert hidden not in kept
        assert hidden.encode().hex() not in kept
    assert len(rows) > 10
