"""What the record of a call costs the loop that carries speech, and how a backlog is worked off.

    .venv/bin/python benchmarks/record_cost.py [--calls 1000] [--backlog 100000]

Starts an embedded PostgreSQL of its own in a temporary folder. Prints microseconds that
`call_started` and `call_ended` keep the loop (wall time, and CPU time of the loop's thread), for
calls that come one by one and in bursts; CPU of the whole process for a call, PostgreSQL's own not
included; then how fast a backlog of an outage is written, and the longest time for which the loop
was held up meanwhile. Run it when nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
import tempfile
from pathlib import Path
from time import perf_counter, process_time, thread_time
from uuid import uuid4

import uvloop

from sip_edge.loopwatch import LoopWatch
from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
from sip_edge.routing.plan import Role
from sip_edge.routing.ports import Attempt, CallFacts, CallReport
from sip_edge.routing.timeline import CallTimeline, Stage
from sip_edge.storage.call_records import CallRecords
from sip_edge.storage.call_store import PostgresCallStore
from sip_edge.storage.embedded import EmbeddedPostgres
from sip_edge.storage.migrate import migrate_database
from sip_edge.storage.pool import connect
from sip_edge.storage.spool_lines import RowKind

AGENT = "11111111-1111-4111-8111-111111111111"


class Observer:
    """Keeps how long statements took."""

    def __init__(self) -> None:
        self.seconds: list[float] = []
        self.rows = 0

    def rows_written(self, rows: int, seconds: float) -> None:
        self.rows += rows
        self.seconds.append(seconds)

    def rows_rejected(self, rows: int, reason: str) -> None:
        print("rejected:", reason)

    def rows_dropped(self, kind: RowKind, rows: int) -> None:
        print("dropped:", kind, rows)

    def write_failed(self, reason: str) -> None:
        print("failed:", reason)

    def writing_changed(self, is_working: bool, reason: str) -> None: ...

    def spool_changed(self, is_working: bool, reason: str) -> None: ...

    def spool_adopted(self, instance_id: str, rows: int) -> None: ...

    def calls_lost(self, instance_id: str, calls: int) -> None: ...


class Sound:
    packets_sent = 1500
    packets_received = 1490
    packets_lost = 8
    jitter_ms = 3.14159


def report() -> CallReport:
    """A call with a failed attempt and a good one, and all stages."""
    call_id = str(uuid4())
    timeline = CallTimeline(perf_counter(), clock=perf_counter)
    for stage in Stage:
        timeline.mark(stage)
    return CallReport(
        facts=CallFacts(
            call_id=call_id,
            sip_call_id=f"{call_id}@203.0.113.7",
            carrier="twilio",
            provider="twilio",
            called_number="+12025550101",
            caller_number="+12025550123",
            caller="sip:+12025550123@pstn.example.com",
            call_sid="CA" + call_id.replace("-", ""),
            stream_sid="MZ" + call_id.replace("-", ""),
            account_sid="AC" + "0" * 32,
        ),
        timeline=timeline,
        outcome=Outcome.FALLBACK,
        ended_by=EndedBy.CALLER,
        agent_id=AGENT,
        role=Role.FALLBACK,
        agent_end=AgentEnd.HANG_UP,
        attempts=[
            Attempt(Role.PRIMARY, AGENT, 0.0123, AttemptFailure.REFUSED, "connection refused"),
            Attempt(Role.FALLBACK, AGENT, 0.0231, None),
        ],
    )


def show(name: str, seconds: list[float]) -> None:
    """Median, 99th percentile and longest, in microseconds."""
    ordered = [1e6 * value for value in sorted(seconds)]
    p99 = ordered[int(len(ordered) * 0.99)]
    print(f"  {name:34} p50 {ordered[len(ordered) // 2]:6.1f}  p99 {p99:6.1f}", end="")
    print(f"  max {ordered[-1]:7.1f}")


async def hot_path(records: CallRecords, calls: int, burst: int) -> None:
    """Calls that begin and end, some at a time."""
    started: list[float] = []
    ended: list[float] = []
    cpu: list[float] = []
    process_began = process_time()
    for _ in range(calls // burst):
        reports = [report() for _ in range(burst)]
        for each in reports:
            at, cpu_at = perf_counter(), thread_time()
            records.call_started(each.facts, at)
            between = perf_counter()
            records.call_ended(each, Sound(), codec="PCMU")
            ended.append(perf_counter() - between)
            started.append(between - at)
            cpu.append(thread_time() - cpu_at)
        await asyncio.sleep(0.01)
    print(f"{calls} calls, {burst} at a time:")
    show("call_started, wall µs", started)
    show("call_ended, wall µs", ended)
    show("both, CPU µs of the loop's thread", cpu)
    each_cpu = 1e6 * (process_time() - process_began) / calls
    print(f"  the whole process, the benchmark included: {each_cpu:.0f} µs CPU a call")


async def measure(calls: int, backlog: int, folder: Path) -> None:
    """All of it."""
    loop = asyncio.get_running_loop()
    observer = Observer()
    async with EmbeddedPostgres(folder / "postgres") as server:
        await migrate_database(server.dsn)
        records = CallRecords(
            spool_dir=folder / "spool", process="benchmark", observer=observer, clock=perf_counter
        )
        async with (
            records,
            PostgresCallStore(lambda: connect(server.dsn)) as store,
        ):
            writing = asyncio.create_task(records.run(store))
            await hot_path(records, calls, 1)
            await hot_path(records, calls, 50)
            writing.cancel()
            await asyncio.wait({writing})

            for number in range(backlog):
                records.call_ended(report(), Sound(), codec="PCMU")
                if number % 500 == 499:
                    await asyncio.sleep(0.001)
            while records.spool_rows < backlog:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
            print(f"backlog: {records.spool_rows} rows, {records.spool_bytes / 1e6:.1f} MB")
            lags: list[float] = []
            watch = LoopWatch(loop=loop, clock=perf_counter, on_lag=lags.append)
            watch.start()
            observer.seconds.clear()
            cpu, began = process_time(), perf_counter()
            writing = asyncio.create_task(records.run(store))
            while records.spool_rows:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
            seconds, cpu = perf_counter() - began, process_time() - cpu
            watch.stop()
            print(f"  written in {seconds:.1f} s ({backlog / seconds:.0f} rows/s)", end="")
            print(f", {1e6 * cpu / backlog:.0f} µs CPU a row")
            print(f"  longest stall of the loop: {1000 * watch.longest_stall:.1f} ms")
            show("statement, µs", observer.seconds)
            writing.cancel()
            await asyncio.wait({writing})


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=1000)
    parser.add_argument("--backlog", type=int, default=100_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        uvloop.run(measure(options.calls, options.backlog, Path(folder)))


if __name__ == "__main__":
    main()
