"""RFC 4475 and RFC 5118 on the edge's sockets, scored by the corpora's verdicts.

Once as they are, and once with the Request-URI turned to a number that answers, so that no 404
hides what is checked later. Only branches and Call-IDs are made each message's own. After every
message an OPTIONS shows that the edge has dealt with it; afterwards it takes an ordinary call.
"""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, Received, TcpPhone, UdpPhone
from support.stream_worker import StreamWorker
from support.torture import TortureMessage, torture_messages

pytestmark = pytest.mark.asyncio

HOST = "127.0.0.77"
"""An address of the carrier's that nobody else uses: answers without `rport` come to its 5060."""


def probe(mark: str, port: int, transport: str) -> str:
    """An OPTIONS whose answer shows that all before it has been looked at."""
    return "\r\n".join(
        [
            "OPTIONS sip:ping@127.0.0.1 SIP/2.0",
            f"Via: SIP/2.0/{transport} {HOST}:{port};branch=z9hG4bKprobe{mark};rport",
            f"From: <sip:probe@{HOST}>;tag=probe",
            "To: <sip:ping@127.0.0.1>",
            f"Call-ID: probe-{mark}",
            "CSeq: 1 OPTIONS",
            "Max-Forwards: 70",
            "Content-Length: 0",
            "",
            "",
        ]
    )


def follow_up(answer: Received, method: str) -> str:
    """The ACK of an answer to an INVITE, or the BYE of its call, from what it echoes."""
    number = int((answer.header("CSeq") or "0").split()[0]) + (method == "BYE")
    uri, via = f"sip:{ADA}@127.0.0.1", answer.header("Via")
    if answer.status < 300:
        uri = answer.contact_uri
        via = f"SIP/2.0/UDP {HOST};branch=z9hG4bK{method}{answer.header('Call-ID')[:40]}"
    lines = [f"{method} {uri} SIP/2.0", f"Via: {via}"]
    lines += [f"{name}: {answer.header(name)}" for name in ("From", "To", "Call-ID")]
    lines += [f"CSeq: {number} {method}", "Max-Forwards: 70", "Content-Length: 0", "", ""]
    return "\r\n".join(lines)


async def answers_to(
    phone: UdpPhone | TcpPhone, message: TortureMessage, mark: str
) -> list[Received]:
    """All final answers to a message; its call, if it makes one, is ended."""
    transport = "TCP" if isinstance(phone, TcpPhone) else "UDP"
    phone.send(message.data)
    phone.send(probe(mark, phone.address[1], transport))
    finals: list[Received] = []
    is_pending = is_probed = False
    while is_pending or not is_probed:
        try:
            got = await phone.receive()
        except (asyncio.IncompleteReadError, ConnectionError):
            break  # A stream whose framing is lost is closed.
        call_id, cseq = got.header("Call-ID"), got.header("CSeq")
        if call_id == f"probe-{mark}":
            is_probed = True
        elif (call_id and not call_id.startswith(mark)) or got in finals:
            continue  # Of the call of a message before, or a repetition.
        elif cseq.endswith(" BYE") and message.method != "BYE":
            continue  # The end of the call that the message made.
        elif got.status == 100:
            is_pending = True
        elif got.status >= 200:
            finals.append(got)
            is_pending = False
            if message.method == "INVITE":
                phone.send(follow_up(got, "ACK"))
            if message.method == "INVITE" and got.status < 300:
                phone.send(follow_up(got, "BYE"))
    return finals


async def score(edge: EdgeProcess, messages: list[TortureMessage], run: str) -> list[str]:
    """Send them all; what was not answered as it should be."""
    wrong = []
    async with AsyncExitStack() as stack:
        phones = {
            port: await stack.enter_async_context(
                UdpPhone((edge.host, edge.sip_port), local=(HOST, port))
            )
            for port in {message.reply_port for message in messages}
        }
        for number, message in enumerate(messages):
            mark = f"{run}{number}x"
            marked = message.with_mark(mark)
            if message.transport == "UDP":
                answers = await answers_to(phones[message.reply_port], marked, mark)
            else:
                async with TcpPhone((edge.host, edge.sip_port), local_host=HOST) as phone:
                    answers = await answers_to(phone, marked, mark)
            statuses = [answer.status for answer in answers]
            print(f"{message.name} {statuses or 'silence'}")
            if not message.allows(statuses):
                wrong.append(f"{message.name} got {statuses}, not {sorted(message.accepts)}")
    return wrong


@pytest.mark.parametrize("number", [None, ADA], ids=["as they are", "to a number that answers"])
async def test_torture_messages_are_answered_as_the_rfcs_allow(
    edge: EdgeProcess, worker_ports: WorkerPorts, number: str | None
) -> None:
    messages = torture_messages()
    if not messages:
        pytest.skip("the torture messages of RFC 4475 and 5118 are not beside this repository")
    if number is not None:
        messages = [message.with_number(number) for message in messages]
    run = "u" if number is None else "n"
    async with StreamWorker(worker_ports.ada) as worker:
        wrong = await score(edge, messages, run)
        print(f"score: {len(messages) - len(wrong)} of {len(messages)}")
        assert wrong == []
        assert len(messages) == 49 + 12
        async with UdpPhone((edge.host, edge.sip_port)) as phone:
            host, port = phone.address
            caller = Caller(host=host, port=port, number=ADA, name=f"after-torture-{run}")
            phone.send(caller.invite())
            answer = await phone.final()
            phone.send(caller.ack(answer))
            phone.send(caller.bye(answer))
            assert (answer.status, (await phone.final("BYE")).status) == (200, 200)
        await eventually(lambda: all(call.is_stopped for call in worker.calls), what="calls ended")
