"""The race for a connection, on a loop whose connection attempts the test decides."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Coroutine

import pytest
from support.descriptors import open_sockets

from sip_edge.agents.dialer import DialError, dial
from sip_edge.routing.outcome import AttemptFailure


class ScriptedLoop(asyncio.SelectorEventLoop):
    """`sock_connect` succeeds, fails, or waits for `gate`, by address."""

    def __init__(self) -> None:
        super().__init__()
        self.errors: dict[str, OSError] = {}
        self.waiting_for: dict[str, asyncio.Event] = {}
        self.dialled: list[str] = []

    async def sock_connect(self, sock: socket.socket, address: tuple[str, int]) -> None:
        self.dialled.append(address[0])
        if address[0] in self.waiting_for:
            await self.waiting_for[address[0]].wait()
        if address[0] in self.errors:
            raise self.errors[address[0]]


def run(loop: ScriptedLoop, scenario: Coroutine[object, object, None]) -> None:
    with asyncio.Runner(loop_factory=lambda: loop) as runner:
        runner.run(asyncio.wait_for(scenario, 10.0))


def test_a_silent_address_is_joined_by_the_next_one_and_given_up_for_it() -> None:
    loop = ScriptedLoop()
    loop.waiting_for["192.0.2.1"] = asyncio.Event()

    async def scenario() -> None:
        before = open_sockets()
        with await dial(["192.0.2.1", "2001:db8::1"], 80, stagger_seconds=0.001) as winner:
            assert winner.family is socket.AF_INET6
            assert winner.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert open_sockets() == before + 1
        assert len(asyncio.all_tasks()) <= 2

    run(loop, scenario())
    assert loop.dialled == ["192.0.2.1", "2001:db8::1"]


def test_the_next_address_is_not_dialled_while_the_first_may_still_answer() -> None:
    loop = ScriptedLoop()
    loop.waiting_for["192.0.2.1"] = asyncio.Event()
    loop.call_later(0.01, loop.waiting_for["192.0.2.1"].set)

    async def scenario() -> None:
        (await dial(["192.0.2.1", "192.0.2.2"], 80, stagger_seconds=60.0)).close()

    run(loop, scenario())
    assert loop.dialled == ["192.0.2.1"]


def test_of_two_that_answer_at_the_same_time_one_is_closed() -> None:
    loop = ScriptedLoop()
    gate = asyncio.Event()
    loop.waiting_for = {"192.0.2.1": gate, "192.0.2.2": gate}

    async def scenario() -> None:
        before = open_sockets()
        loop.call_later(0.05, gate.set)
        with await dial(["192.0.2.1", "192.0.2.2"], 80, stagger_seconds=0.001):
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            assert open_sockets() == before + 1

    run(loop, scenario())
    assert loop.dialled == ["192.0.2.1", "192.0.2.2"]


def test_a_refusal_brings_the_next_address_at_once() -> None:
    loop = ScriptedLoop()
    loop.errors["192.0.2.1"] = ConnectionRefusedError(111, "no")

    async def scenario() -> None:
        (await dial(["192.0.2.1", "192.0.2.2"], 80, stagger_seconds=60.0)).close()

    run(loop, scenario())
    assert loop.dialled == ["192.0.2.1", "192.0.2.2"]


@pytest.mark.parametrize(
    ("number", "failure"),
    [
        (111, AttemptFailure.REFUSED),
        (104, AttemptFailure.REFUSED),
        (113, AttemptFailure.UNREACHABLE),
        (101, AttemptFailure.UNREACHABLE),
        (13, AttemptFailure.UNREACHABLE),
        (110, AttemptFailure.TIMEOUT),
        (24, AttemptFailure.INTERNAL),
    ],
)
def test_the_first_addresss_error_names_the_failure(number: int, failure: AttemptFailure) -> None:
    loop = ScriptedLoop()
    loop.errors["192.0.2.1"] = OSError(number, "Connect call failed ('192.0.2.1', 80)")
    loop.errors["192.0.2.2"] = ConnectionRefusedError(111, "no")

    async def scenario() -> None:
        with pytest.raises(DialError) as caught:
            await dial(["192.0.2.1", "192.0.2.2"], 80, stagger_seconds=60.0)
        assert caught.value.failure is failure
        assert caught.value.detail == os.strerror(number)

    run(loop, scenario())


def test_a_cancelled_dial_closes_every_attempt() -> None:
    loop = ScriptedLoop()
    never = asyncio.Event()
    loop.waiting_for = {"192.0.2.1": never, "192.0.2.2": never}

    async def scenario() -> None:
        before = open_sockets()
        attempt = asyncio.ensure_future(dial(["192.0.2.1", "192.0.2.2"], 80, stagger_seconds=0.001))
        while len(loop.dialled) < 2:  # noqa: ASYNC110
            await asyncio.sleep(0.001)
        attempt.cancel()
        with pytest.raises(asyncio.CancelledError):
            await attempt
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert open_sockets() == before

    run(loop, scenario())
