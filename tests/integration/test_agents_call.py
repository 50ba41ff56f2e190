"""A call with a real worker: sound both ways, marks, clear, every end, and odd workers."""

from __future__ import annotations

import asyncio
from base64 import b64encode
from dataclasses import replace

import pytest
from support.joined_call import (
    FRAME,
    SETTINGS,
    ended,
    frame,
    joined_call,
    media,
    raw_worker,
)
from support.loops import on_both_loops
from support.offers import STREAM_SID

from sip_edge.agents.counters import Counted
from sip_edge.routing.outcome import AgentEnd

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
