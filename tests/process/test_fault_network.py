"""Calls over a network that loses, repeats, delays and reorders datagrams."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest
from support.bad_network import BadNetwork, Weather
from support.edge_process import EdgeProcess
from support.line_plan import ADA, NOBODY, OUTBOUND_ONLY, UNKNOWN, WorkerPorts
from support.persistent_caller import PersistentCaller
from support.polling import eventually
from support.sipp import Sipp
from support.stream_worker import StreamWorker, WorkerCall

pytestmark = pytest.mark.asyncio

BAD = Weather(loss=0.05, duplication=0.05, delay=0.01, jitter=0.06)
AWFUL = Weather(loss=0.25, duplication=0.2, delay=0.01, jitter=0.2)
KINDS = {ADA: 200, UNKNOWN: 404, OUTBOUND_ONLY: 603, NOBODY: 480}


@asynccontextmanager
async def callers(
    edge: EdgeProcess, numbers: list[str], weather: Weather
) -> AsyncIterator[tuple[list[PersistentCaller], list[BadNetwork]]]:
    """A caller for each number, each behind a bad network of its own."""
    async with AsyncExitStack() as stack:
        networks = []
        found = []
        for seed, number in enumerate(numbers):
            network = BadNetwork((edge.host, edge.sip_port), weather, seed=seed)
            networks.append(await stack.enter_async_context(network))
            caller = PersistentCaller(network.front, number, contact=network.back)
            found.append(await stack.enter_async_context(caller))
        yield found, networks


@pytest.mark.parametrize("weather", [BAD, AWFUL], ids=["5 % loss", "25 % loss"])
async def test_every_call_over_a_bad_network_gets_one_final_response_and_ends(
    edge: EdgeProcess, worker_ports: WorkerPorts, weather: Weather
) -> None:
    invites = edge.metric("sip_edge_invites_total")
    numbers = [*KINDS] * 5 + [ADA] * 10

    async def place(caller: PersistentCaller) -> int:
        status = await caller.call()
        if status == 200:
            assert await caller.hang_up() == 200
        return status

    async with (
        StreamWorker(worker_ports.ada),
        callers(edge, numbers, weather) as (calling, networks),
    ):
        statuses = await asyncio.gather(*(place(caller) for caller in calling))
        await all_over(edge)
    lost, carried = sum(n.lost for n in networks), sum(n.carried for n in networks)
    print(f"{lost} of {carried} datagrams lost, {sum(n.repeated for n in networks)} repeated")
    assert lost > 0
    assert statuses == [KINDS[number] for number in numbers]
    assert all(caller.is_one_call for caller in calling)
    assert edge.metric("sip_edge_invites_total") - invites == len(numbers)


async def test_caller_behind_a_bad_network_hears_that_the_agent_has_hung_up(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async def leave(call: WorkerCall) -> None:
        await call.heard_at_least(0.1)
        await call.hang_up(1000)

    async with (
        StreamWorker(worker_ports.ada, leave),
        callers(edge, [ADA] * 10, AWFUL) as (calling, _),
    ):
        statuses = await asyncio.gather(*(caller.call() for caller in calling))
        await asyncio.gather(*(caller.is_hung_up_on() for caller in calling))
        await all_over(edge)
    assert Counter(statuses) == {200: 10}


@pytest.mark.peer
async def test_sipp_fails_no_call_over_a_network_that_repeats_every_datagram(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts
) -> None:
    # SIPp takes any 200 for the one to its BYE, so that it counts wrongly where an ACK and the BYE
    # behind it are lost: losses are left to the caller above.
    weather = Weather(duplication=1.0, delay=0.01)
    invites = edge.metric("sip_edge_invites_total")
    async with (
        StreamWorker(worker_ports.ada),
        BadNetwork((edge.host, edge.sip_port), weather, seed=5) as network,
    ):
        behind = Sipp(sipp.folder, edge_host=network.front[0], edge_port=network.front[1])
        try:
            result = await behind.call(
                "caller_hangs_up", number=ADA, calls=30, rate=15, values={"talk_ms": 300}
            )
        finally:
            await behind.stop()
        await all_over(edge)
    assert network.repeated == network.carried
    assert (result.successful, result.failed) == (30, 0)
    assert edge.metric("sip_edge_invites_total") - invites == 30


async def all_over(edge: EdgeProcess) -> None:
    """Wait until no call goes on; a BYE that was lost is repeated after 0.5 s and more."""
    await eventually(
        lambda: edge.metric("sip_edge_calls_active"), lambda n: n == 0, what="calls going on"
    )
