"""Calls over TLS: what the answer must say, who may come in, and certificates that are renewed."""

from __future__ import annotations

import asyncio
import re
import signal
import ssl
from pathlib import Path

import numpy as np
import pytest
from support.baresip import Baresip
from support.edge_process import TLS_FILES, EdgeProcess
from support.line_plan import ADA, UNKNOWN, WorkerPorts
from support.polling import eventually
from support.raw_sip import Caller, TcpPhone
from support.sip_listener import accept
from support.sound import find, from_ulaw, speech_like, to_ulaw
from support.stream_worker import StreamWorker, WorkerCall

pytestmark = pytest.mark.asyncio

CALLER_SAYS = speech_like(30, seed=21)
AGENT_SAYS = speech_like(3, seed=22)
HEARD = 0.75
"""The share of half seconds that must have arrived well; a busy machine may spoil one or two."""


def trusting(name: str = "edge") -> ssl.SSLContext:
    """What a carrier with this certificate's authority would demand."""
    return ssl.create_default_context(cafile=str(TLS_FILES / f"{name}.pem"))


def caller_at(phone: TcpPhone, number: str, name: str) -> Caller:
    host, port = phone.address
    return Caller(host=host, port=port, number=number, name=name, transport="TLS")


async def test_answer_over_tls_names_tls_and_the_call_stays_on_its_connection(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        StreamWorker(worker_ports.ada) as worker,
        TcpPhone((edge.host, edge.tls_port), tls=trusting()) as phone,
    ):
        caller = caller_at(phone, ADA, "tls-call")
        phone.send(caller.invite())
        answer = await phone.final()
        phone.send(caller.ack(answer))
        call = await worker.next_call()
        await call.hang_up(1000)
        bye = await phone.receive()
        phone.send(accept(bye))

    assert answer.status == 200
    assert re.fullmatch(
        rf"sip:[^@]+@127\.0\.0\.1:{edge.tls_port};transport=tls", answer.contact_uri
    )
    assert bye.first_line.startswith("BYE ")
    assert re.match(rf"SIP/2\.0/TLS 127\.0\.0\.1:{edge.tls_port};", bye.header("Via"))


