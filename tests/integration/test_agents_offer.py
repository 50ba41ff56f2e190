"""Offering a call to real servers: what counts as accepted, and what every failure is called."""

from __future__ import annotations

import asyncio
import hashlib
import struct
from base64 import b64encode

import pytest
from support.descriptors import open_sockets
from support.gateway import websocket_agents
from support.loops import on_both_loops
from support.offer_world import TRUSTING, until
from support.offers import ACCOUNT_SID, AGENT_ID, CALL_ID, CALL_SID, STREAM_SID
from support.offers import agent_at as agent
from support.offers import agent_offer as offer
from support.offers import call_facts as facts
from support.offers import call_timeline as timeline
from support.workers import scripted_worker, switching_protocols, tcp_server

from sip_edge.agents.settings import WorkerSettings
from sip_edge.routing.plan import WorkerOptions
from sip_edge.routing.timeline import Stage

# Accepted


@on_both_loops
async def test_a_worker_that_answers_101_was_told_of_the_start_first() -> None:
    async with scripted_worker() as worker, websocket_agents() as agents:
        marks = timeline()
        session = await agents.offer(
            agent(worker.url),
            offer(facts(forwarded_headers={"X-Customer": "7"}), attempt=2, failover_reason="dns"),
            marks,
        )
        call = await worker.call()

        assert await call.receive() == {
            "event": "connected",
            "protocol": "Call",
            "version": "1.0.0",
        }
        assert await call.receive() == {
            "event": "start",
            "sequenceNumber": "1",
            "streamSid": STREAM_SID,
            "start": {
                "accountSid": ACCOUNT_SID,
                "streamSid": STREAM_SID,
                "callSid": CALL_SID,
                "tracks": ["inbound"],
                "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
                "customParameters": {
                    "X-Customer": "7",
                    "from_number": "+12025550123",
                    "to_number": "+12025550199",
                    "agent_id": AGENT_ID,
                    "call_id": CALL_ID,
                    "attempt": "2",
                    "failover_reason": "dns",
                },
            },
        }
        assert session.end is None
        connected, accepted = marks.at(Stage.WORKER_CONNECT), marks.at(Stage.WORKER_ACCEPT)
        assert connected is not None
        assert accepted is not None
        assert connected <= accepted


@pytest.mark.asyncio
async def test_the_upgrade_asks_for_no_extension_and_names_no_origin() -> None:
    async with scripted_worker() as worker, websocket_agents() as agents:
        await agents.offer(agent(worker.url + "/a?b=c"), offer(), timeline())
        call = await worker.call()

        assert call.path == "/ws/a?b=c"
        assert call.headers.get_all("Host") == [f"127.0.0.1:{worker.port}"]
        for name in ("Origin", "Sec-WebSocket-Extensions", "Authorization", "X-Twilio-Signature"):
            assert name not in call.headers


@pytest.mark.asyncio
async def test_connected_and_start_arrive_in_one_piece() -> None:
    received = asyncio.get_running_loop().create_future()

    async def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(switching_protocols(request))
        received.set_result(await reader.read(65_536))
        await reader.read()

    async with tcp_server(accept) as port, websocket_agents() as agents:
        await agents.offer(agent(f"ws://127.0.0.1:{port}/"), offer(), timeline())
        piece = await received

    frames = []
    while piece:
        assert piece[0] == 0x81, "a whole text message"
        assert piece[1] & 0x80, "masked, as a client must"
        size, head = piece[1] & 0x7F, 2
        if size == 126:
            size, head = struct.unpack_from("!H", piece, 2)[0], 4
        frames.append(piece[head + 4 : head + 4 + size])
        piece = piece[head + 4 + size :]
    assert len(frames) == 2


@pytest.mark.asyncio
async def test_the_request_carries_the_signature_and_the_token() -> None:
    options = WorkerOptions(signing_secret="env:SIGNING", bearer_token="env:TOKEN")
    environment = {"SIGNING": "12345", "TOKEN": "s3cret"}
    async with (
        scripted_worker() as worker,
        websocket_agents(environment=environment) as agents,
    ):
        await agents.offer(agent(worker.url, options=options), offer(), timeline())
        call = await worker.call()

        digest = hashlib.sha1(usedforsecurity=False)
        # RFC 2104 by hand, so that the same library call is not on both sides.
        key = b"12345".ljust(64, b"\x00")
        digest.update(bytes(byte ^ 0x36 for byte in key) + worker.url.encode())
        outer = hashlib.sha1(bytes(byte ^ 0x5C for byte in key) + digest.digest())
        assert call.headers["X-Twilio-Signature"] == b64encode(outer.digest()).decode()
        assert call.headers["Authorization"] == "Bearer s3cret"


@on_both_loops
async def test_a_worker_behind_tls_is_verified_by_name() -> None:
    async with (
        scripted_worker(tls=True) as worker,
        websocket_agents(settings=TRUSTING, names={"worker.test": "127.0.0.1"}) as agents,
    ):
        session = await agents.offer(
            agent(f"wss://worker.test:{worker.port}/ws"), offer(), timeline()
        )
        call = await worker.call()

        assert call.headers["Host"] == f"worker.test:{worker.port}"
        await call.receive_start()
        assert session.end is None


@on_both_loops
async def test_the_next_address_is_tried_when_the_first_is_silent_or_refuses() -> None:
    # 192.0.2.0/24 is for documentation: connecting gets no answer, or an error at once.
    async with (
        scripted_worker() as worker,
        websocket_agents(
            settings=WorkerSettings(connect_stagger_seconds=0.05),
            names={"many.test": ("192.0.2.1", "127.0.0.2", "127.0.0.1")},
        ) as agents,
    ):
        await agents.offer(agent(f"ws://many.test:{worker.port}/"), offer(), timeline())

        call = await worker.call()
        assert call.headers["Host"] == f"many.test:{worker.port}"


@on_both_loops
async def test_losers_of_the_race_for_a_connection_are_closed() -> None:
    async with (
        scripted_worker(host="0.0.0.0") as worker,
        websocket_agents(
            settings=WorkerSettings(connect_stagger_seconds=0.0),
            names={"many.test": ("127.0.0.1", "127.0.0.2", "127.0.0.3")},
        ) as agents,
    ):
        before = open_sockets()
        session = await agents.offer(agent(f"ws://many.test:{worker.port}/"), offer(), timeline())
        call = await worker.call()

        session.hang_up()
        await call.closed()
        await until(lambda: not agents.connections)
        await until(lambda: open_sockets() <= before)
