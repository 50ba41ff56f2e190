"""A call with a real worker: sound both ways, marks, clear, every end, and odd workers."""

from __future__ import annotations

import asyncio
import json
import socket
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from support.gateway import CountingObserver, websocket_agents
from support.loops import on_both_loops
from support.offers import STREAM_SID, ScriptedAudio, agent_at, agent_offer, call_timeline
from support.workers import TLS, WorkerCall, scripted_worker, switching_protocols, tcp_server

from sip_edge.agents.counters import Counted
from sip_edge.agents.session import WorkerSession
from sip_edge.agents.settings import WorkerSettings
from sip_edge.routing.outcome import AgentEnd
from sip_edge.routing.plan import WorkerOptions

FRAME = bytes(range(160))
SETTINGS = WorkerSettings(ca_file=TLS / "ca.pem")
IMPATIENT = WorkerSettings(close_timeout_seconds=0.05)
"""For workers that never close by themselves."""


class Joined:
    """A call in progress, seen from both sides."""

    def __init__(
        self,
        session: WorkerSession,
        call: WorkerCall,
        audio: ScriptedAudio,
        observer: CountingObserver,
    ) -> None:
        self.session = session
        self.call = call
        self.audio = audio
        self.observer = observer

    async def end(self) -> AgentEnd:
        async with asyncio.timeout(10.0):
            return await self.session.wait_ended()

    async def until_log_has(self, count: int) -> None:
        """Wait until the stream was told `count` things."""
        async with asyncio.timeout(10.0):
            while len(self.audio.log) < count:  # noqa: ASYNC110 - the double has no event
                await asyncio.sleep(0.005)


@asynccontextmanager
async def joined_call(
    *,
    settings: WorkerSettings = SETTINGS,
    tls: bool = False,
    options: WorkerOptions | None = None,
) -> AsyncIterator[Joined]:
    observer = CountingObserver()
    async with (
        scripted_worker(tls=tls) as worker,
        websocket_agents(settings=settings, observer=observer) as agents,
    ):
        session = await agents.offer(
            agent_at(worker.url, options=options), agent_offer(), call_timeline()
        )
        call = await worker.call()
        await call.receive_start()
        audio = ScriptedAudio()
        session.join(audio)
        yield Joined(session, call, audio, observer)


@asynccontextmanager
async def raw_worker(
    *, settings: WorkerSettings = IMPATIENT
) -> AsyncIterator[tuple[WorkerSession, ScriptedAudio, asyncio.StreamWriter, asyncio.Event]]:
    """A worker that sends whatever bytes the test likes behind its 101; the event is its EOF."""
    writers: asyncio.Queue[asyncio.StreamWriter] = asyncio.Queue()
    is_over = asyncio.Event()

    async def behave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(switching_protocols(request))
        writers.put_nowait(writer)
        try:
            while await reader.read(65_536):
                pass
        finally:
            is_over.set()

    async with tcp_server(behave) as port, websocket_agents(settings=settings) as agents:
        session = await agents.offer(
            agent_at(f"ws://127.0.0.1:{port}/"), agent_offer(), call_timeline()
        )
        audio = ScriptedAudio()
        session.join(audio)
        yield session, audio, await writers.get(), is_over


def frame(payload: bytes, *, opcode: int = 1, fin: bool = True) -> bytes:
    """A WebSocket frame from a server: not masked."""
    head = bytes([(0x80 if fin else 0) | opcode])
    if len(payload) < 126:
        return head + bytes([len(payload)]) + payload
    if len(payload) < 65_536:
        return head + b"\x7e" + len(payload).to_bytes(2, "big") + payload
    return head + b"\x7f" + len(payload).to_bytes(8, "big") + payload


def media(ulaw: bytes) -> bytes:
    return json.dumps({"event": "media", "media": {"payload": b64encode(ulaw).decode()}}).encode()


async def ended(session: WorkerSession) -> AgentEnd:
    async with asyncio.timeout(10.0):
        return await session.wait_ended()


# Sound, keys, marks


@pytest.mark.parametrize("tls", [False, True])
@on_both_loops
async def test_the_worker_hears_the_caller_and_is_told_of_keys(tls: bool) -> None:
    async with joined_call(tls=tls) as joined:
        joined.session.on_audio(FRAME)
        joined.session.on_digit("5")
        joined.session.on_audio(FRAME)

        first, key, second = [await joined.call.receive() for _ in range(3)]

        timestamps = [int(message["media"].pop("timestamp")) for message in (first, second)]
        assert timestamps == sorted(timestamps)
        payload = b64encode(FRAME).decode()
        assert [first, key, second] == [
            {
                "event": "media",
                "sequenceNumber": "2",
                "streamSid": STREAM_SID,
                "media": {"track": "inbound", "chunk": "1", "payload": payload},
            },
            {
                "event": "dtmf",
                "sequenceNumber": "3",
                "streamSid": STREAM_SID,
                "dtmf": {"track": "inbound_track", "digit": "5"},
            },
            {
                "event": "media",
                "sequenceNumber": "4",
                "streamSid": STREAM_SID,
                "media": {"track": "inbound", "chunk": "2", "payload": payload},
            },
        ]


@on_both_loops
async def test_the_caller_hears_the_worker_whatever_the_size_of_its_messages() -> None:
    async with joined_call() as joined:
        said = [bytes([size % 251]) * size for size in (1, 159, 160, 320, 16_000, 700_000)]

        for ulaw in said:
            await joined.call.say(ulaw)
        await joined.until_log_has(len(said))

        assert joined.audio.log == said


