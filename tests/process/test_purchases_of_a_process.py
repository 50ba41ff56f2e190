"""Buying numbers with whole processes: real HTTP to a carrier of ours, PostgreSQL, and kill -9."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from hashlib import sha256
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import pytest
from support.carrier_fakes import FakeTelnyx, FakeTwilio, Fault, FaultKind
from support.carrier_fakes.telnyx import API_KEY
from support.carrier_fakes.twilio import ACCOUNT_SID, AUTH_TOKEN
from support.free_ports import free_port
from support.polling import eventually

pytestmark = [pytest.mark.process, pytest.mark.postgres, pytest.mark.asyncio]

START_SECONDS = 60.0


class ApiProcess:
    """`sip-edge api`, told where the fakes are."""

    def __init__(self, folder: Path, dsn: str, settings: dict[str, str]) -> None:
        self._folder = folder
        self._port = free_port()
        self._environment = {
            **{name: value for name, value in os.environ.items() if "SIP_EDGE" not in name},
            "SIP_EDGE__DATABASE__DSN": dsn,
            "SIP_EDGE__API__PORT": str(self._port),
            "SIP_EDGE__API__ENCRYPTION_KEY": "01" * 32,
            "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
            "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
            "TELNYX_API_KEY": API_KEY,
            **settings,
        }
        self._process: subprocess.Popen[bytes] | None = None
        self._dsn = dsn
        self._key = f"oi_sk_{folder.name}{self._port:032}"

    async def start(self) -> None:
        self._spawn()
        await eventually(self._is_ready, bool, what="the API", seconds=START_SECONDS)
        client = await asyncpg.connect(self._dsn)
        await client.execute(
            "INSERT INTO api_keys (workspace_id, prefix, digest)"
            " VALUES (sip_edge_default_workspace(), 'oi_sk_', $1) ON CONFLICT DO NOTHING",
            sha256(self._key.encode()).digest(),
        )
        await client.close()

    def _spawn(self) -> None:
        with (self._folder / "api.log").open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sip_edge", "api"],
                cwd=self._folder,
                env=self._environment,
                stdout=log,
                stderr=log,
            )

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    @property
    def log(self) -> str:
        return (self._folder / "api.log").read_text()

    async def call(
        self, method: str, path: str, body: Any = None, *, key: str | None = None
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self._key}"}
        if key is not None:
            headers["Idempotency-Key"] = key
        async with httpx.AsyncClient(trust_env=False, timeout=60) as client:
            url = f"http://127.0.0.1:{self._port}{path}"
            return await client.request(method, url, headers=headers, json=body)

    async def _is_ready(self) -> bool:
        try:
            async with httpx.AsyncClient(trust_env=False) as client:
                url = f"http://127.0.0.1:{self._port}/readyz"
                return (await client.get(url)).status_code == 200
        except httpx.TransportError:
            return False


@pytest.fixture
def twilio() -> Iterator[FakeTwilio]:
    with FakeTwilio() as fake:
        yield fake


@pytest.fixture
def telnyx() -> Iterator[FakeTelnyx]:
    with FakeTelnyx() as fake:
        yield fake


@asynccontextmanager
async def running(
    folder: Path, dsn: str, twilio: FakeTwilio, telnyx: FakeTelnyx, provider: str
) -> AsyncIterator[ApiProcess]:
    api = ApiProcess(
        folder,
        dsn,
        {
            "SIP_EDGE__API__PLATFORM__PROVIDER": provider,
            "SIP_EDGE__API__CARRIER_URLS__TWILIO": twilio.url,
            "SIP_EDGE__API__CARRIER_URLS__TWILIO_TRUNKING": twilio.url,
            "SIP_EDGE__API__CARRIER_URLS__TELNYX": telnyx.api_url,
        },
    )
    try:
        await api.start()
        yield api
    finally:
        api.kill()


async def test_a_number_is_bought_used_and_given_back_and_another_is_brought(
    tmp_path: Path, empty_database_dsn: str, twilio: FakeTwilio, telnyx: FakeTelnyx
) -> None:
    telnyx.own("+12025550119")
    async with running(tmp_path, empty_database_dsn, twilio, telnyx, "telnyx") as api:
        agent = (await api.call("POST", "/v1/agents", {"name": "a"})).json()["id"]
        found = await api.call("GET", "/v1/phone-numbers/search?area_code=202&limit=10")
        number = found.json()["items"][0]["phone_number"]
        bought = (
            await api.call(
                "POST", "/v1/phone-numbers/purchase", {"phone_number": number, "agent_id": agent}
            )
        ).json()
        assert (bought["status"], telnyx.bought) == ("active", [number])
        assert telnyx.leads_to(bought["inbound_trunk_id"]) == "voice.oneinbox.ai:5060"
        gone = await api.call("DELETE", f"/v1/phone-numbers/{bought['id']}")
        assert (gone.status_code, telnyx.released) == (204, [number])

        credential = (
            await api.call(
                "POST",
                "/v1/integrations",
                {"name": "T", "provider": "telnyx", "api_key": API_KEY, "metadata": {}},
            )
        ).json()["id"]
        own = {
            "phone_number": "+12025550119",
            "provider": "telnyx",
            "agent_id": agent,
            "credential_id": f"crd_{credential}",
            "provider_config": {
                "trunk_address": "sip.telnyx.com",
                "auth_username": "them",
                "auth_password": "hunter2-secret",
            },
        }
        brought = (await api.call("POST", "/v1/phone-numbers", own)).json()
        assert (brought["is_verified"], brought["sms_capable"]) == (True, None)
        assert telnyx.owned["+12025550119"]["connection_id"] == brought["inbound_trunk_id"]
        stolen = await api.call("POST", "/v1/phone-numbers", own | {"phone_number": number})
        assert (stolen.status_code, stolen.json()["error"]["code"]) == (403, "NUMBER_NOT_OWNED")
        await api.call("DELETE", f"/v1/phone-numbers/{brought['id']}")
        assert telnyx.owned["+12025550119"]["connection_id"] is None
        for secret in (API_KEY, AUTH_TOKEN, "hunter2-secret"):
            assert secret not in api.log


async def test_money_survives_kill_9_between_the_order_and_its_answer(
    tmp_path: Path, empty_database_dsn: str, twilio: FakeTwilio, telnyx: FakeTelnyx
) -> None:
    client = await asyncpg.connect(empty_database_dsn)
    async with running(tmp_path, empty_database_dsn, twilio, telnyx, "twilio") as api:
        agent = (await api.call("POST", "/v1/agents", {"name": "a"})).json()["id"]
        twilio.fail(Fault(method="POST", path="IncomingPhoneNumbers", kind=FaultKind.SILENCE_AFTER))
        wanted = {"agent_id": agent}
        buying = asyncio.create_task(
            api.call("POST", "/v1/phone-numbers/purchase", wanted, key="k1")
        )
        await eventually(lambda: list(twilio.bought), bool, what="the carrier's yes")
        api.kill()
        await asyncio.gather(buying, return_exceptions=True)
        # The dead one's lease and its claim of the key, run out.
        await client.execute("UPDATE purchases SET due_at = now()")
        await client.execute("UPDATE idempotency_keys SET held_until = now()")
        await api.start()

        async def state() -> str:
            found: str = await client.fetchval("SELECT state FROM purchases")
            return found

        await eventually(state, lambda found: found == "active", what="the reconciler")
        again = await api.call("POST", "/v1/phone-numbers/purchase", wanted, key="k1")
        assert (again.status_code, again.json()["status"]) == (201, "active")
        assert [again.json()["phone_number"]] == twilio.bought
        trunk = twilio.owned[twilio.bought[0]]["trunk_sid"]
        assert [url["sip_url"] for url in twilio.urls[trunk]] == ["sip:voice.oneinbox.ai:5060"]
    await client.close()


async def test_two_processes_and_many_clients_buy_one_number_once(
    tmp_path: Path, empty_database_dsn: str, twilio: FakeTwilio, telnyx: FakeTelnyx
) -> None:
    folders = [tmp_path / "a", tmp_path / "b"]
    async with AsyncExitStack() as stack:
        async with asyncio.TaskGroup() as starting:
            processes = []
            for folder in folders:
                folder.mkdir()
                one = running(folder, empty_database_dsn, twilio, telnyx, "twilio")
                processes.append(starting.create_task(stack.enter_async_context(one)))
        first, second = (process.result() for process in processes)
        agent = (await first.call("POST", "/v1/agents", {"name": "a"})).json()["id"]
        wanted = {"agent_id": agent, "phone_number": "+12025550102"}
        answers = await asyncio.gather(
            *(api.call("POST", "/v1/phone-numbers/purchase", wanted) for api in (first, second) * 4)
        )
    statuses = {answer.status_code for answer in answers}
    ids = {answer.json()["id"] for answer in answers if answer.status_code == 201}
    assert (twilio.bought, len(ids)) == (["+12025550102"], 1)
    assert statuses <= {201, 409}
