"""What a worker's connection costs: CPU per 20 ms of one call, one frame of sound each way.

Every call sends its worker 50 frames a second and the worker returns each of them. No RTP, no SIP:
sound comes from a timer and ends in a counter.

    python benchmarks/worker_bridge.py [--calls 100] [--seconds 5] [--rounds 3]
        [--client ours|websockets] [--peer picows|websockets] [--loop uvloop|asyncio]

The edge runs on the first core, the workers on the second one. `--client websockets` does the same
with the `websockets` library and orjson, as a yardstick: compare figures of one run of the machine,
at the same number of calls. Run it when nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import gc
import json
import multiprocessing
import os
import statistics
import time
from base64 import b64decode, b64encode
from collections.abc import Callable
from multiprocessing.connection import Connection

import orjson
import uvloop
from picows import WSFrame, WSListener, WSMsgType, WSTransport, WSUpgradeRequest, ws_create_server
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

from sip_edge.agents.counters import Counted
from sip_edge.agents.settings import WorkerSettings
from sip_edge.agents.websocket import WebSocketAgents
from sip_edge.media.audio import AudioListener
from sip_edge.resolver import CaresLookup, Resolver, ResolverSettings
from sip_edge.routing.plan import AgentRecord, AgentStatus, Role, WorkerOptions
from sip_edge.routing.ports import AgentOffer, CallFacts
from sip_edge.routing.timeline import CallTimeline

HOST = "127.0.0.1"
WARM_UP_SECONDS = 1.0
SLOTS = 10
"""Calls are spread over the 20 ms, 2 ms apart, as they are in life."""
FRAME = bytes(range(160))


class Echo(WSListener):
    """A worker that returns what it hears, without looking closely."""

    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close()
            transport.disconnect()
            return
        text = frame.get_payload_as_bytes()
        if text.startswith(b'{"event":"media"'):
            transport.send(WSMsgType.TEXT, text)


async def echo(connection: ServerConnection) -> None:
    with contextlib.suppress(ConnectionClosed):
        async for text in connection:
            assert isinstance(text, str)
            if text.startswith('{"event":"media"'):
                await connection.send(text)


def serve_workers(pipe: Connection, peer: str) -> None:
    """Be all the workers, on the second core, until told to stop."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})

    async def run() -> None:
        if peer == "picows":

            def accept(request: WSUpgradeRequest) -> WSListener:
                return Echo()

            server = await ws_create_server(accept, HOST, 0)
        else:
            server = (await serve(echo, HOST, 0, compression=None)).server
        pipe.send(server.sockets[0].getsockname()[1])
        await asyncio.get_running_loop().run_in_executor(None, pipe.recv)

    uvloop.run(run())


class Ear:
    """A caller's stream that counts what is played."""

    def __init__(self) -> None:
        self.frames = 0
        self.listener: AudioListener | None = None

    def listen(self, listener: AudioListener | None) -> None:
        self.listener = listener

    def play(self, ulaw: bytes) -> None:
        self.frames += 1

    def mark(self, name: str) -> None: ...

    def clear(self) -> None: ...

    def trim(self) -> None: ...

    async def drained(self) -> None: ...


class Nobody:
    def messages(self, kind: Counted, count: int) -> None: ...


async def our_calls(port: int, calls: int) -> tuple[list[Callable[[bytes], None]], list[Ear]]:
    loop = asyncio.get_running_loop()
    settings = ResolverSettings()
    agents = WebSocketAgents(
        settings=WorkerSettings(),
        resolver=Resolver(
            settings=settings, lookup=CaresLookup(settings=settings), clock=loop.time
        ),
        environment={},
        observer=Nobody(),
    )
    agent = AgentRecord(
        agent_id="agent",
        name="agent",
        status=AgentStatus.ACTIVE,
        worker_url=f"ws://{HOST}:{port}/",
        options=WorkerOptions(),
        voicemail_message=None,
        language=None,
    )
    facts = CallFacts(
        call_id="call",
        sip_call_id="call",
        carrier="local",
        provider=None,
        called_number="+12025550199",
        caller_number="+12025550123",
        caller="+12025550123",
        call_sid="CA" + "0" * 32,
        stream_sid="MZ" + "0" * 32,
        account_sid="AC" + "0" * 32,
    )
    offer = AgentOffer(
        facts=facts,
        role=Role.PRIMARY,
        attempt=1,
        failover_reason=None,
        accept_timeout_seconds=10.0,
        lost=None,
    )
    ears = []
    for _ in range(calls):
        session = await agents.offer(agent, offer, CallTimeline(loop.time(), clock=loop.time))
        ear = Ear()
        session.join(ear)
        ears.append(ear)
    return [ear.listener.on_audio for ear in ears if ear.listener is not None], ears


