"""Workers that break in every way: the caller is moved on, and all other calls go on."""

from __future__ import annotations

import asyncio
import struct
from base64 import b64encode
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from time import monotonic

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import ADA_THEN_BOB, NOBODY_THEN_BOB, WorkerPorts
from support.persistent_caller import PersistentCaller
from support.polling import eventually
from support.stream_worker import StreamWorker, WorkerCall
from support.swallowing_port import SwallowingPort

pytestmark = pytest.mark.asyncio

ADAS_SOUND = b"\x31" * 160
BOBS_SOUND = b"\x42" * 160
LONGEST_GAP_SECONDS = 3.0
"""What a call that nothing happens to may be without sound, on a machine that is busy."""

Fault = Callable[[WorkerCall], Awaitable[None]]


async def say_as_bob(call: WorkerCall) -> None:
    """A sound that tells the caller who speaks, for longer than any test takes."""
    await call.say(BOBS_SOUND * 50 * 60)


def closes_with(code: int) -> Fault:
    """Speaks, then closes the WebSocket with this code."""

    async def close(call: WorkerCall) -> None:
        await call.say(ADAS_SOUND)
        await call.heard_at_least(0.1)
        call.write(b"\x88\x02" + struct.pack("!H", code))

    return close


async def closes_without_a_code(call: WorkerCall) -> None:
    await call.say(ADAS_SOUND)
    await call.heard_at_least(0.1)
    call.write(b"\x88\x00")


async def vanishes_before_it_speaks(call: WorkerCall) -> None:
    await call.heard_at_least(0.1)
    call.vanish()


async def vanishes_in_the_middle_of_a_word(call: WorkerCall) -> None:
    await call.say(ADAS_SOUND * 500)
    await call.heard_at_least(0.2)
    call.vanish()


