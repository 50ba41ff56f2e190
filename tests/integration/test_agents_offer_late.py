"""Offers whose time is up in the very turn of the loop in which the worker says yes."""

from __future__ import annotations

import asyncio
import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from threading import Thread

from support.descriptors import open_sockets
from support.gateway import websocket_agents
from support.loops import on_both_loops
from support.offer_world import until
from support.offers import agent_at, agent_offer, call_timeline
from support.workers import switching_protocols

from sip_edge.agents.settings import WorkerSettings
from sip_edge.routing.ports import AgentUnavailableError

STALL_SECONDS = 0.01
"""How long each turn of the loop takes, as on a machine that has too much to do."""


@contextmanager
def prompt_worker() -> Iterator[int]:
    """Says yes at once, on a thread of its own: our loop's stalls are none of its."""

    def serve(connection: socket.socket) -> None:
        with connection, suppress(ConnectionError):
            request = b""
            while b"\r\n\r\n" not in request:
                received = connection.recv(65_536)
                if not received:
                    return
                request += received
            connection.sendall(switching_protocols(request))
            while connection.recv(65_536):
                pass

    def accept() -> None:
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            Thread(target=serve, args=(connection,), daemon=True).start()

    with socket.create_server(("127.0.0.1", 0)) as listener:
        Thread(target=accept, daemon=True).start()
        try:
            yield listener.getsockname()[1]
        finally:
            listener.shutdown(socket.SHUT_RDWR)


@on_both_loops
async def test_offer_that_is_accepted_as_its_time_runs_out_leaves_nothing() -> None:
    loop = asyncio.get_running_loop()
    is_over = False
    accepted = late = 0

    def stall() -> None:
        time.sleep(STALL_SECONDS)  # The loop is to stand still.
        if not is_over:
            loop.call_soon(stall)

    with prompt_worker() as port:
        settings = WorkerSettings(close_timeout_seconds=0.1)
        async with websocket_agents(settings=settings) as agents:
            before, tasks = open_sockets(), len(asyncio.all_tasks())
            for turns in range(2, 14):
                for part in (0.2, 0.5, 0.8):
                    is_over = False
                    loop.call_soon(stall)
                    try:
                        session = await agents.offer(
                            agent_at(f"ws://127.0.0.1:{port}/"),
                            agent_offer(accept_timeout_seconds=(turns + part) * STALL_SECONDS),
                            call_timeline(),
                        )
                    except AgentUnavailableError:
                        late += 1
                    else:
                        accepted += 1
                        session.hang_up()
                    is_over = True
                    await asyncio.sleep(2 * STALL_SECONDS)
            await until(lambda: not agents.connections and open_sockets() <= before)
            await until(lambda: len(asyncio.all_tasks()) <= tasks)
    assert accepted
    assert late