async def their_calls(port: int, calls: int) -> tuple[list[Callable[[bytes], None]], list[Ear]]:
    """The same with `websockets` and orjson: a queue and two tasks a call, as its users write."""
    ears = []
    talkers = []
    tasks = []
    for _ in range(calls):
        connection = await connect(f"ws://{HOST}:{port}/", compression=None)
        ear = Ear()
        queue: asyncio.Queue[bytes] = asyncio.Queue()

        async def read(connection=connection, ear=ear) -> None:  # type: ignore[no-untyped-def]
            async for text in connection:
                message = orjson.loads(text)
                if message["event"] == "media":
                    ear.play(b64decode(message["media"]["payload"]))

        async def write(connection=connection, queue=queue) -> None:  # type: ignore[no-untyped-def]
            number = 0
            while True:
                frame = await queue.get()
                number += 1
                message = {
                    "event": "media",
                    "sequenceNumber": str(number),
                    "media": {
                        "track": "inbound",
                        "chunk": str(number),
                        "timestamp": str(number * 20),
                        "payload": b64encode(frame).decode(),
                    },
                    "streamSid": "MZ" + "0" * 32,
                }
                await connection.send(orjson.dumps(message), text=True)

        tasks += [asyncio.create_task(read()), asyncio.create_task(write())]
        ears.append(ear)
        talkers.append(queue.put_nowait)
    ears[0].tasks = tasks  # type: ignore[attr-defined] # kept alive
    return talkers, ears


async def measure(port: int, options: argparse.Namespace) -> dict[str, float]:
    """CPU of this process per cycle, in microseconds, for each round; and what came back."""
    open_calls = our_calls if options.client == "ours" else their_calls
    talkers, ears = await open_calls(port, options.calls)
    slots = [talkers[number::SLOTS] for number in range(SLOTS)]
    loop = asyncio.get_running_loop()
    tick = 0
    sent = 0
    started_at = loop.time()

    def turn() -> None:
        nonlocal tick, sent
        for talk in slots[tick % SLOTS]:
            talk(FRAME)
            sent += 1
        tick += 1
        loop.call_at(started_at + tick * 0.02 / SLOTS, turn)

    turn()
    await asyncio.sleep(WARM_UP_SECONDS)
    gc.collect()
    gc.freeze()
    costs, loads = [], []
    for _ in range(options.rounds):
        sent_before, cpu, wall = sent, time.process_time(), time.perf_counter()
        await asyncio.sleep(options.seconds)
        used = time.process_time() - cpu
        costs.append(used / (sent - sent_before) * 1e6)
        loads.append(used / (time.perf_counter() - wall) * 100)
    returned = sum(ear.frames for ear in ears)
    return {
        "us_per_cycle": round(statistics.median(costs), 1),
        "us_per_cycle_min": round(min(costs), 1),
        "us_per_cycle_max": round(max(costs), 1),
        "core_percent": round(statistics.median(loads), 1),
        "calls_per_core": round(20_000 / statistics.median(costs)),
        "frames_out": sent,
        "frames_not_yet_back": sent - returned,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--client", choices=["ours", "websockets"], default="ours")
    parser.add_argument("--peer", choices=["picows", "websockets"], default="picows")
    parser.add_argument("--loop", choices=["uvloop", "asyncio"], default="uvloop")
    options = parser.parse_args()
    ours, theirs = multiprocessing.Pipe()
    context = multiprocessing.get_context("spawn")
    workers = context.Process(target=serve_workers, args=(theirs, options.peer), daemon=True)
    workers.start()
    port = ours.recv()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    new_loop = uvloop.new_event_loop if options.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=new_loop) as runner:
        result = runner.run(measure(port, options))
    print(json.dumps({**vars(options), **result}))
    ours.send("stop")
    workers.join(5.0)
    workers.terminate()


if __name__ == "__main__":
    main()
