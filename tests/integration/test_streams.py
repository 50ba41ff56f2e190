"""TCP connections on the loopback: framing, pings, reuse, and every bound."""

from __future__ import annotations

import asyncio
import itertools
import socket
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st
from support.loops import on_both_loops
from support.messages import request_bytes
from support.polling import eventually
from support.stream_world import LIMITS, is_closed, listening, trusting_context

from sip_edge.sip.flow import Address, Transport
from sip_edge.transport.connection_books import Refused
from sip_edge.transport.targets import Peer

OPTIONS = request_bytes("OPTIONS", transport="TCP")
LONG = OPTIONS.replace(b"Length: 0\r\n\r\n", b"Length: 20000\r\n\r\n" + b"\r\n\r\n\r" * 4000)


@on_both_loops
async def test_messages_arrive_whole_however_they_were_cut() -> None:
    async with listening() as edge:
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        for piece in (OPTIONS[:10], OPTIONS[10:] + OPTIONS[:50], OPTIONS[50:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        first, flow = await edge.receiver.next()
        second, _ = await edge.receiver.next()
        writer.close()

    assert (first, second) == (OPTIONS, OPTIONS)
    assert (flow.transport, flow.remote.host) == (Transport.TCP, "127.0.0.1")


@on_both_loops
async def test_messages_arrive_whole_and_in_order_byte_by_byte_and_all_at_once() -> None:
    numbered = [OPTIONS.replace(b"z9hG4bK", b"z9hG4bK%04d" % n) for n in range(200)]
    async with listening() as edge:
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        raw = writer.get_extra_info("socket")
        assert raw is not None
        for byte in numbered[0]:
            writer.write(bytes([byte]))
            await asyncio.sleep(0)
        writer.write(b"".join(numbered[1:]))
        received = [(await edge.receiver.next())[0] for _ in numbered]
        writer.close()

    assert received == numbered


@settings(max_examples=25, deadline=None)
@given(
    kinds=st.lists(st.sampled_from([OPTIONS, LONG, b"\r\n\r\n"]), min_size=1, max_size=6),
    cuts=st.lists(st.integers(1, 2000), min_size=1, max_size=12),
)
def test_messages_and_pings_arrive_whole_wherever_a_stream_is_cut(
    kinds: list[bytes], cuts: list[int]
) -> None:
    async def main() -> tuple[list[bytes], bytes]:
        async with listening() as edge:
            reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            stream, at = b"".join(kinds), 0
            for cut in itertools.cycle(cuts):
                if at >= len(stream):
                    break
                writer.write(stream[at : at + cut])
                at += cut
                await asyncio.sleep(0)
            messages = [(await edge.receiver.next())[0] for kind in kinds if kind[:1] != b"\r"]
            async with asyncio.timeout(10):
                pongs = await reader.readexactly(2 * kinds.count(b"\r\n\r\n"))
            writer.close()
            return messages, pongs

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        messages, pongs = runner.run(main())
    assert messages == [kind for kind in kinds if kind[:1] != b"\r"]
    assert pongs == b"\r\n" * kinds.count(b"\r\n\r\n")


@on_both_loops
async def test_each_ping_is_answered_with_a_pong() -> None:
    async with listening() as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(b"\r\n\r\n" * 3 + OPTIONS + b"\r\n\r\n")
        async with asyncio.timeout(10):
            assert await reader.readexactly(8) == b"\r\n" * 4
        await edge.receiver.next()
        writer.close()


@on_both_loops
async def test_answer_goes_back_on_the_same_connection() -> None:
    async with listening() as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(OPTIONS)
        _, flow = await edge.receiver.next()
        assert edge.connections.send(b"SIP/2.0 200 OK\r\n\r\n", flow)
        async with asyncio.timeout(10):
            assert await reader.readexactly(18) == b"SIP/2.0 200 OK\r\n\r\n"
        writer.close()


@on_both_loops
async def test_stream_that_cannot_be_framed_is_closed_after_what_was_good() -> None:
    async with listening() as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(OPTIONS + OPTIONS.replace(b"Content-Length: 0", b"Content-Length: -1"))
        assert await is_closed(reader)
        writer.close()

        assert edge.receiver.messages.qsize() == 1
        assert len(edge.receiver.errors) == 1
        assert edge.receiver.cut == 1
        assert len(edge.connections) == 0


@on_both_loops
async def test_stranger_is_closed_without_a_word_and_counted() -> None:
    async with listening(may_speak=lambda host: False) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        assert await is_closed(reader)
        writer.close()

        assert edge.receiver.refused == [Refused.STRANGER]
        assert len(edge.connections) == 0


@on_both_loops
async def test_newest_connection_loses_at_the_bound_of_its_source_and_others_get_in() -> None:
    async with listening() as edge:
        opened = [await asyncio.open_connection("127.0.0.1", edge.port) for _ in range(5)]
        assert await is_closed(opened[4][0])
        opened.append(
            await asyncio.open_connection("127.0.0.1", edge.port, local_addr=("127.0.0.2", 0))
        )
        opened[5][1].write(OPTIONS)
        await edge.receiver.next()
        opened[0][1].write(OPTIONS)
        await edge.receiver.next()

        assert edge.receiver.refused == [Refused.CROWDED]
        assert len(edge.connections) == 5
        for _, writer in opened:
            writer.close()


@on_both_loops
async def test_place_of_a_connection_that_ended_is_free_again() -> None:
    async with listening() as edge:
        for _ in range(12):
            _, writer = await asyncio.open_connection("127.0.0.1", edge.port)
            writer.write(OPTIONS)
            await edge.receiver.next()
            writer.close()
            async with asyncio.timeout(10):
                await edge.receiver.closed.get()

        assert edge.receiver.refused == []


@on_both_loops
async def test_message_that_never_ends_is_cut_off_and_its_neighbour_is_not() -> None:
    async with listening(replace(LIMITS, message_seconds=0.5)) as edge:
        neighbour, other_writer = await asyncio.open_connection("127.0.0.1", edge.port)
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        writer.write(OPTIONS[:40])
        trickle = asyncio.create_task(_trickle(writer, OPTIONS[40:]))
        assert await is_closed(reader)
        trickle.cancel()
        writer.close()
        other_writer.write(b"\r\n\r\n")
        async with asyncio.timeout(10):
            assert await neighbour.readexactly(2) == b"\r\n"
        other_writer.close()

        assert edge.receiver.cut == 1


async def _trickle(writer: asyncio.StreamWriter, data: bytes) -> None:
    """A byte now and then: never idle, never done."""
    for byte in data:
        writer.write(bytes([byte]))
        await asyncio.sleep(0.1)


@on_both_loops
async def test_kernel_watches_for_peers_that_vanish_on_connections_of_either_side() -> None:
    async with listening() as server, listening() as client:
        flow = await client.connections.flow_to(
            Peer(Address("127.0.0.1", server.port), Transport.TCP)
        )
        assert client.connections.send(OPTIONS, flow)
        _, incoming = await server.receiver.next()
        for ours in (flow, incoming):
            await eventually(
                lambda ours=ours: _kernel_timer(ours.local.port, ours.remote.port),
                lambda timer: timer == "keepalive",
                what="the timer once all is acknowledged",
            )


def _kernel_timer(local_port: int, remote_port: int) -> str:
    """What the kernel waits for on a connection (proc(5), /proc/net/tcp, field `tr`)."""
    for line in Path("/proc/net/tcp").read_text().splitlines()[1:]:
        fields = line.split()
        ports = [int(address.split(":")[1], 16) for address in fields[1:3]]
        if ports == [local_port, remote_port]:
            return {"00": "none", "02": "keepalive"}.get(fields[5].split(":")[0], "other")
    return "gone"


@on_both_loops
async def test_connection_that_says_nothing_is_closed() -> None:
    async with listening(replace(LIMITS, idle_seconds=0.5)) as edge:
        reader, writer = await asyncio.open_connection("127.0.0.1", edge.port)
        assert await is_closed(reader)
        async with asyncio.timeout(10):
            await edge.receiver.closed.get()
        writer.close()


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.asyncio
async def test_peer_that_does_not_read_is_dropped_before_it_costs_memory(tls: bool) -> None:
    async with listening(replace(LIMITS, write_buffer_bytes=1000), tls=tls) as edge:
        reader, writer = await asyncio.open_connection(
            "127.0.0.1", edge.port, limit=1024, ssl=trusting_context() if tls else None
        )
        writer.write(OPTIONS)
        _, flow = await edge.receiver.next()
        async with asyncio.timeout(30):
            for _ in range(1000):
                if not edge.connections.send(b"x" * 65_536, flow):
                    break
                await asyncio.sleep(0)
        assert not edge.connections.send(b"x", flow)
        assert edge.receiver.cut == 1
        writer.transport.abort()
        del reader


@on_both_loops
async def test_peer_that_does_not_read_cannot_keep_a_connection_half_closed() -> None:
    limits = replace(LIMITS, write_buffer_bytes=1 << 24, close_seconds=0.5)
    async with listening(limits) as edge:
        raw = socket.socket()
        raw.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        raw.setblocking(False)
        await asyncio.get_running_loop().sock_connect(raw, ("127.0.0.1", edge.port))
        await asyncio.get_running_loop().sock_sendall(raw, OPTIONS)
        _, flow = await edge.receiver.next()
        assert edge.connections.send(b"x" * (1 << 23), flow)
        edge.connections.close_flow(flow)
        assert not edge.connections.is_open(flow)
        async with asyncio.timeout(10):
            assert await edge.receiver.closed.get() == flow
        raw.close()


@on_both_loops
async def test_outgoing_connection_is_used_again_while_it_stands() -> None:
    async with listening() as server, listening() as client:
        peer = Peer(Address("127.0.0.1", server.port), Transport.TCP)
        first, second = await asyncio.gather(
            client.connections.flow_to(peer), client.connections.flow_to(peer)
        )
        assert first == second
        assert await client.connections.flow_to(peer) == first
        assert client.connections.send(OPTIONS, first)
        assert (await server.receiver.next())[0] == OPTIONS
        server.connections.close()
        async with asyncio.timeout(10):
            await client.receiver.closed.get()
        assert not client.connections.is_open(first)
        with pytest.raises(OSError, match=r"refused|Connect|aborted"):
            await client.connections.flow_to(peer)


@on_both_loops
async def test_outgoing_connections_leave_from_the_address_that_we_listen_on() -> None:
    async with listening() as server, listening(local_host="127.0.0.3") as client:
        flow = await client.connections.flow_to(
            Peer(Address("127.0.0.1", server.port), Transport.TCP)
        )
        assert flow.local.host == "127.0.0.3"


@on_both_loops
async def test_connection_to_a_peer_that_does_not_answer_is_given_up() -> None:
    async with listening(replace(LIMITS, connect_seconds=0.2)) as client:
        full = socket.create_server(("127.0.0.1", 0), backlog=0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(3)]
        for each in waiting:
            each.setblocking(False)
            each.connect_ex(address)
        with pytest.raises(OSError, match=r".*"):
            await client.connections.flow_to(Peer(Address(*address), Transport.TCP))
        for each in [*waiting, full]:
            each.close()


@on_both_loops
@pytest.mark.parametrize("tls", [False, True])
async def test_source_that_sends_too_much_is_not_read_for_a_while_and_loses_nothing(
    tls: bool,
) -> None:
    is_allowed = asyncio.Event()
    numbered = [OPTIONS.replace(b"z9hG4bK", b"z9hG4bK%04d" % n) for n in range(300)]
    async with listening(tls=tls, may_send_more=lambda host: is_allowed.is_set()) as edge:
        context = trusting_context() if tls else None
        _, writer = await asyncio.open_connection("127.0.0.1", edge.port, ssl=context)
        writer.write(b"".join(numbered))
        first, _ = await edge.receiver.next()
        await asyncio.sleep(0.1)
        waiting = edge.receiver.messages.qsize()
        is_allowed.set()
        received = [first] + [(await edge.receiver.next())[0] for _ in numbered[1:]]
        writer.close()

    assert waiting < 200  # One read a second brings some forty.
    assert received == numbered
    assert edge.receiver.cut == 0