@on_both_loops
async def test_marks_return_when_heard_and_with_clear() -> None:
    async with joined_call() as joined:
        await joined.call.say(FRAME)
        await joined.call.mark("heard")
        await joined.until_log_has(2)
        joined.audio.heard()
        assert (await joined.call.receive())["mark"] == {"name": "heard"}

        await joined.call.say(FRAME)
        await joined.call.mark("first")
        await joined.call.mark("second")
        await joined.call.clear()
        names = [(await joined.call.receive())["mark"]["name"] for _ in range(2)]

        assert names == ["first", "second"]
        assert joined.audio.log[-1] == "clear"


@pytest.mark.asyncio
async def test_messages_in_fragments_are_put_together_and_pings_may_come_in_between() -> None:
    async with raw_worker() as (_, audio, writer, _):
        text = media(FRAME)
        for part in (
            frame(text[:20], fin=False),
            frame(b"are you there", opcode=9),
            frame(text[20:30], opcode=0, fin=False),
            frame(b"", opcode=0, fin=False),
            frame(text[30:], opcode=0),
            frame(b"\x00\x01", opcode=2, fin=False),
            frame(b"\x00\x01", opcode=0),
            frame(media(b"\x01")),
        ):
            writer.write(part)
            await writer.drain()
        async with asyncio.timeout(10.0):
            while len(audio.log) < 2:  # noqa: ASYNC110
                await asyncio.sleep(0.005)

    assert audio.log == [FRAME, b"\x01"]


@pytest.mark.asyncio
async def test_what_is_no_part_of_the_dialect_is_ignored_and_counted() -> None:
    async with joined_call() as joined:
        await joined.call.connection.send(b"\x00\x01\x02")
        await joined.call.connection.send("not JSON")
        await joined.call.send({"event": "media", "media": {"payload": "?"}})
        await joined.call.send({"event": "close"})
        await joined.call.send({"event": "mark"})
        await joined.call.say(FRAME)
        await joined.until_log_has(1)

        assert joined.audio.log == [FRAME]
        joined.session.report_counters()
        assert joined.observer.counts == {
            Counted.BINARY_IN: 1,
            Counted.MALFORMED_IN: 2,
            Counted.UNKNOWN_IN: 1,
            Counted.MARK_IN: 1,
            Counted.MEDIA_IN: 1,
        }


# Ends


@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("code", "end"),
    [
        (1000, AgentEnd.HANG_UP),
        (1001, AgentEnd.GOING_AWAY),
        (1011, AgentEnd.ERROR_CODE),
        (1013, AgentEnd.ERROR_CODE),
        (4000, AgentEnd.ERROR_CODE),
    ],
)
@on_both_loops
async def test_the_workers_close_code_decides_how_it_ended(
    code: int, end: AgentEnd, tls: bool
) -> None:
    async with joined_call(tls=tls) as joined:
        await joined.call.say(FRAME)
        await joined.call.close(code)

        assert await joined.end() is end
        assert joined.audio.log == [FRAME]
        # The library on the other side saw a complete closing handshake.
        assert joined.call.connection.close_code == code


@on_both_loops
async def test_a_close_frame_without_a_code_is_a_wish_to_end() -> None:
    async with raw_worker() as (session, _, writer, _):
        writer.write(frame(b"", opcode=8))

        assert await ended(session) is AgentEnd.HANG_UP


@pytest.mark.parametrize("tls", [False, True])
@on_both_loops
async def test_a_worker_that_vanishes_has_failed(tls: bool) -> None:
    async with joined_call(tls=tls) as joined:
        joined.call.drop()

        assert await joined.end() is AgentEnd.NO_CLOSE_FRAME


@pytest.mark.asyncio
async def test_a_worker_that_ends_its_stream_without_a_close_frame_has_failed() -> None:
    async with raw_worker() as (session, audio, writer, _):
        writer.write(frame(media(FRAME)))
        writer.write_eof()

        assert await ended(session) is AgentEnd.NO_CLOSE_FRAME
        assert audio.log == [FRAME]


@pytest.mark.parametrize("tls", [False, True])
@on_both_loops
async def test_hanging_up_says_stop_closes_and_does_not_wait(tls: bool) -> None:
    async with joined_call(tls=tls) as joined:
        joined.session.on_audio(FRAME)
        joined.session.hang_up()

        code, messages = await joined.call.closed()

        assert code == 1000
        assert [message["event"] for message in messages] == ["media", "stop"]
        assert messages[1]["sequenceNumber"] == "3"
        assert await joined.end() is AgentEnd.HANG_UP


@on_both_loops
async def test_stop_arrives_although_the_worker_keeps_talking() -> None:
    async with joined_call() as joined:
        for _ in range(200):
            await joined.call.say(FRAME)
        joined.session.hang_up()
        for _ in range(200):
            await joined.call.say(FRAME)

        code, messages = await joined.call.closed()

        assert code == 1000
        assert [message["event"] for message in messages] == ["stop"]


@on_both_loops
async def test_a_worker_that_does_not_close_after_stop_is_dropped() -> None:
    async with raw_worker() as (session, _, _, is_over):
        session.hang_up()

        async with asyncio.timeout(10.0):
            await is_over.wait()
        assert await ended(session) is AgentEnd.HANG_UP


@on_both_loops
async def test_a_worker_that_answers_no_ping_is_dropped() -> None:
    settings = replace(SETTINGS, ping_interval_seconds=0.05, ping_timeout_seconds=0.05)
    async with raw_worker(settings=settings) as (session, _, _, is_over):
        assert await ended(session) is AgentEnd.PING_TIMEOUT
        async with asyncio.timeout(10.0):
            await is_over.wait()


@on_both_loops
async def test_a_worker_that_answers_pings_stays() -> None:
    settings = replace(SETTINGS, ping_interval_seconds=0.02, ping_timeout_seconds=10.0)
    async with joined_call(settings=settings) as joined:
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.3):
                await joined.session.wait_ended()


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
