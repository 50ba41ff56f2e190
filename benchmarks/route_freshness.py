"""How soon a committed change changes the next call, and what holding the routes costs.

    .venv/bin/python benchmarks/route_freshness.py [--numbers 100000] [--changes 500]

Starts an embedded PostgreSQL of its own in a temporary folder. Prints milliseconds from the
moment at which the writer's statement has returned until a look-up in the same loop gives the new
answer (looked up again after every turn of the loop), the time of a first and of a repeated load,
and the longest piece of work for which the loop was held up meanwhile (processor time of this
thread, so that a busy machine does not count).
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import json
import tempfile
from collections.abc import Awaitable, Callable
from pathlib import Path
from time import perf_counter, thread_time

import asyncpg
import uvloop

from sip_edge.storage.embedded import EmbeddedPostgres
from sip_edge.storage.migrate import migrate_database
from sip_edge.storage.pool import connect, create_pool
from sip_edge.storage.route_memory import Problem
from sip_edge.storage.route_source import PostgresRouteSource
from sip_edge.storage.routes import STANDARD_SETTINGS, LookupAnswer, RouteTable, TableState

FILL = """
INSERT INTO agents (name, worker_url)
SELECT 'agent ' || n, 'ws://127.0.0.1:8090/' || n FROM generate_series(1, $1::int) AS n;
"""
FILL_NUMBERS = """
INSERT INTO phone_numbers (phone_number, inbound_routing)
SELECT '+1' || (2025550000 + row_number() OVER ()),
       jsonb_build_object('agent_id', id, 'fallback', jsonb_build_object('agent_id', id),
                          'voicemail_message', 'Sorry we missed you, please leave a message.')
FROM agents
"""
NUMBER = "+12025550001"


class Observer:
    """Keeps how long loads took."""

    def __init__(self) -> None:
        self.load_seconds: list[float] = []
        self.loaded = asyncio.Event()

    def looked_up(self, answer: LookupAnswer) -> None: ...

    def state_changed(self, state: TableState, reason: str) -> None: ...

    def reloaded(self, *, entries: int, seconds: float) -> None:
        self.load_seconds.append(seconds)
        self.loaded.set()

    def refreshed(self, *, rows: int, seconds: float) -> None: ...

    def drifted(self) -> None: ...

    def row_problem(self, problem: Problem) -> None: ...


async def longest_stall(work: Callable[[], Awaitable[object]]) -> float:
    """The longest piece of work between two turns of the loop while `work` was done, in seconds."""
    longest = 0.0

    async def watch() -> None:
        nonlocal longest
        while True:
            before = thread_time()
            await asyncio.sleep(0)
            longest = max(longest, thread_time() - before)

    watching = asyncio.create_task(watch())
    await work()
    watching.cancel()
    return longest


def milliseconds(values: list[float]) -> str:
    ordered = sorted(values)
    picked = [ordered[int(len(ordered) * share)] for share in (0.5, 0.99)]
    return " / ".join(f"{value * 1000:.2f}" for value in (*picked, ordered[-1]))


async def seen_after(table: RouteTable, client: asyncpg.Connection, text: str) -> float:
    """Seconds from the end of a committed UPDATE until a look-up tells of it."""
    await client.execute(
        "UPDATE phone_numbers SET inbound_routing = jsonb_set(inbound_routing,"
        " '{voicemail_message}', to_jsonb($1::text)) WHERE phone_number = $2",
        text,
        NUMBER,
    )
    committed_at = perf_counter()
    while True:
        route = await table.lookup(NUMBER)
        if route is not None and route.number.voicemail_message == text:
            return perf_counter() - committed_at
        await asyncio.sleep(0)


async def measure(numbers: int, changes: int) -> None:
    """Fill, load, change, reload."""
    observer = Observer()
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedPostgres(Path(folder, "data")) as server:
            await migrate_database(server.dsn)
            client = await asyncpg.connect(server.dsn)
            await client.execute(FILL.replace("$1", str(numbers)))
            await client.execute(FILL_NUMBERS)
            async with create_pool(server.dsn) as pool:
                source = PostgresRouteSource(pool=pool, connect=lambda: connect(server.dsn))
                table = RouteTable(
                    source=source,
                    observer=observer,
                    clock=asyncio.get_running_loop().time,
                    settings=STANDARD_SETTINGS,
                )
                running = asyncio.create_task(table.run())
                stall = await longest_stall(table.wait_loaded)
                print(json.dumps({"numbers": table.entries, "agents": numbers}))
                print(f"first load: {observer.load_seconds[0]:.2f} s, stall {stall * 1000:.1f} ms")
                gc.collect()
                gc.freeze()

                delays = [await seen_after(table, client, f"text {n}") for n in range(changes)]
                print(f"commit to next call, ms: p50 / p99 / max {milliseconds(delays)}")

                async def everything(statement: str) -> None:
                    observer.loaded.clear()
                    await client.execute(statement)
                    await observer.loaded.wait()

                for what, statement in (
                    ("reload without a change", "NOTIFY sip_edge_routes"),
                    ("all rows changed", "UPDATE phone_numbers SET status = 'inactive'"),
                    ("all rows removed", "TRUNCATE phone_numbers"),
                ):
                    stall = await longest_stall(lambda text=statement: everything(text))
                    seconds = observer.load_seconds[-1]
                    print(f"{what}: {seconds:.2f} s, stall {stall * 1000:.1f} ms")
                started_at = perf_counter()
                await source.digest()
                print(f"digest: {(perf_counter() - started_at) * 1000:.0f} ms")

                started_at = perf_counter()
                for _ in range(100_000):
                    await table.lookup(NUMBER)
                print(f"look-up: {(perf_counter() - started_at) * 10:.2f} µs")
                running.cancel()
                await asyncio.wait({running})
            await client.close()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", type=int, default=100_000)
    parser.add_argument("--changes", type=int, default=500)
    arguments = parser.parse_args()
    uvloop.run(measure(arguments.numbers, arguments.changes))


if __name__ == "__main__":
    main()
