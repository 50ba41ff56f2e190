"""How many reads a second the control API answers with many numbers, and how long each takes.

    .venv/bin/python benchmarks/control_api.py [--numbers 100000] [--seconds 3] [--clients 8]

Starts an embedded PostgreSQL and `sip-edge api` in a temporary folder; the client is this process,
so that both share the machine. Prints, for each kind of read, requests a second, milliseconds (p50
and p99) and what the API's process used of the processor for each; then PostgreSQL's plans of the
pages. Compare the kinds within one run: a deep page must cost what the first one does. (That a page
is one statement is tested in tests/integration/test_control_statements.py.)
"""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from time import perf_counter
from typing import Any

import asyncpg
import uvloop

from sip_edge.api.control.paging import encode_cursor
from sip_edge.provisioning.number_values import NumberFilter
from sip_edge.provisioning.values import CallFilter, PageRequest, Position, VoicemailFilter
from sip_edge.storage.control_database import ControlDatabase
from sip_edge.storage.embedded import EmbeddedPostgres
from sip_edge.storage.migrate import migrate_database
from sip_edge.storage.number_rows import PostgresNumbers
from sip_edge.storage.record_rows import PostgresRecords

KEY = "oi_sk_" + "benchmark" * 5
PORT = 18_081
FILL = (
    "INSERT INTO agents (name) SELECT 'agent ' || n FROM generate_series(1, 1000) AS n",
    """
    INSERT INTO phone_numbers (phone_number, agent_id, provider, created_at, inbound_routing)
    SELECT '+1' || (2025000000 + n), agent.id, CASE n % 10 WHEN 0 THEN 'telnyx' ELSE 'twilio' END,
           timestamptz '2026-01-01' + n * interval '1 second',
           jsonb_build_object('agent_id', agent.id)
    FROM generate_series(1, {numbers}) AS n
    JOIN (SELECT id, row_number() OVER () AS place FROM agents) agent ON agent.place = 1 + n % 1000
    """,
    """
    INSERT INTO calls (id, state, instance_id, workspace_id, started_at, ended_at, outcome,
                       called_number, caller_number)
    SELECT gen_random_uuid(), 'ended', gen_random_uuid(), sip_edge_default_workspace(),
           timestamptz '2026-01-01' + n * interval '1 second', timestamptz '2026-01-01',
           CASE n % 100 WHEN 0 THEN 'voicemail' ELSE 'agent' END,
           '+1' || (2025000000 + n % 1000), '+1' || (2024000000 + n)
    FROM generate_series(1, {numbers}) AS n
    """,
    """
    INSERT INTO voicemails (id, call_id, workspace_id, phone_number, received_at, seconds, bytes,
                            path)
    SELECT id, id, workspace_id, called_number, started_at, 1, 8000, 'x' FROM calls
    """,
    "ANALYZE",
)


class Connection:
    """One kept connection that asks one thing after the other: httpx costs more than the API."""

    def __init__(self) -> None:
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def open(self) -> None:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", PORT)

    async def get(self, path: str) -> bytes:
        """The body. RuntimeError unless it is a 200."""
        assert self._reader is not None
        assert self._writer is not None
        self._writer.write(
            f"GET {path} HTTP/1.1\r\nHost: api\r\nAuthorization: Bearer {KEY}\r\n\r\n".encode()
        )
        head = await self._reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = await self._reader.readexactly(length)
        if not head.startswith(b"HTTP/1.1 200"):
            raise RuntimeError(f"{path}: {head.decode()}{body.decode()}")
        return body


async def measure(paths: Sequence[str], seconds: float, clients: int) -> list[float]:
    """Ask for the paths in turn, from so many connections; how long each answer took."""
    took: list[float] = []
    end_at = perf_counter() + seconds

    async def ask(first: int) -> None:
        connection = Connection()
        await connection.open()
        turn = first
        while (began_at := perf_counter()) < end_at:
            await connection.get(paths[turn % len(paths)])
            took.append(perf_counter() - began_at)
            turn += clients

    await asyncio.gather(*(ask(number) for number in range(clients)))
    return took


def processor_seconds(process_id: int) -> float:
    """What a process has used of the processor so far."""
    fields = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


@contextmanager
def api(dsn: str, folder: str) -> Iterator[int]:
    """`sip-edge api`; its process id."""
    environment = {
        **os.environ,
        "SIP_EDGE__DATABASE__DSN": dsn,
        "SIP_EDGE__DATABASE__DATA_DIR": f"{folder}/none",
        "SIP_EDGE__API__PORT": str(PORT),
        "SIP_EDGE__API__REQUESTS_PER_MINUTE": "1000000",
        "SIP_EDGE__LOGGING__FORMAT": "json",
    }
    command = [sys.executable, "-m", "sip_edge", "api"]
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    ) as process:
        try:
            yield process.pid
        finally:
            process.terminate()


async def until_ready() -> None:
    for _ in range(600):
        connection = Connection()
        try:
            await connection.open()
            await connection.get("/readyz")
        except (OSError, RuntimeError):
            await asyncio.sleep(0.1)
        else:
            return
    raise RuntimeError("the API does not answer")


