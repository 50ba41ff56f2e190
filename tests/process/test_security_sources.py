"""Who is let in: strangers, secrets, proxies of our own, accounts, and one call too many."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest
from support.edge_process import CARRIERS, EdgeProcess
from support.line_plan import ADA, TELNYX, TWILIO, UNKNOWN, WorkerPorts, write_plan
from support.polling import eventually
from support.postgres import PostgresServer
from support.raw_sip import Caller, Received, TcpPhone, UdpPhone
from support.stream_worker import StreamWorker

pytestmark = pytest.mark.asyncio

STRANGER = "127.9.9.9"
GUARDED = "127.0.74.1"
PROXY = "127.0.75.1"
AT_TWILIO = "127.0.54.1"
AT_TELNYX = "127.0.64.1"
SECRET = "correct-horse-battery-staple"
ACCOUNT = "AC" + "a" * 32


@pytest.fixture(scope="module")
def guarded(
    tmp_path_factory: pytest.TempPathFactory,
    embedded_postgres: PostgresServer,
    worker_ports: WorkerPorts,
) -> Iterator[EdgeProcess]:
    """An edge with a carrier that has a secret, a proxy, and accounts that are looked at."""
    guarded = {"networks": ["127.0.74.0/24"], "country": "US"}
    settings = {
        "SIP_EDGE__CARRIERS": json.dumps({**CARRIERS, "guarded": guarded}),
        "SIP_EDGE__CARRIERS__GUARDED__SECRET_HEADER": "X-Edge-Secret",
        "SIP_EDGE__CARRIERS__GUARDED__SECRET": SECRET,
        "SIP_EDGE__SIP__PROXIES": PROXY,
        "SIP_EDGE__SIP__ACCOUNT_CHECK": "enforce",
    }
    with embedded_postgres.database(migrated=True) as dsn:
        edge = EdgeProcess(tmp_path_factory.mktemp("guarded"), dsn=dsn, settings=settings)
        asyncio.run(_write_rows(edge, worker_ports))
        edge.start()
        yield edge
        edge.check_health()
        assert edge.stop() == 0
        assert SECRET not in edge.output


async def _write_rows(edge: EdgeProcess, ports: WorkerPorts) -> None:
    await write_plan(edge.dsn, ports)
    await edge.sql(
        "UPDATE phone_numbers SET provider_config = jsonb_build_object('account_sid', $1::text)"
        " WHERE phone_number = $2",
        ACCOUNT,
        TWILIO,
    )
    await edge.sql("UPDATE phone_numbers SET max_concurrent_calls = 1 WHERE phone_number = $1", ADA)


@asynccontextmanager
async def phone_at(edge: EdgeProcess, host: str) -> AsyncIterator[UdpPhone]:
    """A phone whose packets come from this address."""
    async with UdpPhone((edge.host, edge.sip_port), local=(host, 0)) as phone:
        yield phone


def caller_at(phone: UdpPhone, number: str, name: str) -> Caller:
    host, port = phone.address
    return Caller(host=host, port=port, number=number, name=name)


def with_headers(invite: str, *headers: str) -> str:
    return invite.replace("Max-Forwards: 70", "\r\n".join(["Max-Forwards: 70", *headers]))


async def final_status(phone: UdpPhone, caller: Caller, *headers: str) -> int:
    """The status of a call that ends as soon as it was answered."""
    phone.send(with_headers(caller.invite(), *headers))
    answer = await phone.final()
    await end(phone, caller, answer, *headers)
    return answer.status


async def end(phone: UdpPhone, caller: Caller, answer: Received, *headers: str) -> None:
    branch = "ack" if answer.status == 200 else "1"
    phone.send(with_headers(caller.ack(answer, branch=branch), *headers))
    if answer.status == 200:
        phone.send(with_headers(caller.bye(answer), *headers))
        assert (await phone.final("BYE")).status == 200


async def asked(phone: UdpPhone, caller: Caller, *headers: str) -> int:
    """The answer to OPTIONS, which comes after whatever was sent before it."""
    invite = with_headers(caller.invite(body=""), *headers)
    phone.send(invite.replace("INVITE ", "OPTIONS ", 1).replace(" INVITE\r", " OPTIONS\r"))
    return (await phone.final("OPTIONS")).status


async def test_stranger_gets_no_answer_whatever_it_sends_and_costs_one_count(
    guarded: EdgeProcess,
) -> None:
    async with phone_at(guarded, STRANGER) as stranger, phone_at(guarded, "127.0.0.1") as friend:
        before = guarded.metric("sip_edge_dropped_sources_total", transport="UDP")
        parsed = guarded.metric("sip_edge_sip_events_total", event="parse_error")
        invites = guarded.metric("sip_edge_invites_total")
        caller = caller_at(stranger, ADA, "stranger")
        sent = [
            caller.invite().encode(),
            caller.invite().encode()[:200],
            caller.invite().replace("CSeq: 1 INVITE", "CSeq: x").encode(),
            caller.invite(body="").replace("INVITE", "OPTIONS").encode(),
            b"\r\n\r\n",
            b"\x00" * 60_000,
            b"GET / HTTP/1.1\r\n\r\n",
        ]
        for data in sent:
            stranger.send(data)
        assert await asked(friend, caller_at(friend, ADA, "friend")) == 200
        assert stranger.waiting() == []
    dropped = guarded.metric("sip_edge_dropped_sources_total", transport="UDP") - before
    assert dropped == len(sent)
    assert guarded.metric("sip_edge_sip_events_total", event="parse_error") == parsed
    assert guarded.metric("sip_edge_invites_total") == invites


async def test_strangers_connection_is_closed_without_a_word(guarded: EdgeProcess) -> None:
    before = guarded.metric("sip_edge_dropped_sources_total", transport="TCP")
    try:
        async with TcpPhone((guarded.host, guarded.sip_port), local_host=STRANGER) as phone:
            phone.send(b"\r\n\r\n")
            with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
                await phone.read(1)
    except ConnectionError:
        pass  # It was closed before we had looked.
    assert guarded.metric("sip_edge_dropped_sources_total", transport="TCP") == before + 1


async def test_carrier_with_a_secret_must_bring_it_and_nobody_is_told(
    guarded: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada) as worker, phone_at(guarded, GUARDED) as phone:
        none = await final_status(phone, caller_at(phone, ADA, "none"))
        wrong = await final_status(
            phone, caller_at(phone, ADA, "wrong"), f"X-Edge-Secret: {SECRET[:-1]}f"
        )
        unknown = await final_status(phone, caller_at(phone, UNKNOWN, "unknown"))
        right = await final_status(
            phone, caller_at(phone, ADA, "right"), f"X-Edge-Secret: {SECRET}"
        )
        call = await worker.next_call()
        await call.ended()
    assert (none, wrong, unknown, right) == (403, 403, 403, 200)
    assert SECRET not in json.dumps(call.start)
    await eventually(
        lambda: guarded.metric("sip_edge_calls_refused_total", refusal="wrong_secret"),
        lambda count: count == 3,
        what="refusals counted",
    )


async def test_proxys_header_decides_whose_call_it_is(
    guarded: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada), phone_at(guarded, PROXY) as phone:
        from_telnyx = f"X-Source-Address: {AT_TELNYX}"
        answered = await final_status(phone, caller_at(phone, TELNYX, "proxied"), from_telnyx)
        others = await final_status(phone, caller_at(phone, ADA, "others"), from_telnyx)
    assert (answered, others) == (200, 404)


async def test_request_that_a_proxy_passes_on_for_a_stranger_gets_no_answer(
    guarded: EdgeProcess,
) -> None:
    before = guarded.metric("sip_edge_dropped_sources_total", transport="UDP")
    async with phone_at(guarded, PROXY) as phone:
        caller = caller_at(phone, ADA, "relayed")
        phone.send(caller.invite())
        phone.send(with_headers(caller.invite(), f"X-Source-Address: {STRANGER}"))
        # What it asks for itself is answered.
        assert await asked(phone, caller_at(phone, ADA, "probe")) == 200
        assert phone.waiting() == []
    assert guarded.metric("sip_edge_dropped_sources_total", transport="UDP") == before + 2


async def test_proxys_header_is_not_believed_of_anybody_else(guarded: EdgeProcess) -> None:
    async with phone_at(guarded, STRANGER) as stranger, phone_at(guarded, AT_TWILIO) as twilio:
        caller = caller_at(stranger, TWILIO, "forger")
        stranger.send(with_headers(caller.invite(), f"X-Source-Address: {AT_TWILIO}"))
        forged = caller_at(twilio, TELNYX, "forged")
        status = await final_status(twilio, forged, f"X-Source-Address: {AT_TELNYX}")
        assert stranger.waiting() == []
    assert status == 404


async def test_number_answers_only_the_account_that_it_belongs_to(
    guarded: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada), phone_at(guarded, AT_TWILIO) as phone:
        statuses = [
            await final_status(phone, caller_at(phone, TWILIO, f"account{n}"), *headers)
            for n, headers in enumerate(
                (
                    [f"X-Twilio-AccountSid: {ACCOUNT}"],
                    [f"X-Twilio-AccountSid: AC{'b' * 32}"],
                    [],
                )
            )
        ]
    assert statuses == [200, 404, 200]
    assert guarded.metric("sip_edge_calls_refused_total", refusal="other_account") == 1


async def test_number_takes_as_many_calls_as_it_may_and_then_the_next_again(
    guarded: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    async with StreamWorker(worker_ports.ada), phone_at(guarded, "127.0.0.1") as phone:
        first = caller_at(phone, ADA, "first")
        phone.send(first.invite())
        answer = await phone.final()
        second = await final_status(phone, caller_at(phone, ADA, "second"))
        elsewhere = await final_status(phone, caller_at(phone, TELNYX, "elsewhere"))
        await end(phone, first, answer)
        numbers = iter(range(100))

        async def again() -> int:
            return await final_status(phone, caller_at(phone, ADA, f"again{next(numbers)}"))

        await eventually(again, lambda status: status == 200, what="status of the next call")
    assert (answer.status, second, elsewhere) == (200, 486, 200)
    assert guarded.metric("sip_edge_calls_refused_total", refusal="number_busy") >= 1
