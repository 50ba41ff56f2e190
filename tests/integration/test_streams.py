"""TCP connections on the loopback: framing, pings, and every bound."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
from support.messages import request_bytes

from sip_edge.sip.flow import Address, Flow
from sip_edge.sip.stream import FramingError
from sip_edge.transport.streams import StreamConnections, StreamLimits

OPTIONS = request_bytes("OPTIONS", transport="TCP")
LIMITS = StreamLimits(max_connections=8, max_connections_per_source=4, idle_seconds=60.0)


class _Receiver:
    def __init__(self) -> None:
        self.messages: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.errors: list[str] = []
        self.closed: asyncio.Queue[Flow] = asyncio.Queue()

    def receive_stream_message(self, data: bytes, flow: Flow) -> None:
        self.messages.put_nowait((data, flow))

    def receive_framing_error(self, error: FramingError, flow: Flow) -> None:
        self.errors.append(str(error))

    def stream_closed(self, flow: Flow) -> None:
        self.closed.put_nowait(flow)


@asynccontextmanager
async def _listening(
    limits: StreamLimits = LIMITS, *, strangers: bool = False
) -> AsyncIterator[tuple[StreamConnections, _Receiver, int, list[int]]]:
    receiver = _Receiver()
    refused: list[int] = []
    connections = StreamConnections(
        loop=asyncio.get_running_loop(),
        limits=limits,
        may_speak=lambda host: not strangers,
        receiver=receiver,
        on_refused=lambda: refused.append(1),
    )
    address = await connections.listen("127.0.0.1", 0)
    try:
        yield connections, receiver, address.port, refused
    finally:
        connections.close()


async def _is_closed(reader: asyncio.StreamReader) -> bool:
    async with asyncio.timeout(10):
        try:
            return await reader.read(1) == b""
        except ConnectionError:
            return True


@pytest.mark.asyncio
async def test_messages_arrive_whole_however_they_were_cut() -> None:
    async with _listening() as (_, receiver, port, _refused):
        _, writer = await asyncio.open_connection("127.0.0.1", port)
        for piece in (OPTIONS[:10], OPTIONS[10:] + OPTIONS[:50], OPTIONS[50:]):
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        async with asyncio.timeout(10):
            first, flow = await receiver.messages.get()
            second, _ = await receiver.messages.get()
        writer.close()

    assert (first, second) == (OPTIONS, OPTIONS)
    assert flow.remote.host == "127.0.0.1"


@pytest.mark.asyncio
async def test_ping_is_answered_with_a_pong() -> None:
    async with _listening() as (_, _receiver, port, _refused):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"\r\n\r\n")
        async with asyncio.timeout(10):
            assert await reader.readexactly(2) == b"\r\n"
        writer.close()


@pytest.mark.asyncio
async def test_answer_goes_back_on_the_same_connection() -> None:
    async with _listening() as (connections, receiver, port, _refused):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(OPTIONS)
        async with asyncio.timeout(10):
            _, flow = await receiver.messages.get()
            assert connections.send(b"SIP/2.0 200 OK\r\n\r\n", flow)
            assert await reader.readexactly(18) == b"SIP/2.0 200 OK\r\n\r\n"
        writer.close()


@pytest.mark.asyncio
async def test_stream_that_cannot_be_framed_is_closed_after_what_was_good() -> None:
    async with _listening() as (connections, receiver, port, _refused):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(OPTIONS + OPTIONS.replace(b"Content-Length: 0", b"Content-Length: -1"))
        assert await _is_closed(reader)
        assert receiver.messages.qsize() == 1
        assert len(receiver.errors) == 1
        assert len(connections) == 0
        writer.close()


@pytest.mark.asyncio
async def test_stranger_is_closed_without_a_word_and_counted() -> None:
    async with _listening(strangers=True) as (connections, _receiver, port, refused):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await _is_closed(reader)
        assert (refused, len(connections)) == ([1], 0)
        writer.close()


@pytest.mark.asyncio
async def test_newest_connection_loses_at_the_bound_of_its_source() -> None:
    async with _listening() as (connections, _receiver, port, refused):
        opened = [await asyncio.open_connection("127.0.0.1", port) for _ in range(5)]
        assert await _is_closed(opened[4][0])
        assert (len(connections), refused) == (4, [1])
        for _, writer in opened:
            writer.close()


@pytest.mark.asyncio
async def test_message_that_never_ends_is_cut_off() -> None:
    limits = replace(LIMITS, message_seconds=0.5)
    async with _listening(limits) as (_, _receiver, port, _refused):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(OPTIONS[:40])
        assert await _is_closed(reader)
        writer.close()


@pytest.mark.asyncio
async def test_connection_that_says_nothing_is_closed() -> None:
    async with _listening(replace(LIMITS, idle_seconds=0.5)) as (_, receiver, port, _refused):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        assert await _is_closed(reader)
        async with asyncio.timeout(10):
            await receiver.closed.get()
        writer.close()


@pytest.mark.asyncio
async def test_peer_that_does_not_read_is_dropped_before_it_costs_memory() -> None:
    limits = replace(LIMITS, write_buffer_bytes=1000)
    async with _listening(limits) as (connections, receiver, port, _refused):
        reader, writer = await asyncio.open_connection("127.0.0.1", port, limit=1024)
        writer.write(OPTIONS)
        async with asyncio.timeout(30):
            _, flow = await receiver.messages.get()
            for _ in range(1000):
                if not connections.send(b"x" * 65_536, flow):
                    break
                await asyncio.sleep(0)
        assert not connections.send(b"x", flow)
        writer.close()
        del reader


@pytest.mark.asyncio
async def test_outgoing_connection_is_used_again_while_it_stands() -> None:
    async with (
        _listening() as (server, _receiver, port, _refused),
        _listening() as (client, receiver, _port, _also_refused),
    ):
        remote = Address("127.0.0.1", port)
        first = await client.flow_to(remote)
        assert await client.flow_to(remote) == first
        server.close()
        async with asyncio.timeout(10):
            await receiver.closed.get()
        with pytest.raises(OSError, match=r"refused|Connect|aborted"):
            await client.flow_to(remote)
