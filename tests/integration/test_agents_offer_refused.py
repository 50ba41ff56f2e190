"""Offers that no worker takes, and offers that are given up."""

from __future__ import annotations

import asyncio
import socket
import struct
from dataclasses import replace
from ipaddress import ip_network

import pytest
from support.descriptors import open_sockets
from support.gateway import websocket_agents
from support.loops import on_both_loops
from support.offer_world import BRIEFLY, TRUSTING, failure_of, until
from support.offers import agent_at as agent
from support.offers import agent_offer as offer
from support.offers import call_timeline as timeline
from support.workers import scripted_worker, switching_protocols, tcp_server

from sip_edge.agents.settings import WorkerSettings
from sip_edge.agents.websocket import WebSocketAgents
from sip_edge.routing.outcome import AttemptFailure
from sip_edge.routing.plan import WorkerOptions

# Not accepted


@on_both_loops
async def test_a_name_that_does_not_exist_is_a_dns_failure() -> None:
    async with websocket_agents() as agents:
        error = await failure_of(agents, agent("ws://nobody.test/"))

    assert error.failure is AttemptFailure.DNS
    assert error.detail == "nobody.test: not found"


@pytest.mark.asyncio
async def test_a_name_server_that_does_not_answer_is_a_dns_failure_in_time() -> None:
    async with websocket_agents(names={"silent.test": None}) as agents:
        error = await failure_of(
            agents, agent("ws://silent.test/"), offer(accept_timeout_seconds=0.05)
        )

    assert error.failure is AttemptFailure.DNS


@on_both_loops
async def test_a_closed_port_refuses() -> None:
    async with scripted_worker() as worker:
        port = worker.port
    async with websocket_agents() as agents:
        error = await failure_of(agents, agent(f"ws://127.0.0.1:{port}/ws/t0ken"))

    assert error.failure is AttemptFailure.REFUSED
    assert error.detail == f"127.0.0.1:{port}: Connection refused"


@on_both_loops
async def test_an_address_without_a_route_is_unreachable() -> None:
    async with websocket_agents(settings=WorkerSettings(denied_networks=())) as agents:
        error = await failure_of(agents, agent("ws://255.255.255.255:7860/"))

    assert error.failure is AttemptFailure.UNREACHABLE


@on_both_loops
async def test_a_status_other_than_101_is_told_with_its_code() -> None:
    async with scripted_worker(status=503) as worker, websocket_agents() as agents:
        error = await failure_of(agents, agent(worker.url))

    assert error.failure is AttemptFailure.HTTP_STATUS
    assert error.detail == f"127.0.0.1:{worker.port}: HTTP 503 instead of 101"


@pytest.mark.parametrize(
    ("answer", "failure", "detail"),
    [
        (b"HTTP/1.1 302 Found\r\nLocation: ws://127.0.0.1:1/\r\n\r\n", "HTTP_STATUS", "HTTP 302"),
        (b"HTTP/1.1 522 \r\n\r\n", "HTTP_STATUS", "HTTP 522"),
        (b"HTTP/1.1 503\r\n\r\n", "HTTP_STATUS", "HTTP 503"),
        (b"HTTP/1.0 404 File not found\r\n\r\n", "HTTP_STATUS", "HTTP 404"),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi", "HTTP_STATUS", "HTTP 200"),
        (b"HTTP/1.1 101 Switching Protocols\r\n\r\n", "BAD_HANDSHAKE", "upgrade"),
        (b"SSH-2.0-OpenSSH_9.2p1\r\n\r\n", "BAD_HANDSHAKE", "ssh"),
        (b"\x15\x03\x01\x00\x02\x02\x46", "BAD_HANDSHAKE", "closed without an answer"),
        (b"", "BAD_HANDSHAKE", "closed without an answer"),
        (b"HTTP/1.1 101 Switching Protocols\r\nX: " + b"x" * 20_000, "BAD_HANDSHAKE", "max_size"),
    ],
    ids=lambda value: value[:30].decode("latin-1") if isinstance(value, bytes) else None,
)
@on_both_loops
async def test_odd_answers_to_the_upgrade_are_told_apart(
    answer: bytes, failure: str, detail: str
) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        await writer.drain()
        writer.close()

    async with tcp_server(behave) as port, websocket_agents() as agents:
        before = open_sockets()
        error = await failure_of(agents, agent(f"ws://127.0.0.1:{port}/"))
        await until(lambda: open_sockets() <= before)

    assert error.failure is AttemptFailure[failure]
    assert detail in error.detail
    assert len(error.detail) < 200


