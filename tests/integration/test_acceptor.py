"""Accepting connections: who is let in is somebody else's question, descriptors are this one's."""

from __future__ import annotations

import asyncio
import os
import resource
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from support.loops import on_both_loops
from support.polling import eventually

from sip_edge.transport.acceptor import Acceptor, open_listener


class CountingListener(socket.socket):
    """Counts how often it is asked for a connection."""

    asked = 0

    def accept(self) -> tuple[socket.socket, object]:
        self.asked += 1
        return super().accept()


class World:
    """A listening acceptor that keeps what it accepts."""

    def __init__(self) -> None:
        self.accepted: list[tuple[socket.socket, str]] = []
        self.exhausted = 0
        self.listener = CountingListener(fileno=open_listener("127.0.0.1", 0).detach())
        self.listener.setblocking(False)
        self.acceptor = Acceptor(
            loop=asyncio.get_running_loop(),
            listener=self.listener,
            on_connection=lambda connection, source: self.accepted.append((connection, source)),
            on_exhausted=self._count,
        )

    def _count(self) -> None:
        self.exhausted += 1

    async def __aenter__(self) -> World:
        return self

    async def __aexit__(self, *_: object) -> None:
        self.acceptor.close()
        for connection, _ in self.accepted:
            connection.close()

    async def until(self, *, accepted: int = 0, exhausted: int = 0) -> None:
        await eventually(
            lambda: len(self.accepted) >= accepted and self.exhausted >= exhausted,
            what=f"{accepted} accepted, {exhausted} turned away",
        )


@contextmanager
def descriptors_below(limit: int) -> Iterator[None]:
    """Within the block a new descriptor must be lower than `limit`; there are none left there."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    fillers: list[int] = []
    resource.setrlimit(resource.RLIMIT_NOFILE, (limit, hard))
    try:
        while True:
            try:
                fillers.append(os.dup(0))
            except OSError:
                break
        yield
    finally:
        for filler in fillers:
            os.close(filler)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def highest_descriptor() -> int:
    return max(int(name) for name in os.listdir("/proc/self/fd"))


def _client() -> socket.socket:
    client = socket.socket()
    client.setblocking(False)
    return client


async def _closed_by_peer(client: socket.socket) -> bool:
    loop = asyncio.get_running_loop()
    async with asyncio.timeout(10):
        try:
            return await loop.sock_recv(client, 1) == b""
        except OSError:
            return True


@on_both_loops
async def test_connections_are_handed_on_with_their_source() -> None:
    async with World() as world:
        _, writer = await asyncio.open_connection(
            "127.0.0.1", world.acceptor.local.port, local_addr=("127.0.0.9", 0)
        )
        await world.until(accepted=1)
        ((connection, source),) = world.accepted
        assert source == "127.0.0.9"
        assert not connection.getblocking()
        writer.close()


@on_both_loops
async def test_without_a_descriptor_the_newest_are_closed_and_later_ones_get_in() -> None:
    async with World() as world:
        loop = asyncio.get_running_loop()
        address = ("127.0.0.1", world.acceptor.local.port)
        clients = [_client() for _ in range(4)]
        await loop.sock_connect(clients[0], address)
        await world.until(accepted=1)
        with descriptors_below(highest_descriptor() + 1):
            for client in clients[1:3]:
                await loop.sock_connect(client, address)
            await world.until(exhausted=2)
            assert len(world.accepted) == 1
        for client in clients[1:3]:
            assert await _closed_by_peer(client)
        await loop.sock_connect(clients[3], address)
        await world.until(accepted=2)
        for client in clients:
            client.close()


@on_both_loops
async def test_without_even_a_reserve_the_loop_does_not_spin() -> None:
    async with World() as world:
        loop = asyncio.get_running_loop()
        clients = [_client() for _ in range(2)]
        # The reserve stands above this limit, so that giving it up helps nobody.
        with descriptors_below(3):
            await loop.sock_connect(clients[0], ("127.0.0.1", world.acceptor.local.port))
            asked = world.listener.asked
            await asyncio.sleep(0.3)
            assert world.accepted == []
            assert world.listener.asked - asked <= 2
        await world.until(accepted=1)
        for client in clients:
            client.close()


@on_both_loops
async def test_closed_acceptor_frees_its_port() -> None:
    async with World() as world:
        port = world.acceptor.local.port
        world.acceptor.close()
        open_listener("127.0.0.1", port).close()


@pytest.mark.asyncio
async def test_port_that_is_taken_is_an_error() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(OSError, match=r"in use"):
        open_listener("127.0.0.1", taken.getsockname()[1])


@pytest.mark.asyncio
async def test_listener_on_all_ipv6_addresses_leaves_ipv4_alone() -> None:
    listener = open_listener("::", 0)
    try:
        assert listener.getsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY) == 1
        with pytest.raises(OSError, match=r"refused|Connect"):
            await asyncio.open_connection("127.0.0.1", listener.getsockname()[1])
    finally:
        listener.close()
