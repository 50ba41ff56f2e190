"""Hostile, broken and slow workers over real WebSockets."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from support.gateway import CountingObserver, websocket_agents
from support.joined_call import (
    FRAME,
    IMPATIENT,
    SETTINGS,
    ended,
    frame,
    joined_call,
    media,
    raw_worker,
)
from support.loops import on_both_loops
from support.offers import ScriptedAudio, agent_at, agent_offer, call_timeline
from support.workers import WorkerCall, scripted_worker, switching_protocols, tcp_server

from sip_edge.agents.counters import Counted
from sip_edge.agents.session import WorkerSession
from sip_edge.agents.settings import WorkerSettings
from sip_edge.routing.outcome import AgentEnd
from sip_edge.routing.plan import WorkerOptions

# Hostile and broken workers


@pytest.mark.parametrize(
    "sent",
    [
        frame(b"{}", opcode=0),
        frame(b"{", fin=False) + frame(b"{}"),
        frame(b"\x00", opcode=2, fin=False) + frame(b"\x00", opcode=2),
        frame(b"{}", opcode=3),
        b"\x81\x80\x00\x00\x00\x00",
        frame(b"x" * 126, opcode=9),
        frame(b"\x00", opcode=8),
        frame(b"\x03\xed", opcode=8),
        frame(b"\x03\xe8\xff", opcode=8),
        b"HTTP/1.1 500 Oops\r\n\r\n",
    ],
    ids=[
        "continuation of nothing",
        "message within a message",
        "binary within a binary",
        "reserved opcode",
        "masked",
        "long ping",
        "short close code",
        "forbidden close code",
        "close reason not UTF-8",
        "no WebSocket",
    ],
)
@on_both_loops
async def test_a_worker_that_breaks_the_websocket_protocol_has_failed(sent: bytes) -> None:
    async with raw_worker() as (session, _, writer, is_over):
        writer.write(sent)

        assert await ended(session) is AgentEnd.PROTOCOL_ERROR
        async with asyncio.timeout(10.0):
            await is_over.wait()


@pytest.mark.asyncio
async def test_a_worker_that_repeats_our_close_code_has_broken_the_protocol_all_the_same() -> None:
    # What libraries do; the code of the close frame is then ours, not the worker's wish.
    async with joined_call(settings=SETTINGS) as joined:
        await joined.call.connection.send(" " * (SETTINGS.max_message_bytes + 1))

        assert await joined.end() is AgentEnd.PROTOCOL_ERROR


@pytest.mark.parametrize("in_parts", [False, True])
@on_both_loops
async def test_a_message_over_the_limit_ends_the_session(in_parts: bool) -> None:
    settings = replace(IMPATIENT, max_message_bytes=10_000)
    async with raw_worker(settings=settings) as (session, _, writer, is_over):
        writer.write(frame(b" " * 9_000, fin=not in_parts))
        writer.write(frame(b" " * (9_000 if in_parts else 10_001), opcode=0 if in_parts else 1))

        assert await ended(session) is AgentEnd.PROTOCOL_ERROR
        async with asyncio.timeout(10.0):
            await is_over.wait()


@pytest.mark.asyncio
async def test_too_many_malformed_messages_end_the_session() -> None:
    async with joined_call(settings=replace(SETTINGS, malformed_limit=5)) as joined:
        for _ in range(6):
            await joined.call.connection.send("nonsense")

        assert await joined.end() is AgentEnd.PROTOCOL_ERROR
        code, _ = await joined.call.closed()
        assert code == 1008


@pytest.mark.asyncio
async def test_sound_without_end_ends_the_session() -> None:
    async with joined_call(settings=replace(SETTINGS, max_ahead_seconds=5.0)) as joined:
        for _ in range(6):
            await joined.call.say(b"\x00" * 8000)

        assert await joined.end() is AgentEnd.FLOOD


@pytest.mark.parametrize("kind", ["ping", "clear", "empty sound"])
@pytest.mark.asyncio
async def test_frames_without_end_end_the_session(kind: str) -> None:
    sent = {
        "ping": frame(b"", opcode=9),
        "clear": frame(b'{"event":"clear"}'),
        "empty sound": frame(media(b"")),
    }[kind]
    settings = replace(IMPATIENT, max_frames=100, frames_window_seconds=60.0)
    async with raw_worker(settings=settings) as (session, _, writer, is_over):
        writer.write(sent * 100)
        writer.write(sent)

        assert await ended(session) is AgentEnd.FLOOD
        async with asyncio.timeout(10.0):
            await is_over.wait()


@pytest.mark.asyncio
async def test_many_frames_over_a_long_time_are_no_flood() -> None:
    settings = replace(SETTINGS, max_frames=100, frames_window_seconds=0.0)
    async with joined_call(settings=settings) as joined:
        for _ in range(1000):
            await joined.call.say(FRAME)
        await joined.until_log_has(1000)

        assert joined.session.end is None


@pytest.mark.asyncio
async def test_the_agents_own_limit_for_its_first_sound_wins() -> None:
    options = WorkerOptions(first_audio_timeout_seconds=0.05)
    settings = replace(SETTINGS, first_audio_timeout_seconds=60.0)
    async with joined_call(settings=settings, options=options) as joined:
        assert await joined.end() is AgentEnd.NO_FIRST_AUDIO
        code, messages = await joined.call.closed()

        assert code == 1000
        assert [message["event"] for message in messages] == ["stop"]


@asynccontextmanager
async def deaf_worker(
    settings: WorkerSettings,
) -> AsyncIterator[tuple[WorkerSession, asyncio.StreamReader, CountingObserver]]:
    """A worker that accepts and reads only what the test reads; buffers of the kernel are small."""
    readers: asyncio.Queue[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = asyncio.Queue()
    may_go = asyncio.Event()
    observer = CountingObserver()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(switching_protocols(request))
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        readers.put_nowait((reader, writer))
        await may_go.wait()

    async with (
        tcp_server(behave) as port,
        websocket_agents(settings=settings, observer=observer) as agents,
    ):
        session = await agents.offer(
            agent_at(f"ws://127.0.0.1:{port}/"), agent_offer(), call_timeline()
        )
        session.join(ScriptedAudio())
        reader, _writer = await readers.get()
        yield session, reader, observer
        may_go.set()


async def talk_until_dropping(session: WorkerSession, observer: CountingObserver) -> int:
    """Speak, far faster than in real time, until frames are dropped; returns how many went out."""
    for count in range(200_000):
        session.on_audio(FRAME)
        if count % 100 == 0:
            await asyncio.sleep(0)
            session.report_counters()
            if observer.counts[Counted.DROPPED_OUT]:
                return observer.counts[Counted.MEDIA_OUT]
    raise AssertionError("nothing was ever dropped")


@on_both_loops
async def test_what_a_worker_does_not_read_is_bounded_dropped_and_counted() -> None:
    settings = replace(SETTINGS, max_unsent_bytes=50_000, stalled_seconds=60.0)
    async with deaf_worker(settings) as (session, _, observer):
        sent = await talk_until_dropping(session, observer)
        for _ in range(1000):
            session.on_audio(FRAME)
        session.report_counters()

        assert observer.counts[Counted.MEDIA_OUT] == sent
        assert observer.counts[Counted.DROPPED_OUT] >= 1000
        assert session.end is None
        session.hang_up()


@on_both_loops
async def test_as_much_is_kept_for_a_worker_as_the_setting_says() -> None:
    # More than any kernel keeps: the rest is ours.
    settings = replace(SETTINGS, max_unsent_bytes=20_000_000, stalled_seconds=60.0)
    async with deaf_worker(settings) as (session, _, observer):
        messages = await talk_until_dropping(session, observer)

        # A message is some 340 bytes.
        assert messages > 50_000
        session.hang_up()


@on_both_loops
async def test_a_worker_that_reads_nothing_for_too_long_has_failed() -> None:
    settings = replace(SETTINGS, max_unsent_bytes=50_000, stalled_seconds=0.05)
    async with deaf_worker(settings) as (session, _, observer):
        await talk_until_dropping(session, observer)

        assert await ended(session) is AgentEnd.PING_TIMEOUT


@pytest.mark.asyncio
async def test_the_observer_hears_of_traffic_while_the_call_goes_on() -> None:
    settings = replace(SETTINGS, ping_interval_seconds=0.02)
    async with joined_call(settings=settings) as joined:
        joined.session.on_audio(FRAME)
        async with asyncio.timeout(10.0):
            while not joined.observer.counts:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

        assert joined.observer.counts == {Counted.MEDIA_OUT: 1}


@pytest.mark.asyncio
async def test_two_hundred_calls_at_once_do_not_mix() -> None:
    async def echo(call: WorkerCall) -> None:
        start = await call.receive_start()
        own = start["start"]["customParameters"]["call_id"].encode()
        while True:
            message: dict[str, Any] = await call.receive()
            if message["event"] == "stop":
                return
            await call.say(own)

    async with scripted_worker(echo) as worker, websocket_agents() as agents:

        async def one_call(number: int) -> bytes:
            offered = agent_offer()
            offered = replace(offered, facts=replace(offered.facts, call_id=f"call {number}"))
            session = await agents.offer(agent_at(worker.url), offered, call_timeline())
            audio = ScriptedAudio()
            session.join(audio)
            session.on_audio(FRAME)
            async with asyncio.timeout(20.0):
                while not audio.log:  # noqa: ASYNC110
                    await asyncio.sleep(0.01)
            session.hang_up()
            return audio.sound

        heard = await asyncio.gather(*(one_call(number) for number in range(200)))

    assert heard == [f"call {number}".encode() for number in range(200)]
