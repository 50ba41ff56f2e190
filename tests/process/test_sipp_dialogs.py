"""What SIPp does within a call, and beside it: hold, new offers, delayed offers, OPTIONS."""

from __future__ import annotations

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, WorkerPorts
from support.sipp import Sipp
from support.stream_worker import StreamWorker

pytestmark = [pytest.mark.peer, pytest.mark.asyncio]

both_transports = pytest.mark.parametrize("transport", ["udp", "tcp"])


@both_transports
async def test_caller_may_hold_and_resume(
    sipp: Sipp, worker_ports: WorkerPorts, transport: str
) -> None:
    async with StreamWorker(worker_ports.ada) as worker:
        await sipp.call("hold_and_resume", number=ADA, transport=transport)
        await (await worker.next_call()).ended()
    assert len(worker.calls) == 1


@both_transports
async def test_new_offer_that_cannot_be_met_is_refused_and_the_call_goes_on(
    sipp: Sipp, worker_ports: WorkerPorts, transport: str
) -> None:
    async with StreamWorker(worker_ports.ada) as worker:
        await sipp.call("unusable_reinvite", number=ADA, transport=transport)
        call = await worker.next_call()
        await call.ended()
    assert call.is_stopped


@both_transports
async def test_invite_without_an_offer_gets_one_in_the_answer(
    sipp: Sipp, worker_ports: WorkerPorts, transport: str
) -> None:
    async with StreamWorker(worker_ports.ada, echo=True):
        await sipp.call("delayed_offer", number=ADA, transport=transport, values={"talk_ms": 400})


@both_transports
async def test_options_says_what_the_edge_can_do(
    edge: EdgeProcess, sipp: Sipp, transport: str
) -> None:
    before = edge.metric("sip_edge_invites_total")
    await sipp.call("options", number=ADA, transport=transport)
    assert edge.metric("sip_edge_invites_total") == before