def floods_with(message: bytes, *, times: int) -> Fault:
    """Sends this message over and over, as fast as the connection takes it."""

    async def flood(call: WorkerCall) -> None:
        await call.heard_at_least(0.1)
        await call.say(ADAS_SOUND * 500)  # Marks wait behind it.
        size = len(message)
        length = bytes((size,)) if size < 126 else b"\x7f" + struct.pack("!Q", size)
        frame = b"\x81" + length + message
        for _ in range(times // 10):
            call.write(frame * 10)
            await asyncio.sleep(0)

    return flood


TEN_SECONDS_OF_SOUND = b'{"event":"media","media":{"payload":"%b"}}' % b64encode(ADAS_SOUND * 500)
A_MARK = b'{"event":"mark","mark":{"name":"again"}}'


def sends(message: str | bytes, *, times: int = 1) -> Fault:
    """Says nothing that makes sense."""

    async def send(call: WorkerCall) -> None:
        await call.heard_at_least(0.1)
        for _ in range(times):
            await call.send_any(message)

    return send


async def writes_no_websocket(call: WorkerCall) -> None:
    await call.heard_at_least(0.1)
    call.write(b"HTTP/1.1 500 Oops\r\n\r\n" + bytes(range(256)))


NO_BASE64 = '{"event":"media","media":{"payload":"***"}}'
LOSSES: dict[str, tuple[Fault, str]] = {
    "vanishes before it speaks": (vanishes_before_it_speaks, "no_close_frame"),
    "vanishes in the middle of a word": (vanishes_in_the_middle_of_a_word, "no_close_frame"),
    "closes with 1001": (closes_with(1001), "going_away"),
    "closes with 1005, which is forbidden": (closes_with(1005), "protocol_error"),
    "closes with 1011": (closes_with(1011), "error_code"),
    "closes with 1012": (closes_with(1012), "going_away"),
    "closes with 1013": (closes_with(1013), "error_code"),
    "closes with 1014": (closes_with(1014), "error_code"),
    "closes with 3000": (closes_with(3000), "error_code"),
    "closes with 4000": (closes_with(4000), "error_code"),
    "sends no JSON": (sends("{]", times=60), "protocol_error"),
    "sends no base64": (sends(NO_BASE64, times=60), "protocol_error"),
    "sends a message of 2 MB": (sends("x" * 2_000_000), "protocol_error"),
    "writes no WebSocket": (writes_no_websocket, "protocol_error"),
    "never stops talking": (floods_with(TEN_SECONDS_OF_SOUND, times=50), "flood"),
    "never stops marking": (floods_with(A_MARK, times=12_000), "flood"),
}
"""Each fault, and what the edge calls it."""


class FaultyWorker:
    """Gives each call that is new the fault that was set last, also when it comes again."""

    def __init__(self) -> None:
        self.fault: Fault = vanishes_before_it_speaks
        self.faults: dict[str, Fault] = {}

    async def behave(self, call: WorkerCall) -> None:
        fault = self.faults.setdefault(call.parameters["call_id"], self.fault)
        await fault(call)


@asynccontextmanager
async def control_call(edge: EdgeProcess) -> AsyncIterator[PersistentCaller]:
    """A call to Bob that must not notice what happens to others."""
    async with PersistentCaller((edge.host, edge.sip_port), NOBODY_THEN_BOB, talks=True) as control:
        assert await control.call() == 200
        await control.hears(BOBS_SOUND)
        yield control
        assert not control.hung_up_on.is_set()
        assert await control.hang_up() == 200
        assert control.longest_silence < LONGEST_GAP_SECONDS
        assert control.is_one_call


async def test_worker_that_is_lost_costs_its_caller_a_moment_and_nobody_else_anything(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    before = {end: edge.metric("sip_edge_moves_total", lost=end) for _, end in LOSSES.values()}
    ada = FaultyWorker()
    took: dict[str, float] = {}

    async def follow(caller: PersistentCaller, name: str, since: float) -> None:
        await caller.hears(BOBS_SOUND)
        took[name] = monotonic() - since
        assert not caller.hung_up_on.is_set()
        assert await caller.hang_up() == 200
        assert caller.is_one_call

    async with (
        AsyncExitStack() as stack,
        StreamWorker(worker_ports.ada, ada.behave),
        StreamWorker(worker_ports.bob, say_as_bob),
        control_call(edge),
        asyncio.TaskGroup() as following,
    ):
        for number, (name, (fault, _)) in enumerate(LOSSES.items(), 1):
            ada.fault = fault
            address = (edge.host, edge.sip_port)
            caller = PersistentCaller(address, ADA_THEN_BOB, talks=True)
            await stack.enter_async_context(caller)
            assert await caller.call() == 200, name
            await eventually(lambda n=number: len(ada.faults) == n, what=f"a call that {name}")  # type: ignore[misc]
            following.create_task(follow(caller, name, monotonic()))
    print("\n".join(f"{seconds:6.2f} s  {name}" for name, seconds in took.items()))
    # Twice each: the same agent is asked once more, and fails in the same way.
    losses = Counter(2 * [end for _, end in LOSSES.values()])
    await eventually(
        lambda: {
            end: edge.metric("sip_edge_moves_total", lost=end) - before[end] for end in before
        },
        lambda counted: counted == losses,
        what="moves",
    )


@pytest.mark.parametrize(
    "fault", [closes_with(1000), closes_without_a_code], ids=["1000", "no code"]
)
async def test_worker_that_closes_in_good_order_ends_the_call_and_no_other(
    edge: EdgeProcess, worker_ports: WorkerPorts, fault: Fault
) -> None:
    async with (
        StreamWorker(worker_ports.ada, fault),
        StreamWorker(worker_ports.bob, say_as_bob),
        control_call(edge),
        PersistentCaller((edge.host, edge.sip_port), ADA_THEN_BOB, talks=True) as caller,
    ):
        assert await caller.call() == 200
        await caller.is_hung_up_on()
        assert caller.is_one_call


async def test_worker_whose_port_swallows_everything_costs_its_caller_the_accept_timeout(
    edge: EdgeProcess, worker_ports: WorkerPorts
) -> None:
    before = edge.metric("sip_edge_dispatch_attempts_total", reason="timeout")
    async with (
        SwallowingPort(worker_ports.ada),
        StreamWorker(worker_ports.bob, say_as_bob),
        control_call(edge),
        PersistentCaller((edge.host, edge.sip_port), ADA_THEN_BOB, talks=True) as caller,
    ):
        began = monotonic()
        assert await caller.call() == 200
        print(f"answered after {monotonic() - began:.2f} s")
        await caller.hears(BOBS_SOUND)
        assert await caller.hang_up() == 200
    await eventually(
        lambda: edge.metric("sip_edge_dispatch_attempts_total", reason="timeout"),
        lambda count: count == before + 1,
        what="attempts that timed out",
    )
