"""A call joined to a real worker over a real WebSocket."""

from __future__ import annotations

import asyncio
import json
from base64 import b64encode
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.gateway import CountingObserver, websocket_agents
from support.offers import ScriptedAudio, agent_at, agent_offer, call_timeline
from support.workers import TLS, WorkerCall, scripted_worker, switching_protocols, tcp_server

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