@pytest.mark.asyncio
async def test_a_101_for_another_request_is_a_bad_handshake() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(switching_protocols(request, key="AAAAAAAAAAAAAAAAAAAAAA=="))
        await reader.read()

    async with tcp_server(behave) as port, websocket_agents() as agents:
        error = await failure_of(agents, agent(f"ws://127.0.0.1:{port}/"))

    assert error.failure is AttemptFailure.BAD_HANDSHAKE


@on_both_loops
async def test_a_worker_that_closes_right_behind_its_101_has_not_taken_the_call() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(switching_protocols(request) + b"\x88\x02\x03\xf3")
        await reader.read()

    async with tcp_server(behave) as port, websocket_agents() as agents:
        error = await failure_of(agents, agent(f"ws://127.0.0.1:{port}/"))

    assert error.failure is AttemptFailure.CLOSED_EARLY
    assert "error_code" in error.detail


@on_both_loops
async def test_a_worker_that_closes_after_101_and_before_the_answer_shows_in_the_end() -> None:
    async with scripted_worker() as worker, websocket_agents() as agents:
        session = await agents.offer(agent(worker.url), offer(), timeline())
        call = await worker.call()
        await call.close(1013)

        assert (await session.wait_ended()).is_failure


@pytest.mark.parametrize("scheme", ["ws", "wss"])
@on_both_loops
async def test_a_server_that_accepts_tcp_and_never_answers_is_given_up_in_time(
    scheme: str,
) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with tcp_server(behave) as port, websocket_agents() as agents:
        before = open_sockets()
        error = await failure_of(
            agents,
            agent(f"{scheme}://127.0.0.1:{port}/"),
            offer(accept_timeout_seconds=BRIEFLY),
        )
        await until(lambda: open_sockets() <= before)

    assert error.failure is AttemptFailure.TIMEOUT
    assert error.detail == f"127.0.0.1:{port}: no answer to the upgrade within 0.2 s"


@on_both_loops
async def test_an_address_that_swallows_packets_is_given_up_in_time() -> None:
    # A listener whose queue is full drops further connection attempts, as a black hole does.
    with socket.socket() as listener, socket.socket() as first, socket.socket() as second:
        listener.bind(("127.0.0.1", 0))
        listener.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(listener.getsockname())
        port = listener.getsockname()[1]
        async with websocket_agents() as agents:
            error = await failure_of(
                agents, agent(f"ws://127.0.0.1:{port}/"), offer(accept_timeout_seconds=BRIEFLY)
            )

    assert error.failure is AttemptFailure.TIMEOUT
    assert error.detail == f"127.0.0.1:{port}: no TCP connection within 0.2 s"


@pytest.mark.parametrize(
    ("settings", "host", "words"),
    [
        (WorkerSettings(), "127.0.0.1", "certificate verify failed"),
        (TRUSTING, "other.test", "not valid for 'other.test'"),
    ],
    ids=["unknown CA", "other name"],
)
@on_both_loops
async def test_a_certificate_that_does_not_fit_is_a_tls_failure(
    settings: WorkerSettings, host: str, words: str
) -> None:
    async with (
        scripted_worker(tls=True) as worker,
        websocket_agents(settings=settings, names={"other.test": "127.0.0.1"}) as agents,
    ):
        before = open_sockets()
        error = await failure_of(agents, agent(f"wss://{host}:{worker.port}/"))
        await until(lambda: open_sockets() <= before)

    assert error.failure is AttemptFailure.TLS
    assert words in error.detail


@on_both_loops
async def test_a_server_without_tls_is_a_tls_failure_for_wss() -> None:
    async with scripted_worker() as worker, websocket_agents() as agents:
        error = await failure_of(agents, agent(f"wss://127.0.0.1:{worker.port}/"))

    assert error.failure is AttemptFailure.TLS


@pytest.mark.parametrize("behind", ["ws", "wss"])
@on_both_loops
async def test_a_connection_reset_instead_of_an_answer_is_no_defect(behind: str) -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))

    async with tcp_server(behave) as port, websocket_agents() as agents:
        before = open_sockets()
        for _ in range(20):
            error = await failure_of(agents, agent(f"{behind}://127.0.0.1:{port}/"))
            assert error.failure in {
                AttemptFailure.BAD_HANDSHAKE,
                AttemptFailure.TLS,
                AttemptFailure.REFUSED,
            }
        await until(lambda: open_sockets() <= before)


@pytest.mark.parametrize(
    ("url", "detail"),
    [
        (None, "the agent has no worker_url"),
        ("https://agent.example/ws", "worker_url must begin with ws:// or wss://"),
        ("ws://u:s3cret@agent.example/", "worker_url must not hold a user or a password"),
        ("ws://agent.example/#x", "worker_url must not hold a fragment"),
    ],
)
@pytest.mark.asyncio
async def test_a_url_that_cannot_be_dialled_is_a_fault_of_the_configuration(
    url: str | None, detail: str
) -> None:
    async with websocket_agents() as agents:
        error = await failure_of(agents, agent(url))

    assert error.failure is AttemptFailure.MISCONFIGURED
    assert error.detail == detail


