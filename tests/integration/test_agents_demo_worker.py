"""The demo worker, called by a client of another library in Twilio's place."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from support.loops import on_both_loops
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from sip_edge.agents.demo_worker import Behaviour, DemoWorker, main
from sip_edge.media.tones import chime

STREAM = "MZ" + "2" * 32


class Caller:
    """Twilio's side of a call."""

    def __init__(self, connection: ClientConnection) -> None:
        self.connection = connection

    async def say(self, ulaw: bytes) -> None:
        payload = b64encode(ulaw).decode()
        await self.send("media", media={"track": "inbound", "payload": payload})

    async def press(self, digit: str) -> None:
        await self.send("dtmf", dtmf={"track": "inbound_track", "digit": digit})

    async def heard(self, mark: dict[str, Any]) -> None:
        await self.send("mark", mark=mark["mark"])

    async def receive(self) -> dict[str, Any]:
        async with asyncio.timeout(10.0):
            message = json.loads(await self.connection.recv())
        assert message["streamSid"] == STREAM
        return message

    async def hears_chime(self) -> dict[str, Any]:
        """Read the chime; returns the mark behind it."""
        sound = b""
        while True:
            message = await self.receive()
            if message["event"] == "mark":
                assert sound == chime()
                return message
            sound += b64decode(message["media"]["payload"])

    async def close_code(self) -> int | None:
        try:
            while True:
                await self.receive()
        except ConnectionClosed as closed:
            return closed.rcvd.code if closed.rcvd else None

    async def send(self, event: str, **members: object) -> None:
        await self.connection.send(json.dumps({"event": event, "streamSid": STREAM, **members}))


@asynccontextmanager
async def calling(behaviour: Behaviour) -> AsyncIterator[Caller]:
    worker = DemoWorker(port=0)
    await worker.start()
    try:
        async with connect(worker.url(behaviour), compression=None) as connection:
            caller = Caller(connection)
            await connection.send('{"event":"connected","protocol":"Call","version":"1.0.0"}')
            start = {"streamSid": STREAM, "callSid": "CA", "customParameters": {}}
            await caller.send("start", sequenceNumber="1", start=start)
            yield caller
    finally:
        await worker.close()


@on_both_loops
async def test_echo_plays_a_chime_and_returns_what_is_said_once_that_was_heard() -> None:
    async with calling(Behaviour.ECHO) as caller:
        mark = await caller.hears_chime()
        await caller.say(b"\x01" * 160)
        await caller.heard(mark)
        await caller.say(b"\x02" * 160)

        echo = await caller.receive()

        assert b64decode(echo["media"]["payload"]) == b"\x02" * 160


@pytest.mark.asyncio
async def test_hash_ends_an_echo_normally() -> None:
    async with calling(Behaviour.ECHO) as caller:
        await caller.hears_chime()
        await caller.press("#")

        assert await caller.close_code() == 1000


@pytest.mark.asyncio
async def test_star_interrupts_an_echo() -> None:
    async with calling(Behaviour.ECHO) as caller:
        await caller.hears_chime()
        await caller.press("5")
        await caller.press("*")

        assert (await caller.receive())["event"] == "clear"
        await caller.hears_chime()


@pytest.mark.parametrize("behaviour", [Behaviour.ECHO, Behaviour.CRASH])
@pytest.mark.asyncio
async def test_a_crash_sends_no_close_frame(behaviour: Behaviour) -> None:
    async with calling(behaviour) as caller:
        await caller.hears_chime()
        if behaviour is Behaviour.ECHO:
            await caller.press("0")

        assert await caller.close_code() is None


@pytest.mark.asyncio
async def test_bye_hangs_up_when_the_chime_was_heard() -> None:
    async with calling(Behaviour.BYE) as caller:
        await caller.heard(await caller.hears_chime())

        assert await caller.close_code() == 1000


@pytest.mark.asyncio
async def test_hang_takes_the_call_and_says_nothing() -> None:
    async with calling(Behaviour.HANG) as caller:
        await caller.say(b"\x01" * 160)

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await caller.connection.recv()


@pytest.mark.parametrize("behaviour", [Behaviour.ECHO, Behaviour.HANG])
@pytest.mark.asyncio
async def test_a_caller_that_closes_is_let_go_properly(behaviour: Behaviour) -> None:
    async with calling(behaviour) as caller:
        await caller.connection.close()

        assert caller.connection.close_code == 1000


@pytest.mark.asyncio
async def test_what_is_not_json_is_refused() -> None:
    async with calling(Behaviour.ECHO) as caller:
        await caller.hears_chime()
        await caller.connection.send("nonsense")

        assert await caller.close_code() == 1003


@pytest.mark.parametrize(("path", "status"), [("/busy", 503), ("/nothing-here", 404)])
@pytest.mark.asyncio
async def test_busy_and_unknown_paths_refuse_the_call(path: str, status: int) -> None:
    worker = DemoWorker(port=0)
    await worker.start()
    try:
        with pytest.raises(InvalidStatus) as refused:
            async with connect(f"ws://127.0.0.1:{worker.port}{path}"):
                raise AssertionError("accepted")
    finally:
        await worker.close()

    assert refused.value.response.status_code == status


@pytest.mark.asyncio
async def test_it_runs_by_itself_and_says_where() -> None:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sip_edge.agents.demo_worker",
        "--port",
        "0",
        stdout=asyncio.subprocess.PIPE,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    try:
        assert process.stdout is not None
        async with asyncio.timeout(30.0):
            line = (await process.stdout.readline()).decode()
        url = next(word.rstrip(",") for word in line.split() if word.endswith("/echo,"))

        async with connect(url) as connection:
            assert connection.response is not None
            assert connection.response.status_code == 101
    finally:
        process.send_signal(signal.SIGINT)
        status = await process.wait()

    assert status == 0


def test_a_taken_port_is_an_error_in_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--host", "192.0.2.1", "--port", "7860"]) == 1

    assert capsys.readouterr().err.startswith("cannot listen on 192.0.2.1:7860: ")
