"""Calls from baresip: sound in both directions, compared with what was said at the other end."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.baresip import Baresip
from support.edge_process import EdgeProcess
from support.line_plan import ADA, WorkerPorts
from support.polling import eventually
from support.sound import RATE, find, from_ulaw, speech_like, to_ulaw
from support.stream_worker import StreamWorker, WorkerCall

pytestmark = [pytest.mark.peer, pytest.mark.asyncio]

CALLER_SAYS = speech_like(30, seed=11)
AGENT_SAYS = speech_like(3, seed=12)
HEARD = 0.75
"""The share of half seconds that must have arrived well; a busy machine may spoil one or two."""


@pytest.mark.parametrize(
    ("codec", "transport"), [("pcmu", "udp"), ("pcma", "udp"), ("pcmu", "tcp")]
)
async def test_caller_and_agent_hear_each_other(
    edge: EdgeProcess,
    worker_ports: WorkerPorts,
    baresip_folder: Path,
    codec: str,
    transport: str,
) -> None:
    async def say_it_all_at_once(call: WorkerCall) -> None:
        await call.say(to_ulaw(AGENT_SAYS))
        await call.mark("said")

    async with (
        StreamWorker(worker_ports.ada, say_it_all_at_once) as worker,
        Baresip(baresip_folder, says=CALLER_SAYS, codec=codec, transport=transport) as phone,
    ):
        await phone.dial(f"sip:{ADA}@{edge.address};transport={transport}")
        call = await worker.next_call()
        await eventually(lambda: call.marks, what="the mark after the agent's words")
        await call.heard_at_least(4)
        await phone.hang_up()
        await call.ended()
    by_agent = find(CALLER_SAYS[: 3 * 8000], from_ulaw(bytes(call.heard)))
    by_caller = find(AGENT_SAYS, phone.heard())
    print(f"the agent heard {by_agent}; the caller heard {by_caller}")
    assert by_agent.share >= HEARD, by_agent
    assert by_agent.is_in_order, by_agent
    assert by_caller.share >= HEARD, by_caller
    assert by_caller.is_in_order, by_caller
    assert call.is_stopped


async def test_each_key_that_the_caller_presses_reaches_the_agent_once(
    edge: EdgeProcess, worker_ports: WorkerPorts, baresip_folder: Path
) -> None:
    async with (
        StreamWorker(worker_ports.ada) as worker,
        Baresip(baresip_folder, says=CALLER_SAYS) as phone,
    ):
        await phone.dial(f"sip:{ADA}@{edge.address}")
        call = await worker.next_call()
        for count, key in enumerate("7*#0", start=1):
            await phone.press(key)
            await eventually(lambda: call.digits, lambda d, n=count: len(d) >= n, what="digits")
        await phone.hang_up()
        await call.ended()
    assert call.digits == ["7", "*", "#", "0"]


async def test_agent_that_hangs_up_ends_the_call_after_its_last_word(
    edge: EdgeProcess, worker_ports: WorkerPorts, baresip_folder: Path
) -> None:
    async def say_good_bye_and_leave(call: WorkerCall) -> None:
        await call.say(to_ulaw(AGENT_SAYS))
        await call.hang_up(1000)

    async with (
        StreamWorker(worker_ports.ada, say_good_bye_and_leave),
        Baresip(baresip_folder, says=CALLER_SAYS) as phone,
    ):
        await phone.dial(f"sip:{ADA}@{edge.address}")
        await phone.wait_for("CALL_CLOSED")
    by_caller = find(AGENT_SAYS, phone.heard())
    assert by_caller.share >= HEARD, by_caller


async def test_agent_that_clears_its_words_is_silent_at_once_and_gets_its_marks_back(
    edge: EdgeProcess, worker_ports: WorkerPorts, baresip_folder: Path
) -> None:
    async with (
        StreamWorker(worker_ports.ada) as worker,
        Baresip(baresip_folder, says=CALLER_SAYS) as phone,
    ):
        await phone.dial(f"sip:{ADA}@{edge.address}")
        call = await worker.next_call()
        await call.say(to_ulaw(AGENT_SAYS))
        await call.mark("first")
        await call.say(to_ulaw(speech_like(60, seed=13)))
        await call.mark("second")
        await eventually(lambda: call.marks, what="the mark after the first words")
        assert call.marks == ["first"]
        await call.clear()
        await eventually(lambda: call.marks, lambda marks: len(marks) == 2, what="marks")
        await call.heard_at_least(len(call.heard) / RATE + 2)
        await phone.hang_up()
    assert call.marks == ["first", "second"]
    assert find(AGENT_SAYS, phone.heard()).share >= HEARD
    # A minute was queued; after what was on its way there is silence.
    assert np.abs(phone.heard()[-RATE:]).max() < 100
