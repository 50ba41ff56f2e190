"""An edge with its control API, and carriers beside it: what tests of both sides at once need."""

from __future__ import annotations

import hashlib
import secrets
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from support.carrier_fakes import FakeTelnyx, FakeTwilio
from support.carrier_fakes.twilio import ACCOUNT_SID, AUTH_TOKEN
from support.edge_process import EdgeProcess

READY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class ControlEdge:
    """The process, and the carriers that it was told of. Its platform account is Twilio's."""

    edge: EdgeProcess
    twilio: FakeTwilio
    telnyx: FakeTelnyx

    @property
    def url(self) -> str:
        """Where the control API is."""
        return f"http://{self.edge.host}:{self.edge.api_port}"

    async def make_key(self, workspace: str) -> str:
        """A new key of a workspace. By SQL: the command starts a Python each time."""
        key = "oi_sk_" + secrets.token_urlsafe(32)
        await self.edge.sql(
            "INSERT INTO workspaces (name) VALUES ($1) ON CONFLICT DO NOTHING", workspace
        )
        await self.edge.sql(
            "INSERT INTO api_keys (workspace_id, prefix, digest)"
            " SELECT id, $2, $3 FROM workspaces WHERE name = $1",
            workspace,
            key[:10],
            hashlib.sha256(key.encode()).digest(),
        )
        return key

    @asynccontextmanager
    async def client(self, key: str) -> AsyncIterator[httpx.AsyncClient]:
        """A client of the control API that has this key."""
        async with httpx.AsyncClient(
            base_url=self.url,
            headers={"Authorization": f"Bearer {key}"},
            trust_env=False,
            timeout=30,
        ) as client:
            yield client


@contextmanager
def control_edge(folder: Path, dsn: str) -> Iterator[ControlEdge]:
    """Start one on an empty database, and end it as an operator would."""
    with FakeTwilio() as twilio, FakeTelnyx() as telnyx:
        edge = EdgeProcess(folder, dsn=dsn, settings=_settings(twilio, telnyx))
        edge.start()
        try:
            _wait_for_the_api(edge)
            yield ControlEdge(edge, twilio, telnyx)
            edge.check_health()
            assert edge.stop() == 0, edge.output[-4000:]
        finally:
            edge.kill()


def _settings(twilio: FakeTwilio, telnyx: FakeTelnyx) -> dict[str, Any]:
    return {
        "SIP_EDGE__API__ENABLED": "true",
        "SIP_EDGE__API__ENCRYPTION_KEY": "00" * 32,
        # Tests ask as fast as they can.
        "SIP_EDGE__API__REQUESTS_PER_MINUTE": "1000000",
        "SIP_EDGE__API__PLATFORM__PROVIDER": "twilio",
        "SIP_EDGE__API__CARRIER_URLS__TWILIO": twilio.url,
        "SIP_EDGE__API__CARRIER_URLS__TWILIO_TRUNKING": twilio.url,
        "SIP_EDGE__API__CARRIER_URLS__TELNYX": telnyx.api_url,
        "TWILIO_ACCOUNT_SID": ACCOUNT_SID,
        "TWILIO_AUTH_TOKEN": AUTH_TOKEN,
    }


def _wait_for_the_api(edge: EdgeProcess) -> None:
    url = f"http://{edge.host}:{edge.api_port}/readyz"
    deadline = time.monotonic() + READY_SECONDS
    while True:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.TransportError:
            pass  # it does not listen yet
        assert time.monotonic() < deadline, edge.output[-4000:]
        time.sleep(0.05)