@pytest.mark.asyncio
async def test_a_missing_secret_is_a_fault_of_the_configuration_and_nobody_is_dialled() -> None:
    options = WorkerOptions(bearer_token="env:MISSING")
    async with websocket_agents() as agents:
        error = await failure_of(agents, agent("ws://nobody.test/", options=options))

    assert error.failure is AttemptFailure.MISCONFIGURED
    assert error.detail == "bearer_token: the environment variable MISSING is not set"


@pytest.mark.parametrize(
    "host", ["169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]", "metadata.test"]
)
@pytest.mark.asyncio
async def test_a_metadata_service_is_never_dialled_even_by_name(host: str) -> None:
    async with websocket_agents(names={"metadata.test": "169.254.169.254"}) as agents:
        error = await failure_of(agents, agent(f"ws://{host}/latest/meta-data"))

    assert error.failure is AttemptFailure.FORBIDDEN_ADDRESS


@pytest.mark.asyncio
async def test_only_allowed_networks_are_dialled_when_there_are_any() -> None:
    settings = replace(TRUSTING, allowed_networks=(ip_network("192.0.2.0/24"),))
    async with scripted_worker() as worker, websocket_agents(settings=settings) as agents:
        error = await failure_of(agents, agent(worker.url))

    assert error.failure is AttemptFailure.FORBIDDEN_ADDRESS


@pytest.mark.asyncio
async def test_secrets_and_paths_stay_out_of_errors() -> None:
    options = WorkerOptions(signing_secret="env:SIGNING", bearer_token="env:TOKEN")
    environment = {"SIGNING": "s1gning", "TOKEN": "t0ken"}
    async with (
        scripted_worker(status=401) as worker,
        websocket_agents(environment=environment) as agents,
    ):
        error = await failure_of(agents, agent(worker.url + "/p4th?q=s3cret", options=options))

    told = f"{error!r} {error} {error.detail} {error.__cause__!r}"
    for secret in ("s1gning", "t0ken", "p4th", "s3cret"):
        assert secret not in told


# Given up


async def cancelled_while(agents: WebSocketAgents, url: str, is_waiting: asyncio.Event) -> None:
    """Offer, wait until the server says that we wait for it, and cancel."""
    tasks_before = asyncio.all_tasks()
    attempt = asyncio.ensure_future(agents.offer(agent(url), offer(), timeline()))
    await is_waiting.wait()
    attempt.cancel()
    with pytest.raises(asyncio.CancelledError):
        await attempt
    await until(lambda: not agents.connections)
    ours = {task for task in asyncio.all_tasks() - tasks_before if "dial" in task.get_name()}
    assert ours == set()


@pytest.mark.parametrize(("scheme", "serves_tls"), [("ws", False), ("wss", False), ("wss", True)])
@on_both_loops
async def test_cancelling_an_offer_closes_the_connection_in_the_middle_of_a_handshake(
    scheme: str, serves_tls: bool
) -> None:
    is_waiting = asyncio.Event()
    is_closed = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        is_waiting.set()
        while await reader.read(65_536):
            pass
        is_closed.set()

    async with (
        tcp_server(behave, tls=serves_tls) as port,
        websocket_agents(settings=TRUSTING) as agents,
    ):
        before = open_sockets()
        await cancelled_while(agents, f"{scheme}://127.0.0.1:{port}/", is_waiting)
        async with asyncio.timeout(10.0):
            await is_closed.wait()
        await until(lambda: open_sockets() <= before)


@on_both_loops
async def test_cancelling_an_offer_while_a_name_is_looked_up_leaves_nothing() -> None:
    async with websocket_agents(names={"silent.test": None}) as agents:
        attempt = asyncio.ensure_future(
            agents.offer(agent("ws://silent.test/"), offer(), timeline())
        )
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt


@on_both_loops
async def test_an_offer_cancelled_just_as_it_is_accepted_is_closed_properly() -> None:
    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(switching_protocols(request))
        await writer.drain()
        attempt.cancel()
        while await reader.read(65_536):
            pass
        is_closed.set()

    is_closed = asyncio.Event()
    async with (
        tcp_server(behave) as port,
        websocket_agents(settings=WorkerSettings(close_timeout_seconds=0.1)) as agents,
    ):
        before = open_sockets()
        attempt = asyncio.ensure_future(
            agents.offer(agent(f"ws://127.0.0.1:{port}/"), offer(), timeline())
        )
        with pytest.raises(asyncio.CancelledError):
            await attempt
        async with asyncio.timeout(10.0):
            await is_closed.wait()
        await until(lambda: not agents.connections and open_sockets() <= before)
