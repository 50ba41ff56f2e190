"""What the control API asks PostgreSQL: one statement for the key, and one for what is read."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.control_rows_sql import write_rows

from sip_edge.api.control.app import make_control_app
from sip_edge.api.control.services import ControlSettings
from sip_edge.api_metrics import ApiMetrics
from sip_edge.app.control import make_services
from sip_edge.config import load_config
from sip_edge.resolver import CaresLookup, Resolver, ResolverSettings
from sip_edge.storage.control_database import ControlDatabase
from sip_edge.storage.pool import create_pool

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

KEY = re.compile("FROM api_keys WHERE digest")


class Noting(ControlDatabase):
    """Writes down what it is asked."""

    statements: list[str]

    async def fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        self.statements.append(statement)
        return await super().fetch(statement, *arguments)

    async def fetchrow(self, statement: str, *arguments: object) -> Any | None:
        self.statements.append(statement)
        return await super().fetchrow(statement, *arguments)

    async def execute(self, statement: str, *arguments: object) -> int:
        self.statements.append(statement)
        return await super().execute(statement, *arguments)


async def test_read_is_one_statement_however_many_rows(database_dsn: str, tmp_path: Path) -> None:
    ids = await write_rows(database_dsn, "default", 40, tmp_path)
    config = load_config(None, {"SIP_EDGE__API__ENCRYPTION_KEY": "00" * 32})
    settings = ResolverSettings()
    loop = asyncio.get_running_loop()
    resolver = Resolver(settings=settings, lookup=CaresLookup(settings=settings), clock=loop.time)
    async with create_pool(database_dsn) as pool:
        database = Noting(pool)
        database.statements = []
        metrics = ApiMetrics(())
        services, beside = make_services(config, database, resolver=resolver, metrics=metrics)
        app = make_control_app(services=services, settings=ControlSettings(), observer=metrics)
        owner = await pool.fetchval("SELECT id FROM workspaces")
        key = (await services.api_keys.create(owner, "test")).secret
        async with httpx.AsyncClient(
            transport=httpx.ASGITransport(app=app),
            base_url="http://api.test",
            headers={"Authorization": f"Bearer {key}"},
        ) as client:
            # The first use of a key is noted in its row.
            await client.get("/v1/agents")
            for path in (
                "/v1/phone-numbers",
                f"/v1/phone-numbers?agent_id={ids['agent_id'][0]}",
                f"/v1/phone-numbers/{ids['phone_number_id'][0]}",
                "/v1/agents",
                "/v1/calls",
                "/v1/voicemails",
                "/v1/api-keys",
                "/v1/integrations",
            ):
                database.statements.clear()
                answer = await client.get(path)
                assert answer.status_code == 200
                asked = [text for text in database.statements if not KEY.search(text)]
                assert len(asked) == 1, (path, database.statements)
                assert len(database.statements) == 2
        await beside.platform.aclose()
    await resolver.close()
