"""Thousands of mutated messages, packets and frames: the edge lives, and serves a valid call.

More, or others: FUZZ_BATCHES=100 FUZZ_SEED=7 pytest --timeout 900 -s tests/process/test_fuzz.py
"""

from __future__ import annotations

import asyncio
import os
import random
from base64 import b64encode
from collections.abc import Iterator

import pytest
from support.edge_process import EdgeProcess
from support.line_plan import (
    ADA,
    ADA_THEN_BOB,
    NOBODY_THEN_BOB,
    UNKNOWN,
    WorkerPorts,
    write_plan,
)
from support.persistent_caller import PersistentCaller
from support.polling import eventually
from support.postgres import PostgresServer
from support.process_family import open_descriptors, resident_bytes
from support.raw_sip import Caller, TcpPhone
from support.sip_fuzzer import SipFuzzer
from support.sip_mutations import Mutator
from support.stream_worker import StreamWorker, WorkerCall

pytestmark = pytest.mark.asyncio

SEED = int(os.environ.get("FUZZ_SEED", "2025"))
SOUND = b"\x21" * 160
"""What a caller says, and an echo brings back."""
BATCHES, BATCH = int(os.environ.get("FUZZ_BATCHES", "10")), 300
MAX_GROWTH_BYTES = 80 << 20
"""Transactions of the last 32 s are kept; what is more than this would be a leak."""
NO_LIMITS = {
    "SIP_EDGE__MEDIA__QUARANTINE_SECONDS": "0.5",
    "SIP_EDGE__DISPATCH__ACCEPT_TIMEOUT_SECONDS": "5",  # However busy the machine is.
    "SIP_EDGE__LIMITS__REQUESTS_PER_SECOND": "100000",
    "SIP_EDGE__LIMITS__REQUESTS_PER_SECOND_PER_SOURCE": "100000",
    "SIP_EDGE__LIMITS__DATAGRAMS_PER_SECOND_PER_SOURCE": "100000",
}


@pytest.fixture(scope="module")
def ports() -> WorkerPorts:
    return WorkerPorts()


@pytest.fixture(scope="module")
def fuzzed_edge(
    tmp_path_factory: pytest.TempPathFactory, embedded_postgres: PostgresServer, ports: WorkerPorts
) -> Iterator[EdgeProcess]:
    """An edge for the tests of this file, which may leave calls behind that time has to end."""
    with embedded_postgres.database(migrated=True) as dsn:
        edge = EdgeProcess(tmp_path_factory.mktemp("fuzz"), dsn=dsn, settings=NO_LIMITS)
        asyncio.run(write_plan(dsn, ports))
        edge.start()
        try:
            yield edge
            edge.check_health()
        finally:
            edge.kill()


async def check_valid_call(edge: EdgeProcess) -> None:
    """A call of somebody who behaves, from its INVITE to its end, with sound."""
    async with PersistentCaller((edge.host, edge.sip_port), ADA, talks=True) as caller:
        assert await caller.call() == 200
        await caller.hears(SOUND)
        assert await caller.hang_up() == 200
        assert caller.is_one_call
    await asyncio.to_thread(edge.check_health)


