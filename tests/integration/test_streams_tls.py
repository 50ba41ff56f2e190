"""TLS connections on the loopback: what is half open, who is turned away, what peers must prove."""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
from dataclasses import replace

import pytest
from support.loops import on_both_loops
from support.messages import request_bytes
from support.polling import eventually
from support.stream_world import LIMITS, TLS_FILES, is_closed, listening, trusting_context

from sip_edge.sip.flow import Address, Transport
from sip_edge.transport.connection_books import MAX_HANDSHAKES_PER_SOURCE, Refused
from sip_edge.transport.targets import Peer
from sip_edge.transport.tls import client_contexts

OPTIONS = request_bytes("OPTIONS", transport="TLS")
ROOMY = replace(LIMITS, max_connections=200, max_connections_per_source=200)


@on_both_loops
async def test_messages_arrive_over_tls_and_answers_go_back() -> None:
    async with listening(tls=True) as edge:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", edge.port, ssl=trusting_context()
        )
        for piece in (OPTIONS[:10], OPTIONS[10:] + OPTIONS[:50], OPTIONS[50:] + b"\r\n\r\n"):
            writer.write(piece)
            await asyncio.sleep(0.01)
        _, flow = await edge.receiver.next()
        assert (await edge.receiver.next())[0] == OPTIONS
        assert edge.connections.send(b"SIP/2.0 200 OK\r\n\r\n", flow)
        async with asyncio.timeout(10):
            assert await reader.readexactly(20) == b"\r\nSIP/2.0 200 OK\r\n\r\n"
        assert flow.transport is Transport.TLS
        writer.close()


@on_both_loops
async def test_message_longer_than_a_read_arrives_whole() -> None:
    long = request_bytes("OPTIONS", transport="TLS").replace(
        b"Content-Length: 0\r\n\r\n", b"Content-Length: 40000\r\n\r\n" + b"x" * 40_000
    )
    async with listening(tls=True) as edge:
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=trusting_context())
        writer.write(long + OPTIONS + long)
        received = [(await edge.receiver.next())[0] for _ in range(3)]
        writer.close()

    assert received == [long, OPTIONS, long]


@on_both_loops
async def test_stranger_is_closed_before_his_handshake_begins() -> None:
    async with listening(tls=True, may_speak=lambda host: False) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        assert await is_closed(reader)  # Not a byte: no ServerHello, no alert.
        writer.close()

        assert edge.receiver.refused == [Refused.STRANGER]
        assert edge.receiver.failed_handshakes == 0


@on_both_loops
async def test_handshake_that_is_never_ended_is_given_up() -> None:
    async with listening(replace(LIMITS, handshake_seconds=0.5), tls=True) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"\x16\x03\x01")
        assert await is_closed(reader)
        writer.close()

        assert edge.receiver.failed_handshakes == 1
        assert len(edge.connections) == 0


@on_both_loops
async def test_what_is_no_handshake_is_closed_and_counted() -> None:
    async with listening(tls=True) as edge:
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(OPTIONS)
        await eventually(lambda: edge.receiver.failed_handshakes, what="the failure")
        writer.close()

        assert edge.receiver.messages.empty()


@on_both_loops
async def test_caller_gets_in_while_another_has_all_his_handshakes_half_open() -> None:
    async with listening(ROOMY, tls=True) as edge:
        half_open = [
            await asyncio.open_connection("127.0.0.1", edge.port)
            for _ in range(MAX_HANDSHAKES_PER_SOURCE)
        ]
        reader, last = await asyncio.open_connection("127.0.0.1", edge.port)
        assert await is_closed(reader)
        _, writer = await asyncio.open_connection(
            "127.0.0.1", edge.port, ssl=trusting_context(), local_addr=("127.0.0.2", 0)
        )
        writer.write(OPTIONS)
        assert (await edge.receiver.next())[0] == OPTIONS
        assert edge.receiver.refused == [Refused.HANDSHAKES]
        for _, other in half_open:
            other.close()
        last.close()
        await eventually(
            lambda: edge.receiver.failed_handshakes,
            lambda count: count == MAX_HANDSHAKES_PER_SOURCE,
            what="the end of the half-open ones",
        )
        _, again = await asyncio.open_connection("127.0.0.1", edge.port, ssl=trusting_context())
        again.write(OPTIONS)
        await edge.receiver.next()
        again.close()
        writer.close()


@on_both_loops
async def test_place_of_a_handshake_that_failed_is_free_again() -> None:
    async with listening(tls=True) as edge:
        for count in range(1, 13):
            _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(b"GET / HTTP/1.0\r\n\r\n")
            await eventually(
                lambda: edge.receiver.failed_handshakes,
                lambda failed, count=count: failed == count,
                what="the failure",
            )
            writer.close()

        assert edge.receiver.refused == []


