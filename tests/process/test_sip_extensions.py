"""What callers may add to a call, on the whole process: keys in INFO, session timers, 100rel."""

from __future__ import annotations

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, PATIENT, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, Received, UdpPhone
from support.stream_worker import HangingWorker, StreamWorker

pytestmark = pytest.mark.asyncio


def caller_at(phone: UdpPhone, number: str, name: str) -> Caller:
    host, port = phone.address
    return Caller(host=host, port=port, number=number, name=name)


def with_headers(request: str, *headers: str) -> str:
    """A request with more header lines."""
    return request.replace("Max-Forwards: 70\r\n", "\r\n".join(["Max-Forwards: 70", *headers, ""]))


def within(
    caller: Caller, answer: Received, method: str, cseq: int, *headers: str, body: str = ""
) -> str:
    """Another request of the dialog, made of the BYE that the caller would send."""
    request = caller.bye(answer, cseq=cseq).replace("BYE ", f"{method} ", 1)
    request = request.replace(f"{cseq} BYE", f"{cseq} {method}").replace(
        f"{caller.name}bye;", f"{caller.name}{method}{cseq};"
    )
    length = request.replace("Content-Length: 0", f"Content-Length: {len(body)}")
    return with_headers(length, *headers) + body


async def test_keys_in_info_reach_the_worker(edge: EdgeProcess, worker_ports: WorkerPorts) -> None:
    async with (
        StreamWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        caller = caller_at(phone, ADA, "keys-in-info")
        phone.send(caller.invite())
        answer = await phone.final()
        phone.send(caller.ack(answer))
        call = await worker.next_call()
        for cseq, (content_type, body) in enumerate(
            [
                ("application/dtmf-relay", "Signal=5\r\nDuration=160\r\n"),
                ("application/dtmf", "#"),
                ("application/dtmf-relay", "Signal=0\r\nDuration=90\r\n"),
            ],
            start=2,
        ):
            header = f"Content-Type: {content_type}"
            phone.send(within(caller, answer, "INFO", cseq, header, body=body))
            assert (await phone.final("INFO")).status == 200
        await eventually(lambda: call.digits == ["5", "#", "0"], what="keys")
        odd = within(caller, answer, "INFO", 5, "Content-Type: text/plain", body="5")
        phone.send(odd)
        refusal = await phone.final("INFO")
        phone.send(caller.bye(answer, cseq=6))
        assert (await phone.final("BYE")).status == 200
        await call.ended()
    assert (refusal.status, refusal.header("Accept")) == (
        415,
        "application/dtmf-relay, application/dtmf",
    )


async def test_session_interval_is_agreed_on_and_a_short_one_refused(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada), UdpPhone((edge.host, edge.sip_port)) as phone:
        hasty = caller_at(phone, ADA, "hasty")
        phone.send(with_headers(hasty.invite(), "Supported: timer", "Session-Expires: 60"))
        refusal = await phone.final()
        phone.send(hasty.ack(refusal, branch="1"))
        caller = caller_at(phone, ADA, "patient-caller")
        interval = "Session-Expires: 900;refresher=uac"
        phone.send(with_headers(caller.invite(), "Supported: timer", interval))
        answer = await phone.final()
        phone.send(caller.ack(answer))
        phone.send(within(caller, answer, "UPDATE", 2, "Supported: timer", interval))
        refreshed = await phone.final("UPDATE")
        phone.send(caller.bye(answer, cseq=3))
        assert (await phone.final("BYE")).status == 200
    assert (refusal.status, refusal.header("Min-SE")) == (422, "90")
    for response in (answer, refreshed):
        assert (response.status, response.body != "") == (200, response is answer)
        assert response.header("Session-Expires") == "900;refresher=uac"
        assert response.header("Require") == "timer"


async def test_ringing_is_reliable_for_a_caller_that_requires_it(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        HangingWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        caller = caller_at(phone, PATIENT, "reliable")
        invite = with_headers(caller.invite(), "Require: 100rel")
        phone.send(invite)
        while (ringing := await phone.receive()).status != 180:
            assert ringing.status == 100
        assert (await phone.receive()).header("RSeq") == ringing.header("RSeq")
        phone.send(within(caller, ringing, "PRACK", 2, "RAck: 1 1 BYE"))
        assert (await phone.final("PRACK")).status == 481
        rack = f"RAck: {ringing.header('RSeq')} 1 INVITE"
        phone.send(within(caller, ringing, "PRACK", 3, rack))
        assert (await phone.final("PRACK")).status == 200
        cancel = caller.invite(body="").replace("INVITE ", "CANCEL ", 1)
        phone.send(cancel.replace(" INVITE\r\n", " CANCEL\r\n"))
        assert (await phone.final("CANCEL")).status == 200
        refusal = await phone.final()
        phone.send(caller.ack(refusal, branch="1"))
        await eventually(lambda: worker.closed == worker.opened, what="worker let go")
    assert ringing.header("Require") == "100rel"
    assert refusal.status == 487


async def test_other_requests_within_a_call_get_their_answers_and_the_call_goes_on(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        StreamWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        caller = caller_at(phone, ADA, "parade")
        phone.send(caller.invite())
        answer = await phone.final()
        phone.send(caller.ack(answer))
        sdp = caller.invite().partition("\r\n\r\n")[2]
        parade = [
            # Method, CSeq, headers, body, and what it gets.
            ("UPDATE", 2, ["Content-Type: application/sdp"], sdp, 200),
            ("UPDATE", 3, [], "", 200),
            ("OPTIONS", 4, [], "", 200),
            ("NOTIFY", 5, ["Event: refer"], "", 200),
            ("REFER", 6, ["Refer-To: <sip:x@127.0.0.1>"], "", 405),
            ("GREET", 7, [], "", 501),
            ("PRACK", 8, ["RAck: 1 1 INVITE"], "", 481),
            ("OPTIONS", 9, ["Require: foo"], "", 420),
            ("INFO", 10, ["Info-Package: foo"], "", 469),
            ("INFO", 2, [], "", 500),
        ]
        statuses = {}
        for method, cseq, headers, body, _ in parade:
            phone.send(within(caller, answer, method, cseq, *headers, body=body))
            response = await phone.final(method)
            statuses[method, cseq] = response.status
            if (method, cseq) == ("UPDATE", 2):
                assert response.media_port == answer.media_port
        phone.send(caller.bye(answer, cseq=11))
        assert (await phone.final("BYE")).status == 200
        await (await worker.next_call()).ended()
    assert statuses == {(method, cseq): status for method, cseq, _, _, status in parade}
