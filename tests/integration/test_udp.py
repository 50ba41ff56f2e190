"""The SIP socket for UDP on the loopback: whole datagrams, their source, and what does not fit."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest
from support.loops import on_both_loops

from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.transport.udp import UdpListener


class World:
    """A listener and what it received."""

    def __init__(self, host: str, may_speak: Callable[[str], bool]) -> None:
        self.received: asyncio.Queue[tuple[bytes, Flow]] = asyncio.Queue()
        self.failures = 0
        self.listener = UdpListener(
            loop=asyncio.get_running_loop(),
            host=host,
            port=0,
            receive_buffer_bytes=1 << 20,
            may_speak=may_speak,
            on_send_failure=self._count,
        )

    def _count(self) -> None:
        self.failures += 1

    async def next(self) -> tuple[bytes, Flow]:
        async with asyncio.timeout(10):
            return await self.received.get()


@asynccontextmanager
async def listening(
    host: str = "127.0.0.1", *, may_speak: Callable[[str], bool] = lambda host: True
) -> AsyncIterator[World]:
    world = World(host, may_speak)
    world.listener.start(lambda data, flow: world.received.put_nowait((data, flow)))
    try:
        yield world
    finally:
        world.listener.close()


def sender(host: str = "127.0.0.1") -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind((host, 0))
    return made


@on_both_loops
async def test_datagrams_arrive_whole_and_apart_whatever_their_length() -> None:
    sizes = [65_507, 1, 1500, 40, 9000]
    async with listening() as world:
        with sender() as phone:
            for number, size in enumerate(sizes):
                phone.sendto(bytes([number]) * size, ("127.0.0.1", world.listener.local.port))
            received = [(await world.next())[0] for _ in sizes]

    assert received == [bytes([number]) * size for number, size in enumerate(sizes)]


@on_both_loops
async def test_datagram_that_is_kept_does_not_change_when_the_next_one_comes() -> None:
    async with listening() as world:
        with sender() as phone:
            phone.sendto(b"first", ("127.0.0.1", world.listener.local.port))
            first, flow = await world.next()
            phone.sendto(b"SECOND", ("127.0.0.1", world.listener.local.port))
            await world.next()
            remote = Address(*phone.getsockname())

    assert first == b"first"
    assert flow == Flow(Transport.UDP, world.listener.local, remote, 0)


@on_both_loops
async def test_strangers_datagrams_are_dropped_and_the_next_ones_arrive() -> None:
    asked: list[str] = []

    def is_friend(host: str) -> bool:
        asked.append(host)
        return host == "127.0.0.1"

    async with listening(may_speak=is_friend) as world:
        port = world.listener.local.port
        with sender("127.0.0.8") as stranger, sender() as friend:
            for _ in range(200):
                stranger.sendto(b"junk", ("127.0.0.1", port))
            friend.sendto(b"hello", ("127.0.0.1", port))
            assert (await world.next())[0] == b"hello"

    assert asked == ["127.0.0.8"] * 200 + ["127.0.0.1"]


@on_both_loops
async def test_datagram_that_cannot_be_sent_is_counted_and_the_socket_lives_on() -> None:
    async with listening() as world:
        with sender() as phone:
            phone.settimeout(10)
            remote = Address(*phone.getsockname())
            assert not world.listener.send(b"x" * 65_508, remote)
            assert world.listener.send(b"x" * 65_507, remote)
            assert len(phone.recv(65_535)) == 65_507

    assert world.failures == 1


@pytest.mark.asyncio
async def test_address_of_the_other_family_cannot_be_reached() -> None:
    async with listening() as world:
        assert world.listener.can_reach("192.0.2.1")
        assert not world.listener.can_reach("2001:db8::1")


@pytest.mark.asyncio
async def test_port_that_is_taken_is_an_error() -> None:
    async with listening() as world:
        with pytest.raises(OSError, match="in use"):
            UdpListener(
                loop=asyncio.get_running_loop(),
                host="127.0.0.1",
                port=world.listener.local.port,
                receive_buffer_bytes=1 << 20,
                may_speak=lambda host: True,
                on_send_failure=lambda: None,
            )
