"""What arrives on the edge's sockets besides well-behaved calls: repetitions, silence, rubbish."""

from __future__ import annotations

import random

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA, PATIENT, UNKNOWN, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, TcpPhone, UdpPhone
from support.stream_worker import HangingWorker, StreamWorker

pytestmark = pytest.mark.asyncio


def caller_at(phone: UdpPhone | TcpPhone, number: str, name: str) -> Caller:
    """A caller whose answers come to this phone."""
    host, port = phone.address
    transport = "TCP" if isinstance(phone, TcpPhone) else "UDP"
    return Caller(host=host, port=port, number=number, name=name, transport=transport)


async def test_repeated_invite_is_one_call_and_gets_the_same_answer(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    before = edge.metric("sip_edge_invites_total")
    async with (
        StreamWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        caller = caller_at(phone, ADA, "repeated")
        for _ in range(3):
            phone.send(caller.invite())
        answer = await phone.final()
        phone.send(caller.ack(answer))
        phone.send(caller.bye(answer))
        assert (await phone.final("BYE")).status == 200
        await (await worker.next_call()).ended()
    assert answer.status == 200
    assert len(worker.calls) == 1
    assert edge.metric("sip_edge_invites_total") == before + 1


async def test_repeated_invite_hears_100_again_while_the_worker_is_asked(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        HangingWorker(worker_ports.ada) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
    ):
        caller = caller_at(phone, PATIENT, "impatient")
        phone.send(caller.invite())
        assert (await phone.receive()).status == 100
        phone.send(caller.invite())
        assert (await phone.receive()).status in (100, 180)
        cancel = caller.invite(body="").replace("INVITE ", "CANCEL ", 1)
        phone.send(cancel.replace(" INVITE\r\n", " CANCEL\r\n"))
        assert (await phone.final("CANCEL")).status == 200
        refusal = await phone.final()
        phone.send(caller.ack(refusal, branch="1"))
        await eventually(lambda: worker.closed == worker.opened, what="worker let go")
    assert refusal.status == 487


async def test_refused_invite_that_comes_again_is_no_new_call(edge: EdgeProcess) -> None:
    before = edge.metric("sip_edge_invites_total")
    async with TcpPhone((edge.host, edge.sip_port)) as phone:
        caller = caller_at(phone, UNKNOWN, "straggler")
        phone.send(caller.invite())
        refusal = await phone.final()
        # Over a stream the ACK ends the transaction at once; what comes then is known all the same.
        phone.send(caller.ack(refusal, branch="1"))
        phone.send(caller.invite() + caller.invite())
        bye = caller.invite(body="").replace("INVITE ", "BYE ", 1).replace(" INVITE\r", " BYE\r")
        phone.send(bye)
        answer = await phone.receive()
    assert (refusal.status, answer.status, answer.method) == (404, 481, "BYE")
    assert edge.metric("sip_edge_invites_total") == before + 1


async def test_answer_is_repeated_until_it_is_acknowledged(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada), UdpPhone((edge.host, edge.sip_port)) as phone:
        caller = caller_at(phone, ADA, "silent")
        phone.send(caller.invite())
        answers = [await phone.final() for _ in range(3)]
        phone.send(caller.ack(answers[0]))
        phone.send(caller.bye(answers[0]))
        bye = await phone.final("BYE")
    assert [answer.status for answer in answers] == [200, 200, 200]
    assert len({(answer.headers, answer.body) for answer in answers}) == 1
    assert bye.status == 200


async def test_request_in_no_dialog_gets_481(edge: EdgeProcess) -> None:
    async with UdpPhone((edge.host, edge.sip_port)) as phone:
        caller = caller_at(phone, ADA, "stranger")
        bye = caller.invite(body="").replace("INVITE ", "BYE ", 1).replace(" INVITE\r", " BYE\r")
        phone.send(bye.replace("@127.0.0.1>\r\nCall-ID", "@127.0.0.1>;tag=unheard-of\r\nCall-ID"))
        assert (await phone.final("BYE")).status == 481


async def test_rubbish_on_the_socket_disturbs_no_call(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    rubbish = random.Random(1)
    async with (
        StreamWorker(worker_ports.ada, echo=True) as worker,
        UdpPhone((edge.host, edge.sip_port)) as phone,
        UdpPhone((edge.host, edge.sip_port)) as vandal,
    ):
        caller = caller_at(phone, ADA, "undisturbed")
        phone.send(caller.invite())
        answer = await phone.final()
        phone.send(caller.ack(answer))
        invite = caller_at(vandal, UNKNOWN, "vandal").invite().encode()
        for size in range(0, 400):
            vandal.send(rubbish.randbytes(size))
            spoiled = bytearray(invite)
            for _ in range(8):
                spoiled[rubbish.randrange(len(spoiled))] = rubbish.randrange(256)
            vandal.send(bytes(spoiled))
            vandal.send(invite[: rubbish.randrange(len(invite))])
        vandal.send(b"\r\n\r\n")
        vandal.send(b"A" * 60_000)
        call = await worker.next_call()
        edge.check_health()
        requests = [message for message in phone.waiting() if message.status == 0]
        assert requests == []
        phone.send(caller.bye(answer))
        assert (await phone.final("BYE")).status == 200
        await call.ended()
    assert call.is_stopped


async def test_keep_alive_over_tcp_is_answered_and_messages_may_come_in_pieces(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada), TcpPhone((edge.host, edge.sip_port)) as phone:
        phone.send(b"\r\n\r\n")
        assert await phone.read(2) == b"\r\n"
        caller = caller_at(phone, ADA, "pieces")
        invite = caller.invite().encode()
        phone.send(b"\r\n" + invite[:100])
        assert (await eventually(lambda: edge.http_status("/healthz"), what="health")) == 200
        phone.send(invite[100:])
        answer = await phone.final()
        # The ACK and the BYE in one piece, with a keep-alive between them: its pong comes last.
        phone.send(caller.ack(answer) + "\r\n\r\n" + caller.bye(answer))
        assert (await phone.final("BYE")).status == 200
        assert await phone.read(2) == b"\r\n"


async def test_stream_that_is_no_sip_is_closed_and_harms_nobody(edge: EdgeProcess) -> None:
    async with TcpPhone((edge.host, edge.sip_port)) as phone:
        phone.send(b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n" * 50)
        await phone.closed_by_the_edge()
    edge.check_health()
