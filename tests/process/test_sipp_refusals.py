"""Calls from SIPp that must be refused: each with the status that carriers act upon (decided by
`routing.refusal`), a Q.850 cause, and no worker disturbed.
"""

from __future__ import annotations

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import (
    ADA,
    INACTIVE,
    NOBODY,
    NOBODY_TWICE,
    OUTBOUND_ONLY,
    PATIENT,
    PAUSED,
    UNKNOWN,
    WorkerPorts,
)
from support.polling import eventually
from support.sipp import Sipp
from support.stream_worker import HangingWorker, StreamWorker

pytestmark = [pytest.mark.peer, pytest.mark.asyncio]

REFUSALS = [
    pytest.param(UNKNOWN, 404, 1, "refused", id="unknown-number"),
    pytest.param(INACTIVE, 404, 1, "refused", id="inactive-number"),
    pytest.param(OUTBOUND_ONLY, 603, 21, "refused", id="outbound-only-number"),
    pytest.param(PAUSED, 486, 17, "unavailable", id="paused-agent"),
    pytest.param(NOBODY, 480, 18, "unavailable", id="worker-not-running"),
    pytest.param(NOBODY_TWICE, 480, 18, "unavailable", id="no-worker-running"),
]


@pytest.mark.parametrize("transport", ["udp", "tcp"])
@pytest.mark.parametrize(("number", "status", "cause", "outcome"), REFUSALS)
async def test_call_that_no_agent_can_take_is_refused(
    edge: EdgeProcess,
    sipp: Sipp,
    worker_ports: WorkerPorts,
    number: str,
    status: int,
    cause: int,
    outcome: str,
    transport: str,
) -> None:
    before = edge.metric("sip_edge_calls_total", outcome=outcome)
    async with StreamWorker(worker_ports.ada) as worker:
        await sipp.call(
            "refused", number=number, transport=transport, values={"status": status, "cause": cause}
        )
        await eventually(
            lambda: edge.metric("sip_edge_calls_total", outcome=outcome),
            lambda count: count == before + 1,
            what=f"calls that ended as {outcome}",
        )
    assert worker.calls == []


async def test_worker_that_refuses_the_upgrade_and_no_fallback_is_a_480(
    sipp: Sipp, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada, refuse_with=500) as worker:
        await sipp.call("refused", number=ADA, values={"status": 480, "cause": 18})
    assert worker.refused == 1


@pytest.mark.parametrize("transport", ["udp", "tcp"])
async def test_caller_that_gives_up_gets_487_and_the_hanging_worker_is_let_go(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts, transport: str
) -> None:
    before = edge.metric("sip_edge_calls_total", outcome="caller_left")
    async with HangingWorker(worker_ports.ada) as worker:
        await sipp.call("caller_gives_up", number=PATIENT, transport=transport)
        await eventually(lambda: worker.closed, what="connections to the worker closed")
    assert worker.opened == 1
    await eventually(
        lambda: edge.metric("sip_edge_calls_total", outcome="caller_left"),
        lambda count: count == before + 1,
        what="calls whose caller left",
    )