async def fill(database: asyncpg.Connection, numbers: int) -> None:
    for statement in FILL:
        await database.execute(statement.replace("{numbers}", str(numbers)))
    await database.execute(
        "INSERT INTO api_keys (workspace_id, prefix, digest)"
        " SELECT sip_edge_default_workspace(), 'oi_sk_', $1",
        hashlib.sha256(KEY.encode()).digest(),
    )


async def reads_of(database: asyncpg.Connection, numbers: int) -> dict[str, list[str]]:
    """The kinds of reads, and paths for each."""
    ids = await database.fetch("SELECT id FROM phone_numbers ORDER BY random() LIMIT 500")
    agents = await database.fetch("SELECT id FROM agents LIMIT 500")
    deep = encode_cursor(await place(database, numbers))
    return {
        "get one": [f"/v1/phone-numbers/{row['id']}" for row in ids],
        "first page": ["/v1/phone-numbers?limit=50"],
        "deep page": [f"/v1/phone-numbers?limit=50&cursor={deep}"],
        "one agent's": [f"/v1/phone-numbers?agent_id={row['id']}" for row in agents],
        "by number": [f"/v1/phone-numbers?phone_number=%2B{2025000001 + n}" for n in range(500)],
        "rare provider": ["/v1/phone-numbers?provider=telnyx"],
        "calls": ["/v1/calls?limit=50"],
        "calls of one": [f"/v1/calls?phone_number=%2B{2025000001 + n}" for n in range(500)],
        "voicemails": ["/v1/voicemails?limit=50"],
    }


async def place(database: asyncpg.Connection, numbers: int) -> Position:
    """The row before the last tenth."""
    row = await database.fetchrow(
        "SELECT created_at, id FROM phone_numbers ORDER BY created_at DESC, id DESC"
        f" OFFSET {numbers * 9 // 10} LIMIT 1"
    )
    return Position(row["created_at"], row["id"])


class Explained(ControlDatabase):
    """Prints the plan of what it is asked in the place of carrying it out."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self._connection = connection

    async def fetch(self, statement: str, *arguments: object) -> Sequence[Any]:
        explained = f"EXPLAIN (ANALYZE, BUFFERS, COSTS OFF, SUMMARY OFF) {statement}"
        for row in await self._connection.fetch(explained, *arguments):
            print(f"    {row[0]}")
        return ()


async def explain(database: asyncpg.Connection, numbers: int) -> None:
    workspace = await database.fetchval("SELECT sip_edge_default_workspace()")
    agent = await database.fetchval("SELECT id FROM agents LIMIT 1")
    explained: Any = Explained(database)
    first, deep = PageRequest(50, None), PageRequest(50, await place(database, numbers))
    store, records = PostgresNumbers(explained), PostgresRecords(explained)
    number = "+12025000100"
    for what, page, which in (
        ("first page", first, NumberFilter()),
        ("deep page", deep, NumberFilter()),
        ("one agent's", first, NumberFilter(agent_id=agent)),
        ("by number", first, NumberFilter(phone_number=number)),
        ("rare provider", first, NumberFilter(provider="telnyx")),
    ):
        print(f"numbers, {what}:")
        await store.page(workspace, page, which)
    for what, calls in (
        ("all", CallFilter()),
        ("of a number", CallFilter(number=number)),
        ("of a caller", CallFilter(caller="+12024000100")),
        ("rare outcome", CallFilter(outcome="voicemail")),
    ):
        print(f"calls, {what}:")
        await records.calls(workspace, first, calls)
    for what, messages in (
        ("all", VoicemailFilter()),
        ("of a number", VoicemailFilter(number=number)),
    ):
        print(f"voicemails, {what}:")
        await records.voicemails(workspace, first, messages)


async def main(numbers: int, seconds: float, clients: int) -> None:
    with tempfile.TemporaryDirectory() as folder:
        async with EmbeddedPostgres(Path(folder, "data")) as server:
            await migrate_database(server.dsn)
            database = await asyncpg.connect(server.dsn)
            await fill(database, numbers)
            with api(server.dsn, folder) as process_id:
                await until_ready()
                print(f"{numbers} numbers, {clients} clients")
                for what, paths in (await reads_of(database, numbers)).items():
                    await measure(paths, 0.3, clients)
                    before = processor_seconds(process_id)
                    took = sorted(await measure(paths, seconds, clients))
                    used = processor_seconds(process_id) - before
                    p50, p99 = (1000 * took[int(len(took) * share)] for share in (0.5, 0.99))
                    print(
                        f"{what:14} {len(took) / seconds:7.0f} /s  p50 {p50:6.2f} ms"
                        f"  p99 {p99:6.2f} ms  {1000 * used / len(took):.2f} ms of processor each"
                    )
            await explain(database, numbers)
            await database.close()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--numbers", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--clients", type=int, default=8)
    options = parser.parse_args()
    uvloop.run(main(options.numbers, options.seconds, options.clients))