async def test_mutated_sip_is_answered_or_ignored_and_never_harms_a_valid_call(
    fuzzed_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    edge = fuzzed_edge
    address = (edge.host, edge.sip_port)
    async with StreamWorker(ports.ada, echo=True):
        await check_valid_call(edge)
        memory, files = resident_bytes(edge.pid), open_descriptors(edge.pid)
        async with SipFuzzer(address, number=UNKNOWN, answered=ADA, seed=SEED) as fuzzer:
            for _ in range(BATCHES):
                await fuzzer.run(BATCH)
                await check_valid_call(edge)
            await eventually(
                lambda: edge.metric("sip_edge_calls_active"),
                lambda count: count == 0,
                what="calls of mutated INVITEs",
                seconds=45,
            )
        await check_valid_call(edge)
    tally = fuzzer.tally
    print(f"seed {SEED}: {tally.cases} cases, {tally.parsed} of them can be parsed")
    print(tally.table())
    assert tally.cases >= BATCHES * BATCH
    assert tally.parsed >= tally.cases / 2
    assert edge.metric("sip_edge_invites_total") == edge.metric("sip_edge_calls_total")
    assert resident_bytes(edge.pid) - memory < MAX_GROWTH_BYTES
    assert open_descriptors(edge.pid) <= files + 5


async def test_mutated_sip_over_tcp_is_answered_or_cut_off_and_never_harms_a_valid_call(
    fuzzed_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    edge = fuzzed_edge
    mutator, dice = Mutator(SEED), random.Random(SEED)

    async def connection(number: int) -> None:
        async with TcpPhone((edge.host, edge.sip_port)) as phone:
            host, port = phone.address
            name = f"tcpfuzz{number}"
            caller = Caller(host=host, port=port, number=UNKNOWN, name=name, transport="TCP")
            for _ in range(dice.randrange(1, 6)):
                _, message = mutator.mutate(caller.invite().encode())
                # Cut where it happens to be cut.
                at = dice.randrange(len(message) + 1)
                phone.send(message[:at])
                await asyncio.sleep(0)
                phone.send(message[at:])
            await asyncio.sleep(0.01)

    async with StreamWorker(ports.ada, echo=True):
        for batch in range(10):
            # Within the bound of connections from one address.
            await asyncio.gather(*(connection(40 * batch + number) for number in range(40)))
            await check_valid_call(edge)
    await eventually(
        lambda: edge.metric("sip_edge_calls_active"), lambda count: count == 0, what="calls"
    )


async def test_hostile_rtp_and_rtcp_disturb_no_call(
    fuzzed_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    edge, dice = fuzzed_edge, random.Random(SEED)
    async with (
        StreamWorker(ports.ada, echo=True),
        PersistentCaller((edge.host, edge.sip_port), ADA, talks=True) as caller,
        PersistentCaller((edge.host, edge.sip_port), ADA, talks=True) as stranger,
    ):
        assert await caller.call() == 200
        await caller.hears(SOUND)
        assert caller.answer is not None
        port = caller.answer.media_port
        for _ in range(100):
            for packet in _hostile_packets(dice):
                # From the caller's own socket, which is believed, and from somebody else's.
                caller.send_rtp(packet, port + dice.randrange(2))
                stranger.send_rtp(packet, port + dice.randrange(2))
            await asyncio.sleep(0.01)
        before = caller.packets_heard
        await eventually(lambda: caller.packets_heard > before + 25, what="sound afterwards")
        assert not caller.hung_up_on.is_set()
        assert await caller.hang_up() == 200
        await check_valid_call(edge)


def _hostile_packets(dice: random.Random) -> list[bytes]:
    """Packets that are nearly RTP or RTCP, and some that are nothing."""
    rtp = b"\x80\x00" + dice.randbytes(10) + SOUND
    sender_report = b"\x80\xc8\x00\x06" + dice.randbytes(24)
    packets = [dice.randbytes(dice.randrange(200)), b"", rtp[: dice.randrange(13)]]
    for valid in (rtp, sender_report, b"\x80\x65" + dice.randbytes(10) + b"\x05\x80\x03\x20"):
        for _ in range(8):
            changed = bytearray(valid)
            changed[dice.randrange(min(16, len(changed)))] = dice.randrange(256)
            packets.append(bytes(changed))
    packets.append(b"\x9f\x00" + dice.randbytes(10) + b"\xff" * 1400)
    packets.append(b"\xbf\xcb" + dice.randbytes(2) + b"\x00" * 40)
    return packets


async def test_mutated_frames_of_workers_end_or_spoil_their_own_calls_alone(
    fuzzed_edge: EdgeProcess, ports: WorkerPorts
) -> None:
    edge, dice = fuzzed_edge, random.Random(SEED)

    async def babble(call: WorkerCall) -> None:
        await call.heard_at_least(0.02)
        for _ in range(150):
            frame = bytearray(_frame(dice.choice(MESSAGES)))
            for _ in range(dice.choice((0, 0, 1, 1, 2, 8))):
                frame[dice.randrange(min(len(frame), 60))] = dice.randrange(256)
            call.write(bytes(frame))
            await asyncio.sleep(0)

    async with (
        StreamWorker(ports.ada, babble),
        StreamWorker(ports.bob, echo=True),
        PersistentCaller((edge.host, edge.sip_port), NOBODY_THEN_BOB, talks=True) as control,
    ):
        assert await control.call() == 200
        for _ in range(4):
            await asyncio.gather(*(_listen_to_babble(edge) for _ in range(10)))
        assert not control.hung_up_on.is_set()
        assert await control.hang_up() == 200
    await eventually(
        lambda: edge.metric("sip_edge_calls_active"), lambda count: count == 0, what="calls"
    )
    edge.check_health()


MESSAGES = (
    b'{"event":"media","streamSid":"x","media":{"payload":"%b"}}' % b64encode(SOUND),
    b'{"event":"mark","streamSid":"x","mark":{"name":"a"}}',
    b'{"event":"clear","streamSid":"x"}',
    b'{"event":"stop"}',
    b'{"event":"media","media":{"payload":"' + b"A" * 40_000 + b'"}}',
    b"[" * 300,
    b'{"event":"mark","mark":{"name":"\\ud800"}}',
)


def _frame(message: bytes) -> bytes:
    size = len(message)
    if size < 126:
        return b"\x81" + bytes((size,)) + message
    return b"\x81\x7e" + size.to_bytes(2, "big") + message


async def _listen_to_babble(edge: EdgeProcess) -> None:
    async with PersistentCaller((edge.host, edge.sip_port), ADA_THEN_BOB, talks=True) as caller:
        assert await caller.call() == 200
        await asyncio.sleep(0.4)
        assert await caller.hang_up() in (200, 481)
        assert caller.is_one_call
