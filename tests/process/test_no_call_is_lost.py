"""Agents that are lost in mid-call, and callers whom no agent takes, with SIPp on the line."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, ADA_THEN_BOB, VOICEMAIL, WorkerPorts, agent_id
from support.polling import eventually
from support.sipp import Sipp
from support.sound import find, from_ulaw, read_wav, speech_like, to_ulaw
from support.stream_worker import StreamWorker, WorkerCall

pytestmark = [pytest.mark.peer, pytest.mark.asyncio]


@pytest.fixture
def speech(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty seconds that SIPp can say."""
    path = tmp_path_factory.mktemp("sound") / "speech.ulaw"
    path.write_bytes(to_ulaw(speech_like(20, seed=7)))
    return path


async def vanish_first(call: WorkerCall) -> None:
    """A worker whose process is killed one second after it took its first call."""
    await call.heard_at_least(1.0)
    if call.parameters["attempt"] == "1":
        call.vanish()


async def test_caller_goes_on_with_the_same_agent_when_its_worker_vanishes(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts, speech: Path
) -> None:
    values = {"talk_ms": 5000, "sound": str(speech)}
    async with StreamWorker(worker_ports.ada, vanish_first) as worker:
        await sipp.call("caller_talks", number=ADA, values=values)
        second = await worker.next_call(2)
        await second.ended()
    assert second.parameters["failover_reason"] == "no_close_frame"
    assert second.parameters["lost_agent_id"] == second.parameters["agent_id"]
    heard = find(speech_like(20, seed=7), from_ulaw(bytes(second.heard)))
    assert len(second.heard) > 2 * 8000
    assert max(heard.correlations) > 0.9


async def test_caller_is_moved_to_the_fallback_when_the_worker_is_gone_for_good(
    edge: EdgeProcess, sipp: Sipp, worker_ports: WorkerPorts, speech: Path
) -> None:
    values = {"talk_ms": 6000, "sound": str(speech)}
    before = edge.metric("sip_edge_moves_total", lost="error_code")
    async with StreamWorker(worker_ports.bob) as bob:
        async with StreamWorker(worker_ports.ada) as ada:
            calling = await sipp.start("caller_talks", number=ADA_THEN_BOB, values=values)
            first = await ada.next_call()
            await first.heard_at_least(0.5)
            ada.stop_listening()
            await first.hang_up(1011)
            call = await bob.next_call()
        await calling.succeeds()
    assert call.parameters["lost_agent_id"] == first.parameters["agent_id"]
    await eventually(
        lambda: edge.metric("sip_edge_moves_total", lost="error_code"),
        lambda count: count == before + 1,
        what="moves",
    )


async def test_caller_whom_no_agent_takes_leaves_a_message(
    edge: EdgeProcess, sipp: Sipp, speech: Path, tmp_path: Path
) -> None:
    before = edge.metric("sip_edge_voicemails_total", result="saved")
    values = {"talk_ms": 15_000, "sound": str(speech)}
    await sipp.call("caller_talks", number=VOICEMAIL, values=values)
    await eventually(
        lambda: edge.metric("sip_edge_voicemails_total", result="saved"),
        lambda count: count == before + 1,
        what="messages saved",
    )
    listing = ("voicemail", "list", "--json", "--number", VOICEMAIL)
    listed = await asyncio.to_thread(edge.run, *listing)
    message = json.loads(listed.stdout.splitlines()[0])
    assert message["seconds"] > 2
    assert message["agent_id"] == str(agent_id(3))
    exported = tmp_path / "message.wav"
    export = ("voicemail", "export", message["id"], "--to", str(exported))
    assert (await asyncio.to_thread(edge.run, *export)).returncode == 0
    kept = read_wav(exported)
    said = find(kept[: len(kept) // 4000 * 4000], speech_like(20, seed=7))
    assert said.share >= 0.6, said