@on_both_loops
async def test_rubbish_resets_and_half_closes_at_any_moment_are_no_fault_of_ours() -> None:
    """The loop's exception handler counts faults of ours: nobody outside may reach it."""
    faults: list[object] = []
    loop = asyncio.get_running_loop()
    loop.set_exception_handler(lambda _, context: faults.append(context))
    async with listening(ROOMY, tls=True) as edge:
        for hello in (b"", b"\x16\x03\x01\x02\x00", _client_hello(), _client_hello()[:100]):
            for ending in ("close", "reset", "half", "rubbish"):
                raw = socket.create_connection(("127.0.0.1", edge.port))
                raw.sendall(hello)
                await asyncio.sleep(0.02)
                _end(raw, ending)
        for ending in ("close", "reset", "half", "rubbish"):
            raw = socket.create_connection(("127.0.0.1", edge.port))
            raw.setblocking(False)
            underneath = raw.dup()
            _, writer = await asyncio.open_connection(
                sock=raw, ssl=trusting_context(), server_hostname="localhost"
            )
            writer.write(OPTIONS)
            await edge.receiver.next()
            _end(underneath, ending)
            await asyncio.sleep(0.02)
            writer.transport.abort()
        await eventually(lambda: len(edge.connections), lambda count: count == 0, what="the end")
        async with asyncio.timeout(10):
            for _ in range(4):
                await edge.receiver.closed.get()

    assert faults == []


def _end(raw: socket.socket, ending: str) -> None:
    if ending == "rubbish":
        raw.send(b"\x17\x03\x03\x00\x10" + bytes(range(16)) + b"\xff" * 50)
    elif ending == "half":
        raw.shutdown(socket.SHUT_WR)
    elif ending == "reset":
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    raw.close()


def _client_hello() -> bytes:
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    client = trusting_context().wrap_bio(incoming, outgoing, server_hostname="localhost")
    with pytest.raises(ssl.SSLWantReadError):
        client.do_handshake()
    return outgoing.read()


@on_both_loops
async def test_peer_that_we_call_must_prove_its_name() -> None:
    contexts = client_contexts(TLS_FILES / "ca.pem", verify=True)
    async with listening(tls=True) as server, listening(client_context=contexts) as client:
        address = Address("127.0.0.1", server.port)
        flow = await client.connections.flow_to(Peer(address, Transport.TLS, "worker.test"))
        assert client.connections.send(OPTIONS, flow)
        assert (await server.receiver.next())[0] == OPTIONS
        assert flow.transport is Transport.TLS

        with pytest.raises(OSError, match=r"not valid for 'other.test'"):
            await client.connections.flow_to(Peer(address, Transport.TLS, "other.test"))
        assert client.receiver.failed_handshakes == 1

        by_address = await client.connections.flow_to(Peer(address, Transport.TLS))
        assert by_address != flow


@on_both_loops
async def test_peer_of_an_unknown_authority_is_not_called() -> None:
    contexts = client_contexts(TLS_FILES / "edge.pem", verify=True)
    async with listening(tls=True) as server, listening(client_context=contexts) as client:
        with pytest.raises(OSError, match=r"certificate verify failed"):
            await client.connections.flow_to(Peer(Address("127.0.0.1", server.port), Transport.TLS))


@on_both_loops
async def test_peer_that_never_ends_its_handshake_is_given_up() -> None:
    limits = replace(LIMITS, connect_seconds=0.5)
    contexts = client_contexts(None, verify=False)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with listening(limits, client_context=contexts) as client:
            with pytest.raises(OSError, match=r".*"):
                await client.connections.flow_to(
                    Peer(Address(*silent.getsockname()), Transport.TLS)
                )
            assert len(client.connections) == 0


@on_both_loops
async def test_without_tls_of_its_own_an_edge_opens_none() -> None:
    async with listening() as client:
        with pytest.raises(OSError, match="no TLS here"):
            await client.connections.flow_to(Peer(Address("127.0.0.1", 9), Transport.TLS))


@on_both_loops
async def test_connections_after_a_renewal_see_the_new_certificate_and_old_ones_live_on() -> None:
    contexts = []
    for name in ("edge", "renewed"):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(TLS_FILES / f"{name}.pem", TLS_FILES / f"{name}.key")
        contexts.append(context)
    seen = []
    async with listening() as edge:
        address = edge.connections.listen(
            "127.0.0.1", 0, may_speak=lambda host: True, context=lambda: contexts[len(seen)]
        )
        writers = []
        for name in ("edge", "renewed"):
            client = ssl.create_default_context(cafile=str(TLS_FILES / f"{name}.pem"))
            _, writer = await asyncio.open_connection("127.0.0.1", address.port, ssl=client)
            if not seen:
                seen.append(name)
            writers.append(writer)
        for writer in writers:
            writer.write(OPTIONS)
            await edge.receiver.next()
            writer.close()
