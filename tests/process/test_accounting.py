"""Many calls at once, of every kind: SIPp's count, the INVITEs and the outcomes are one number."""

from __future__ import annotations

import asyncio

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import (
    ADA,
    NOBODY,
    NOBODY_THEN_BOB,
    OUTBOUND_ONLY,
    PATIENT,
    UNKNOWN,
    WorkerPorts,
)
from support.polling import eventually
from support.sipp import Sipp
from support.stream_worker import HangingWorker, StreamWorker

pytestmark = [pytest.mark.peer, pytest.mark.asyncio]

RECORDED = (
    "select count(*) filter (where state = 'ended') as ended,"
    " count(*) filter (where state = 'open') as open from calls"
)
OUTCOMES = ("agent", "fallback", "refused", "unavailable", "caller_left")
CALLS = 10


async def test_every_call_that_sipp_made_has_exactly_one_outcome(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts
) -> None:
    before = counts(edge)
    rows_before = await edge.sql(RECORDED)
    invites_before = edge.metric("sip_edge_invites_total")
    answers_before = edge.metric("sip_edge_answers_total")
    async with StreamWorker(worker_ports.ada), StreamWorker(worker_ports.bob):
        runs = [
            await sipp.start("caller_hangs_up", number=ADA, calls=CALLS, values={"talk_ms": 500}),
            await sipp.start(
                "caller_hangs_up", number=NOBODY_THEN_BOB, calls=CALLS, values={"talk_ms": 500}
            ),
            await sipp.start(
                "refused", number=UNKNOWN, calls=CALLS, values={"status": 404, "cause": 1}
            ),
            await sipp.start(
                "refused", number=OUTBOUND_ONLY, calls=CALLS, values={"status": 603, "cause": 21}
            ),
            await sipp.start(
                "refused",
                number=NOBODY,
                calls=CALLS,
                transport="tcp",
                values={"status": 480, "cause": 18},
            ),
        ]
        results = list(await asyncio.gather(*(run.succeeds() for run in runs)))
    async with HangingWorker(worker_ports.ada):
        results.append(await sipp.call("caller_gives_up", number=PATIENT, calls=CALLS))
        await eventually(
            lambda: edge.metric("sip_edge_calls_active"), lambda n: n == 0, what="calls going on"
        )
    recorded = await edge.sql(RECORDED)
    for _ in range(100):
        if recorded[0]["ended"] - rows_before[0]["ended"] >= 6 * CALLS:
            break
        await asyncio.sleep(0.1)
        recorded = await edge.sql(RECORDED)
    made = sum(result.created for result in results)
    counted = {name: counts(edge)[name] - before[name] for name in OUTCOMES}
    invites = edge.metric("sip_edge_invites_total") - invites_before
    print(f"SIPp made {made} calls, the edge counted {invites:g} INVITEs and {counted}")
    assert made == 6 * CALLS
    assert invites == made
    assert recorded[0]["ended"] - rows_before[0]["ended"] == made
    assert recorded[0]["open"] == 0
    assert sum(counted.values()) == made
    answers = edge.metric("sip_edge_answers_total") - answers_before
    assert answers == counted["agent"] + counted["fallback"]
    assert counted == {
        "agent": CALLS,
        "fallback": CALLS,
        "refused": 2 * CALLS,
        "unavailable": CALLS,
        "caller_left": CALLS,
    }


def counts(edge: EdgeProcess) -> dict[str, float]:
    """Calls by outcome, so far."""
    return {name: edge.metric("sip_edge_calls_total", outcome=name) for name in OUTCOMES}
