"""Nothing from the wire reaches a log, a label, a row or a worker unescaped or unbounded.

And no line of the log holds a whole phone number.
"""

from __future__ import annotations

import json
import re

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, NOBODY, VOICEMAIL, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, Received, UdpPhone
from support.stream_worker import StreamWorker

pytestmark = pytest.mark.asyncio

CLEAR_SCREEN = "\x1b[2J\x1b]0;owned\x07"
NASTY = [
    CLEAR_SCREEN,
    "%n%s%x{}{0}%(x)s$(id)`id`",
    "'); DROP TABLE calls; --",
    '"}],"event":"call_ended","forged":"',
    "../../../../etc/passwd",
    "\N{RIGHT-TO-LEFT OVERRIDE}\N{LINE SEPARATOR}\N{ZERO WIDTH JOINER}",
    "<script>alert(1)</script>",
    "\x9b31m\x85\x7f",
    "x" * 1_000,
    "x" * 5_000,
]
CONTROLS = re.compile(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u2028\u2029\u202e]")


def hostile(caller: Caller, nasty: str) -> str:
    """An INVITE with this text wherever a caller may put text of its own."""
    quoted = nasty.replace("\\", "\\\\").replace('"', '\\"')
    invite = caller.invite()
    invite = invite.replace("From: <", f'From: "{quoted}" <', 1)
    lines = [
        "Max-Forwards: 70",
        f"Subject: {nasty}",
        f"User-Agent: {nasty}",
        f"X-Case: {nasty}",
        f"X-Twilio-CallSid: {nasty}",
        f"X-Telnyx-Session-ID: {nasty}",
        f'P-Asserted-Identity: "{quoted}" <sip:+12025550123@example.com>',
        f'Diversion: "{quoted}" <sip:{nasty.strip()[:50]}@example.com>',
    ]
    return invite.replace("Max-Forwards: 70", "\r\n".join(lines), 1)


async def finish(phone: UdpPhone, caller: Caller, answer: Received, nasty: str) -> None:
    """End the call with the same text in the BYE; without it, should that be refused."""
    phone.send(caller.ack(answer, branch="ack" if answer.status == 200 else "1"))
    if answer.status == 200:
        reason = f'Max-Forwards: 70\r\nReason: Q.850;cause=16;text="{nasty}"'
        phone.send(caller.bye(answer).replace("Max-Forwards: 70", reason))
        if (await phone.final("BYE")).status != 200:
            phone.send(caller.bye(answer, cseq=3).replace(";rport", "2;rport", 1))
            assert (await phone.final("BYE")).status == 200


def series(edge: EdgeProcess) -> set[tuple[str, tuple[tuple[str, str], ...]]]:
    return {(sample.name, tuple(sorted(sample.labels.items()))) for sample in edge.samples()}


@pytest.mark.parametrize("nasty", NASTY, ids=range(len(NASTY)))
async def test_hostile_text_of_a_caller_is_harmless_everywhere(
    edge: EdgeProcess, worker_ports: WorkerPorts, nasty: str
) -> None:
    before = series(edge)
    name = f"hostile{NASTY.index(nasty)}"
    async with (
        StreamWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        host, port = phone.address
        caller = Caller(host=host, port=port, number=ADA, name=name)
        phone.send(hostile(caller, nasty))
        answer = await phone.final()
        await finish(phone, caller, answer, nasty)
        for call in worker.calls:
            await call.ended()
    assert answer.status in (200, 400, 513)
    for call in worker.calls:
        assert not CONTROLS.search("".join(call.parameters.values()))
        assert max(map(len, call.parameters.values())) <= 256
        assert re.fullmatch(r"CA[0-9a-f]{32}", call.start["callSid"])
    assert series(edge) == before
    if answer.status == 200:
        await eventually(
            lambda: edge.sql("SELECT 1 FROM calls WHERE sip_call_id = $1", f"{name}@{host}"),
            what="row of the call",
        )
    check_log(edge)


def check_log(edge: EdgeProcess) -> None:
    """Each line is JSON, without anything that drives a terminal, and none is forged or endless."""
    lines = edge.output.rpartition("\n")[0].splitlines()  # The last one may not be whole yet.
    assert lines
    for line in lines:
        assert not CONTROLS.search(line)
        assert len(line) < 20_000
        assert "forged" not in json.loads(line)


@pytest.mark.parametrize("number", [ADA, NOBODY, VOICEMAIL])
async def test_log_of_a_call_holds_no_whole_phone_number(
    edge: EdgeProcess, worker_ports: WorkerPorts, number: str
) -> None:
    seen = len(edge.output)
    name = f"2025550123-{number[-4:]}"
    async with StreamWorker(worker_ports.ada), UdpPhone((edge.host, edge.sip_port)) as phone:
        host, port = phone.address
        caller = Caller(host=host, port=port, number=number, name=name)

        # PBXes make Call-IDs of numbers.
        def renamed(request: str) -> str:
            return request.replace(f"Call-ID: {name}@", "Call-ID: 12025550123@")

        phone.send(renamed(caller.invite()))
        answer = await phone.final()
        phone.send(renamed(caller.ack(answer, branch="ack" if answer.status == 200 else "1")))
        if answer.status == 200:
            phone.send(renamed(caller.bye(answer)))
            await phone.final("BYE")
    await eventually(lambda: "call_ended" in edge.output[seen:], what="the call's line")
    text = edge.output
    assert not re.search(r"2025550\d{3}|202-555-0\d{3}|%2B1202555", text)
    assert "+1202*****" in text[seen:]
