"""Where workers may be, asked before an agent is saved."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import ip_network

import pytest
from support.dns import FakeNameServer

from sip_edge.agents.places import PermittedPlaces
from sip_edge.agents.settings import DENIED_NETWORKS
from sip_edge.resolver import CaresLookup, Resolver, ResolverSettings

pytestmark = pytest.mark.asyncio

FORBIDDEN = "worker_url leads to a network where this server looks for no workers."


@asynccontextmanager
async def places(*allowed: str) -> AsyncIterator[PermittedPlaces]:
    """What an operator permits, and a name server that knows some names."""
    loop = asyncio.get_running_loop()
    async with FakeNameServer() as dns:
        dns.addresses = {
            "worker.example.com": ["10.1.2.3"],
            "metadata.example.com": ["169.254.169.254"],
            "both.example.com": ["169.254.169.254", "10.1.2.3"],
        }
        settings = ResolverSettings(nameservers=(dns.server,), query_timeout_seconds=2.0, tries=1)
        resolver = Resolver(
            settings=settings, lookup=CaresLookup(settings=settings), clock=loop.time
        )
        yield PermittedPlaces(
            resolver=resolver,
            allowed=[ip_network(each) for each in allowed],
            denied=DENIED_NETWORKS,
            clock=loop.time,
        )
        await resolver.close()


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ws://127.0.0.1:8090/", None),
        ("wss://worker.example.com/call", None),
        ("ws://both.example.com/", None),
        ("ws://unheard-of.example.com/", None),
        ("ws://169.254.169.254/", FORBIDDEN),
        ("ws://[::ffff:169.254.169.254]/", FORBIDDEN),
        ("ws://[fe80::1]/", FORBIDDEN),
        ("ws://0.0.0.0/", FORBIDDEN),
        ("ws://metadata.example.com/", FORBIDDEN),
        ("http://127.0.0.1/", "worker_url must begin with ws:// or wss://."),
        ("", "the agent has no worker_url."),
    ],
)
async def test_worker_may_be_anywhere_but_where_a_cloud_keeps_its_secrets(
    url: str, problem: str | None
) -> None:
    async with places("0.0.0.0/0", "::/0") as permitted:
        assert await permitted.problem(url) == problem


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("ws://10.9.9.9/", None),
        ("wss://worker.example.com/", None),
        ("ws://127.0.0.1/", FORBIDDEN),
        ("ws://8.8.8.8/", FORBIDDEN),
        ("ws://[::1]/", FORBIDDEN),
    ],
)
async def test_shared_server_narrows_where_workers_are(url: str, problem: str | None) -> None:
    async with places("10.0.0.0/8") as permitted:
        assert await permitted.problem(url) == problem
