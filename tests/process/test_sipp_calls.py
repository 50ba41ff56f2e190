"""Calls from SIPp that are answered: who answers them, how they end, over UDP and TCP."""

from __future__ import annotations

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, ADA_THEN_BOB, NOBODY_THEN_BOB, PAUSED_THEN_BOB, WorkerPorts
from support.polling import eventually
from support.sipp import Sipp
from support.sound import find, from_ulaw, speech_like, to_ulaw
from support.stream_worker import HangingWorker, StreamWorker, WorkerCall

pytestmark = [pytest.mark.peer, pytest.mark.asyncio]

TALK = {"talk_ms": 400}
both_transports = pytest.mark.parametrize("transport", ["udp", "tcp"])


async def outcome_of(edge: EdgeProcess, outcome: str, before: float) -> None:
    """Wait until one more call than `before` has ended with this outcome."""
    await eventually(
        lambda: edge.metric("sip_edge_calls_total", outcome=outcome),
        lambda count: count == before + 1,
        what=f"calls that ended as {outcome}",
    )


@both_transports
async def test_agent_answers_and_learns_when_the_caller_hangs_up(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts, transport: str
) -> None:
    before = edge.metric("sip_edge_calls_total", outcome="agent")
    async with StreamWorker(worker_ports.ada) as worker:
        await sipp.call("caller_hangs_up", number=ADA, transport=transport, values=TALK)
        call = await worker.next_call()
        await call.ended()
    assert call.is_stopped
    assert call.parameters["to_number"] == ADA
    assert call.parameters["from_number"] == "+12025550123"
    assert call.path == "/ada?for=tests"
    await outcome_of(edge, "agent", before)


@both_transports
async def test_record_routes_come_back_and_a_private_contact_is_no_obstacle(
    sipp: Sipp, worker_ports: WorkerPorts, transport: str
) -> None:
    async with StreamWorker(worker_ports.ada):
        await sipp.call("caller_behind_proxies", number=ADA, transport=transport, values=TALK)


@both_transports
async def test_worker_that_closes_normally_ends_the_call_through_the_carriers_proxies(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts, transport: str
) -> None:
    before = edge.metric("sip_edge_call_ends_total", by="agent")

    async def say_a_word_and_leave(call: WorkerCall) -> None:
        await call.say(to_ulaw(speech_like(0.5, seed=1)))
        await call.heard_at_least(0.1)  # Who closes before the answer has not taken the call.
        await call.hang_up(1000)

    async with StreamWorker(worker_ports.ada, say_a_word_and_leave):
        await sipp.call("worker_hangs_up", number=ADA, transport=transport)
    await eventually(
        lambda: edge.metric("sip_edge_call_ends_total", by="agent"),
        lambda count: count == before + 1,
        what="calls that the agent ended",
    )


@both_transports
async def test_compact_headers_without_spaces_are_understood(
    sipp: Sipp, worker_ports: WorkerPorts, transport: str
) -> None:
    async with StreamWorker(worker_ports.ada):
        await sipp.call("compact_headers", number=ADA, transport=transport, values=TALK)


async def test_number_without_a_plus_reaches_the_same_agent(
    sipp: Sipp, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada) as worker:
        await sipp.call("caller_hangs_up", number=ADA.removeprefix("+"), values=TALK)
        call = await worker.next_call()
    assert call.parameters["to_number"] == ADA


async def test_fallback_answers_when_nobody_listens_at_the_primary(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts
) -> None:
    before = edge.metric("sip_edge_calls_total", outcome="fallback")
    async with StreamWorker(worker_ports.bob) as bob:
        await sipp.call("caller_hangs_up", number=NOBODY_THEN_BOB, values=TALK)
        call = await bob.next_call()
    assert call.parameters["attempt"] == "2"
    assert call.parameters["failover_reason"]
    await outcome_of(edge, "fallback", before)


async def test_fallback_answers_when_the_primary_refuses_the_call(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts
) -> None:
    before = edge.metric("sip_edge_calls_total", outcome="fallback")
    async with (
        StreamWorker(worker_ports.ada, refuse_with=503) as ada,
        StreamWorker(worker_ports.bob) as bob,
    ):
        await sipp.call("caller_hangs_up", number=ADA_THEN_BOB, values=TALK)
        await bob.next_call()
    assert ada.refused == 1
    await outcome_of(edge, "fallback", before)


async def test_fallback_answers_when_the_primary_never_says_yes(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts
) -> None:
    before = edge.metric("sip_edge_calls_total", outcome="fallback")
    async with HangingWorker(worker_ports.ada) as ada, StreamWorker(worker_ports.bob) as bob:
        await sipp.call("caller_hangs_up", number=ADA_THEN_BOB, values=TALK)
        await bob.next_call()
        await eventually(lambda: ada.closed, what="connections that the edge gave up")
    assert ada.opened == 1
    await outcome_of(edge, "fallback", before)


async def test_paused_primary_is_skipped_without_being_asked(
    sipp: Sipp, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada) as ada, StreamWorker(worker_ports.bob) as bob:
        await sipp.call("caller_hangs_up", number=PAUSED_THEN_BOB, values=TALK)
        await bob.next_call()
    assert ada.calls == []


async def test_worker_hears_what_sipp_plays(
    sipp: Sipp, worker_ports: WorkerPorts, tmp_path_factory: pytest.TempPathFactory
) -> None:
    speech = speech_like(3, seed=2)
    sound = tmp_path_factory.mktemp("sound") / "speech.ulaw"
    sound.write_bytes(to_ulaw(speech))
    async with StreamWorker(worker_ports.ada) as worker:
        await sipp.call("caller_talks", number=ADA, values={"talk_ms": 4000, "sound": str(sound)})
        call = await worker.next_call()
        await call.ended()
    match = find(speech, from_ulaw(bytes(call.heard)))
    assert match.share >= 0.75, match
    assert match.is_in_order, match
