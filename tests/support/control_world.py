"""The control API over doubles: two workspaces with a key each, and a client that speaks HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx
from fastapi import FastAPI
from support.carrier_account import AccountInMemory
from support.control_doubles import (
    DEFAULT_WORKSPACE,
    Clock,
    InMemoryAgents,
    InMemoryApiKeys,
    InMemoryAudio,
    InMemoryIdempotency,
    InMemoryIntegrations,
    InMemoryRecords,
    InMemoryWorkspaces,
    Places,
)
from support.number_world import NumberWorld
from support.ticks import Ticks

from sip_edge.api.control.app import make_control_app
from sip_edge.api.control.services import ControlSettings, Services
from sip_edge.api.control.tokens import TokenVerifier
from sip_edge.provisioning.agents import Agents
from sip_edge.provisioning.api_keys import ApiKeys
from sip_edge.provisioning.integrations import Integrations
from sip_edge.provisioning.records import Records
from sip_edge.storage.secret_box import AesGcmBox

BOX_KEY = bytes(range(32))
SETTINGS = ControlSettings()


@dataclass
class Observed:
    """See api.control.services.ApiObserver."""

    requests: list[tuple[str, int]] = field(default_factory=list)

    def request_ended(self, operation: str, status: int, seconds: float) -> None:
        self.requests.append((operation, status))


@dataclass
class ControlWorld:
    """The application, and what stands behind it. `ours` and `theirs` are secrets of keys."""

    services: Services
    app: FastAPI
    number_world: NumberWorld
    agents: InMemoryAgents
    integrations: InMemoryIntegrations
    keys: InMemoryApiKeys
    workspaces: InMemoryWorkspaces
    records: InMemoryRecords
    idempotency: InMemoryIdempotency
    audio: InMemoryAudio
    places: Places
    observed: Observed
    ticks: Ticks
    ours: str
    theirs: str
    our_workspace: UUID
    their_workspace: UUID

    @asynccontextmanager
    async def client(self, key: str | None = None) -> AsyncIterator[httpx.AsyncClient]:
        """A client with a key: ours unless another is given, "" for none."""
        secret = self.ours if key is None else key
        headers = {"Authorization": f"Bearer {secret}"} if secret else {}
        transport = httpx.ASGITransport(app=self.app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://api.test", headers=headers
        ) as client:
            yield client

    async def call(self, method: str, path: str, **arguments: Any) -> httpx.Response:
        """One request with our key."""
        async with self.client() as client:
            return await client.request(method, path, **arguments)


async def control_world(
    *,
    settings: ControlSettings = SETTINGS,
    box_keys: tuple[bytes, ...] = (BOX_KEY,),
    tokens: TokenVerifier | None = None,
    most_numbers: int = 100,
    **changes: Any,
) -> ControlWorld:
    """A new world. `changes` go to Services."""
    clock = Clock()
    agents, integrations = InMemoryAgents(clock), InMemoryIntegrations(clock)
    keys, workspaces, records = InMemoryApiKeys(clock), InMemoryWorkspaces(), InMemoryRecords()
    idempotency, audio, places = InMemoryIdempotency(), InMemoryAudio(), Places()
    numbers = iter(range(1_000))
    api_keys = ApiKeys(store=keys, clock=clock, new_token=lambda: f"{next(numbers):043}")

    async def problem() -> str | None:
        return None

    box = AesGcmBox(list(box_keys))
    use_agents = Agents(store=agents, places=places, worker_secrets=["WORKER_TOKEN"])
    use_integrations = Integrations(store=integrations, box=box, new_id=uuid4)
    number_world = NumberWorld(
        platform=AccountInMemory(),
        agents=use_agents,
        credentials=use_integrations,
        box=box,
        most_numbers=most_numbers,
    )
    parts: dict[str, Any] = {
        "agents": use_agents,
        "integrations": use_integrations,
        "numbers": number_world.numbers,
        "purchases": number_world.purchases,
        "api_keys": api_keys,
        "workspaces": workspaces,
        "records": Records(store=records),
        "audio": audio,
        "idempotency": idempotency,
        "tokens": tokens,
        "problem": problem,
        "metrics": lambda accept: (b"# metrics\n", "text/plain"),
    }
    services = Services(**{**parts, **changes})
    theirs = await workspaces.named_or_new("theirs")
    observed, ticks = Observed(), Ticks(0.0)
    return ControlWorld(
        services=services,
        app=make_control_app(services=services, settings=settings, observer=observed, clock=ticks),
        number_world=number_world,
        agents=agents,
        integrations=integrations,
        keys=keys,
        workspaces=workspaces,
        records=records,
        idempotency=idempotency,
        audio=audio,
        places=places,
        observed=observed,
        ticks=ticks,
        ours=(await api_keys.create(DEFAULT_WORKSPACE.id, "ours")).secret,
        theirs=(await api_keys.create(theirs.id, "theirs")).secret,
        our_workspace=DEFAULT_WORKSPACE.id,
        their_workspace=theirs.id,
    )