async def test_sips_request_is_answered_with_a_sips_contact(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with (
        StreamWorker(worker_ports.ada),
        TcpPhone((edge.host, edge.tls_port), tls=trusting()) as phone,
    ):
        caller = caller_at(phone, ADA, "sips-call")
        phone.send(caller.invite().replace(f"INVITE sip:{ADA}", f"INVITE sips:{ADA}", 1))
        answer = await phone.final()
        phone.send(caller.ack(answer))
        phone.send(caller.bye(answer))
        assert (await phone.final("BYE")).status == 200

    assert answer.contact_uri.startswith("sips:")
    assert f"@127.0.0.1:{edge.tls_port}" in answer.contact_uri


async def test_message_in_pieces_over_tls_and_a_ping_are_understood(edge: EdgeProcess) -> None:
    async with TcpPhone((edge.host, edge.tls_port), tls=trusting()) as phone:
        caller = caller_at(phone, UNKNOWN, "tls-pieces")
        invite = caller.invite().encode()
        for start in range(0, len(invite), 100):
            phone.send(invite[start : start + 100])
            await asyncio.sleep(0.005)
        refusal = await phone.final()
        phone.send(caller.ack(refusal, branch="1"))
        phone.send(b"\r\n\r\n")
        assert await phone.read(2) == b"\r\n"

    assert refusal.status == 404


async def test_stranger_is_closed_before_a_handshake(edge: EdgeProcess) -> None:
    before = edge.metric("sip_edge_dropped_sources_total", transport="TLS")
    async with TcpPhone((edge.host, edge.tls_port), local_host="127.0.9.9") as phone:
        await phone.closed_by_the_edge()

    assert edge.metric("sip_edge_dropped_sources_total", transport="TLS") == before + 1


async def test_renewed_certificate_is_in_use_after_sighup_and_a_broken_one_is_not(
    edge: EdgeProcess,
) -> None:
    async with TcpPhone((edge.host, edge.tls_port), tls=trusting("edge")) as phone:
        try:
            edge.install_certificate("renewed")
            edge.signal(signal.SIGHUP)
            expiry = "sip_edge_tls_certificate_expiry_timestamp_seconds"
            await eventually(
                lambda: edge.metric(expiry), lambda at: at == 4957113600.0, what="the new date"
            )
            async with TcpPhone((edge.host, edge.tls_port), tls=trusting("renewed")) as other:
                other.send(b"\r\n\r\n")
                assert await other.read(2) == b"\r\n"
            edge.key.write_text("nonsense")
            edge.signal(signal.SIGHUP)
            failures = "sip_edge_tls_failures_total"
            await eventually(lambda: edge.metric(failures, what="certificate"), what="the failure")
            async with TcpPhone((edge.host, edge.tls_port), tls=trusting("renewed")) as other:
                other.send(b"\r\n\r\n")
                assert await other.read(2) == b"\r\n"
        finally:
            edge.install_certificate("edge")
            edge.signal(signal.SIGHUP)
        phone.send(b"\r\n\r\n")
        assert await phone.read(2) == b"\r\n"
    await eventually(
        lambda: edge.metric(expiry), lambda at: at == 4949164800.0, what="the first date again"
    )


@pytest.mark.peer
async def test_baresip_and_agent_hear_each_other_over_tls(
    edge: EdgeProcess, worker_ports: WorkerPorts, baresip_folder: Path
) -> None:
    async def say_it_all_at_once(call: WorkerCall) -> None:
        await call.say(to_ulaw(AGENT_SAYS))
        await call.mark("said")

    async with (
        StreamWorker(worker_ports.ada, say_it_all_at_once) as worker,
        Baresip(baresip_folder, says=CALLER_SAYS, transport="tls") as phone,
    ):
        await phone.dial(f"sip:{ADA}@{edge.host}:{edge.tls_port};transport=tls")
        call = await worker.next_call()
        await eventually(lambda: call.marks, what="the mark after the agent's words")
        await call.heard_at_least(4)
        await call.hang_up(1000)
        await phone.wait_for("CALL_CLOSED")
    by_agent = find(CALLER_SAYS[: 3 * 8000], from_ulaw(bytes(call.heard)))
    by_caller = find(AGENT_SAYS, phone.heard())

    assert by_agent.share >= HEARD, by_agent
    assert by_caller.share >= HEARD, by_caller
    assert np.abs(phone.heard()).max() > 1000


@pytest.mark.parametrize(
    ("authority", "code", "said"), [("edge.pem", 0, ""), ("ca.pem", 1, "not answered: ")]
)
async def test_test_phone_calls_over_tls_and_only_whom_it_can_trust(
    edge: EdgeProcess, worker_ports: WorkerPorts, authority: str, code: int, said: str
) -> None:
    async def say_something(call: WorkerCall) -> None:
        await call.say(to_ulaw(AGENT_SAYS))

    async with StreamWorker(worker_ports.ada, say_something):
        done = await asyncio.to_thread(
            edge.run_with,
            {"SSL_CERT_FILE": str(TLS_FILES / authority)},
            *("call", ADA, "--transport", "tls", "--seconds", "1"),
            *("--to", f"{edge.host}:{edge.tls_port}"),
        )

    assert done.returncode == code, done.stderr
    assert said in done.stderr


async def test_check_config_tells_what_is_wrong_with_the_certificate(
    edge: EdgeProcess, tmp_path: Path
) -> None:
    good = edge.run("check-config")
    expired = edge.run_with(
        {
            "SIP_EDGE__SIP__TLS_CERTIFICATE_FILE": str(TLS_FILES / "expired.pem"),
            "SIP_EDGE__SIP__TLS_KEY_FILE": str(TLS_FILES / "expired.key"),
        },
        "check-config",
    )
    bad = edge.run_with(
        {
            "SIP_EDGE__SIP__TLS_KEY_FILE": str(TLS_FILES / "renewed.key"),
            "SIP_EDGE__SIP__TLS_CA_FILE": str(tmp_path / "missing.pem"),
        },
        "check-config",
    )

    assert (good.returncode, "warning" in good.stderr) == (0, False)
    assert expired.returncode == 0
    assert "warning: the TLS certificate expired on 2021-01-01 00:00 UTC" in expired.stderr
    assert bad.returncode == 2
    assert "is not the key of the certificate" in bad.stderr
    assert f"sip.tls_ca_file {tmp_path}/missing.pem: No such file or directory" in bad.stderr
