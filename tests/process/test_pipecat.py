"""pipecat's bot, unchanged, as the agent; baresip as the caller. Only the edge is ours."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from support.baresip import Baresip
from support.edge_process import EdgeProcess
from support.line_plan import PIPECAT, PIPECAT_EXPLICIT
from support.pipecat_bot import PipecatBot
from support.polling import eventually
from support.sound import RATE, Samples, find, speech_like

pytestmark = [pytest.mark.peer, pytest.mark.asyncio]

CALLER_SAYS = speech_like(40, seed=21)
TONE_HZ = 1000
"""What the bot plays for three seconds when the caller presses 1."""


async def seconds_pass(seconds: float, phone: Baresip) -> None:
    """Let the call go on; it must not end by itself."""
    with pytest.raises(AssertionError):
        await phone.wait_for("CALL_CLOSED", seconds=seconds)


def seconds_of_tone(heard: Samples) -> float:
    """For how long most of the energy was at TONE_HZ, in steps of 20 ms."""
    frames = heard[: len(heard) // 160 * 160].reshape(-1, 160)
    spectrum = np.abs(np.fft.rfft(frames, axis=1)) ** 2
    at_tone = spectrum[:, TONE_HZ * 160 // RATE]
    is_tone = (at_tone > 0.8 * spectrum.sum(axis=1)) & (at_tone > 1e9)
    return float(is_tone.sum()) * 0.02


async def test_caller_hears_what_pipecat_sends_back(
    edge: EdgeProcess, pipecat: PipecatBot, baresip_folder: Path
) -> None:
    log_before = len(pipecat.log)
    async with Baresip(baresip_folder, says=CALLER_SAYS) as phone:
        await phone.dial(f"sip:{PIPECAT}@{edge.address}")
        await seconds_pass(6, phone)
        await phone.hang_up()
        await eventually(
            lambda: "client disconnected" in pipecat.log[log_before:],
            what="the bot's socket is closed",
        )
    match = find(CALLER_SAYS[: 4 * RATE], phone.heard())
    print(f"echo through pipecat: {match}")
    assert match.share >= 0.75, match
    assert match.is_in_order, match
    log = pipecat.log[log_before:]
    assert "from=+12025550123" in log
    assert f"to={PIPECAT}" in log
    assert "Traceback" not in log


async def test_key_that_interrupts_pipecat_silences_it(
    edge: EdgeProcess, pipecat: PipecatBot, baresip_folder: Path
) -> None:
    log_before = len(pipecat.log)
    async with Baresip(baresip_folder, says=CALLER_SAYS * 0) as phone:
        await phone.dial(f"sip:{PIPECAT}@{edge.address}")
        await seconds_pass(1, phone)
        await phone.press("1")
        await seconds_pass(1, phone)
        await phone.press("*")
        await seconds_pass(4, phone)
        await phone.hang_up()
    log = pipecat.log[log_before:]
    assert "DTMF 1" in log
    assert "DTMF *" in log
    assert 0.2 < seconds_of_tone(phone.heard()) < 2.5


async def test_pipecat_that_hangs_up_ends_the_call(
    edge: EdgeProcess, pipecat_explicit: PipecatBot, baresip_folder: Path
) -> None:
    before = edge.metric("sip_edge_call_ends_total", by="agent")
    async with Baresip(baresip_folder, says=CALLER_SAYS) as phone:
        await phone.dial(f"sip:{PIPECAT_EXPLICIT}@{edge.address}")
        await seconds_pass(1, phone)
        await phone.press("#")
        await phone.wait_for("CALL_CLOSED")
    await eventually(
        lambda: edge.metric("sip_edge_call_ends_total", by="agent"),
        lambda count: count == before + 1,
        what="calls that the agent ended",
    )
    assert "Traceback" not in pipecat_explicit.log
