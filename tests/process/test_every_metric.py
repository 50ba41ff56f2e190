"""Every series of the page of metrics moves: here, or in a test that is named.

Calls of each outcome, workers that fail in each way, requests that are refused in each way, and a
database that goes away, against two edges of their own: one as in production but quicker, one with
limits so small that they are met.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from support.edge_process import CARRIERS, EdgeProcess
from support.every_trouble import LimitFinder, Troublemaker
from support.free_ports import free_ports
from support.metric_watch import MetricWatch
from support.moved_elsewhere import BY_CHANCE, ELSEWHERE
from support.postgres import PostgresServer
from support.postgres_proxy import Mood, postgres_proxy
from support.trouble_plan import Troubles

TESTS = Path(__file__).resolve().parents[1]

CONTROL_API = {"SIP_EDGE__API__ENABLED": "true"}
SECRET = {"secret_header": "X-Edge-Secret", "secret": "not-to-be-guessed-by-anybody"}
QUICK = {
    "SIP_EDGE__CARRIERS": json.dumps(
        {**CARRIERS, "secretive": {"networks": ["127.0.99.0/24"], "country": "US", **SECRET}}
    ),
    "SIP_EDGE__DISPATCH__RINGING_AFTER_SECONDS": "0.3",
    # Long enough for workers on a busy machine; who hangs has a limit of its own.
    "SIP_EDGE__DISPATCH__DEADLINE_SECONDS": "6",
    "SIP_EDGE__DISPATCH__ACCEPT_TIMEOUT_SECONDS": "5",
    "SIP_EDGE__DISPATCH__PING_SECONDS": "1",
    "SIP_EDGE__MEDIA__RTP_TIMEOUT_SECONDS": "3",
    "SIP_EDGE__VOICEMAIL__SILENCE_SECONDS": "2",
    "SIP_EDGE__DATABASE__HEARTBEAT_SECONDS": "1",
    "SIP_EDGE__SHUTDOWN__DRAIN_SECONDS": "1",
    # However busy the machine is.
    "SIP_EDGE__LIMITS__MAX_LOOP_LAG_SECONDS": "10",
    "SIP_EDGE__LIMITS__MAX_PACING_LAG_SECONDS": "10",
}
SMALL = {
    **QUICK,
    # A code that we never send of ourselves.
    "SIP_EDGE__CARRIERS": json.dumps(
        {"local": {"networks": ["127.0.0.0/24"], "responses": {"unknown_number": 604}}}
    ),
    "SIP_EDGE__SIP__MAX_CALLS": "1",
    "SIP_EDGE__SIP__MAX_CONNECTIONS_PER_SOURCE": "1",
    "SIP_EDGE__SIP__MAX_CONNECTIONS": "2",
    "SIP_EDGE__SIP__MAX_TRANSACTIONS": "150",
    "SIP_EDGE__LIMITS__REQUESTS_PER_SECOND_PER_SOURCE": "30",
    "SIP_EDGE__LIMITS__DATAGRAMS_PER_SECOND_PER_SOURCE": "300",
}


@pytest.fixture
def dsns(embedded_postgres: PostgresServer) -> Iterator[tuple[str, str]]:
    """Two migrated databases."""
    with (
        embedded_postgres.database(migrated=True) as one,
        embedded_postgres.database(migrated=True) as other,
    ):
        yield one, other


@pytest.mark.asyncio
@pytest.mark.timeout(180)
async def test_every_series_moves_here_or_in_a_test_that_is_named(
    tmp_path: Path, dsns: tuple[str, str]
) -> None:
    troubles = Troubles()
    folders = (tmp_path / "large", tmp_path / "small")
    async with AsyncExitStack() as stack:
        await troubles.start(stack)
        proxy = await stack.enter_async_context(postgres_proxy(dsns[0]))
        for dsn, folder in zip(dsns, folders, strict=True):
            await troubles.write(dsn)
            folder.mkdir()
        tls_port = free_ports(1)
        large = EdgeProcess(
            folders[0], dsn=proxy.dsn, settings=QUICK | CONTROL_API | with_tls(tls_port)
        )
        small = EdgeProcess(folders[1], dsn=dsns[1], settings=SMALL | one_pair_of_ports())
        watches = [MetricWatch(edge.http_port) for edge in (large, small)]
        for watch in watches:
            stack.enter_context(watch)
        try:
            proxy.set_mood(Mood.REFUSING)
            starting = [
                asyncio.create_task(asyncio.to_thread(edge.start)) for edge in (large, small)
            ]
            await watches[0].sees('sip_edge_ready_state{state="starting"}')
            proxy.set_mood(Mood.FINE)
            await asyncio.gather(*starting)
            maker = Troublemaker(large, troubles, watches[0], tls_port=tls_port)
            await asyncio.gather(
                maker.cause_everything(proxy),
                LimitFinder(small, troubles, watches[1], folder=folders[1]).meet_every_limit(),
            )
            for edge in (large, small):
                edge.check_health()
            await maker.drain()
            assert await asyncio.to_thread(large.wait) == 0
        finally:
            large.kill()
            small.kill()
    (tmp_path / "metrics").write_text("".join(watch.last_page for watch in watches))
    moved = watches[0].moved | watches[1].moved
    known = watches[0].known | watches[1].known
    print(f"{len(moved)} of {len(known)} series moved; {tmp_path}/metrics has the last pages")
    assert sorted(known - moved - ELSEWHERE.keys()) == [], "neither moved here nor named elsewhere"
    assert sorted(moved & ELSEWHERE.keys() - BY_CHANCE) == [], "named elsewhere, but moved here"
    assert sorted(ELSEWHERE.keys() - known) == [], "named elsewhere, but not on the page"


def test_every_test_that_is_named_exists() -> None:
    missing = []
    for place in set(ELSEWHERE.values()):
        path, _, name = place.partition("::")
        text = (TESTS / path).read_text() if (TESTS / path).exists() else ""
        if not re.search(rf"^(?:async )?def {re.escape(name)}\(", text, re.MULTILINE):
            missing.append(place)

    assert missing == []


def with_tls(port: int) -> dict[str, str]:
    """The settings of an edge that listens on TLS as well."""
    return {
        "SIP_EDGE__SIP__TRANSPORTS": "udp, tcp, tls",
        "SIP_EDGE__SIP__TLS_PORT": str(port),
        "SIP_EDGE__SIP__TLS_CERTIFICATE_FILE": str(TESTS / "data/tls/worker.pem"),
        "SIP_EDGE__SIP__TLS_KEY_FILE": str(TESTS / "data/tls/worker.key"),
    }


def one_pair_of_ports() -> dict[str, str]:
    """The settings of an edge that has room for the sound of one call."""
    port = free_ports(2)
    return {
        "SIP_EDGE__MEDIA__PORT_MIN": str(port),
        "SIP_EDGE__MEDIA__PORT_MAX": str(port + 1),
    }
