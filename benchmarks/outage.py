"""What callers, records and operators see when things die: PostgreSQL, a worker, the edge itself.

    .venv/bin/python benchmarks/outage.py [--seconds 60] [--rate 10] [--moves 10] [--ended 50]

First part: SIPp places calls of 0.3 s to a known number while PostgreSQL is stopped, hangs (all its
processes get SIGSTOP), or is restarted every 5 s; an unknown number is called every 2 s, too. Once
PostgreSQL is back the calls are counted by SIPp, by the INVITEs metric, by outcome and by rows.
Second part: workers are killed (SIGKILL) in mid-call; each frame of the caller carries its number,
so that what nobody heard is known exactly. Third part: the edge is killed during an outage and
started again before PostgreSQL is. Exits with 1 if a call failed, or a row is missing or double.

Needs `sipp` (Debian: sip-tester), and UDP and TCP ports 27000-27999 of the loopback.
"""

from __future__ import annotations

import argparse
import asyncio
import csv
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from time import monotonic

import asyncpg
from call_cost import CALLER, TALK
from outage_parts import Caller, family, is_listening

from sip_edge.storage.embedded import EmbeddedPostgres

SIP_PORT, HTTP_PORT, SIPP_PORT, SIPP_CONTROL, SIPP_MEDIA = 27_000, 27_001, 27_010, 27_011, 27_900
ECHO_PORT, FIRST_PORT, SECOND_PORT = 27_020, 27_021, 27_022
ECHO, FIRST, SECOND = (f"00000000-0000-4000-8000-0000000000{n}" for n in ("0a", "0b", "0c"))
KNOWN, MOVED, UNKNOWN = "+12025550150", "+12025550151", "+12025550199"
PATIENCE_SECONDS = 40.0
HERE = Path(__file__).resolve().parent


def page(path: str) -> tuple[int, str]:
    """Status and text; (0, "") if nobody answers."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP_PORT}{path}", timeout=5) as answer:
            return int(answer.status), answer.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode()
    except OSError:
        return 0, ""


async def metric(name: str) -> float:
    """The sum over all labels."""
    _, text = await asyncio.to_thread(page, "/metrics")
    lines = (line for line in text.splitlines() if line.startswith((f"{name} ", f"{name}{{")))
    return sum(float(line.rpartition(" ")[2]) for line in lines)


async def until(condition: Callable[[], Awaitable[bool]]) -> float:
    """Seconds until it holds; infinite if that is not so within `PATIENCE_SECONDS`."""
    began = monotonic()
    while not await condition():
        if monotonic() - began > PATIENCE_SECONDS:
            return float("inf")
        await asyncio.sleep(0.1)
    return monotonic() - began


@dataclass
class World:
    """Everything that runs: PostgreSQL, the edge, workers, SIPp."""

    folder: Path
    postgres: EmbeddedPostgres
    processes: list[asyncio.subprocess.Process] = field(default_factory=list)

    async def start(self, *command: str, environment: dict[str, str] | None = None,
                    output: str = "output.log") -> asyncio.subprocess.Process:  # fmt: skip
        with (self.folder / output).open("ab") as log:
            process = await asyncio.create_subprocess_exec(
                *command, cwd=self.folder, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log,
                env={**os.environ, **(environment or {}), "TERM": "dumb",
                     "PYTHONPATH": str(HERE.parent)},
            )  # fmt: skip
        self.processes.append(process)
        return process

    async def start_edge(self) -> asyncio.subprocess.Process:
        settings = {
            "SIP__PORT": str(SIP_PORT), "HTTP__PORT": str(HTTP_PORT),
            "DATABASE__DSN": self.postgres.dsn, "DATABASE__SPOOL_DIR": str(self.folder / "spool"),
            "VOICEMAIL__DIRECTORY": str(self.folder / "voicemail"),
            "MEDIA__PORT_MIN": "27100", "MEDIA__PORT_MAX": "27899",
            "MEDIA__QUARANTINE_SECONDS": "2", "SHUTDOWN__DRAIN_SECONDS": "1",
        }  # fmt: skip
        environment = {f"SIP_EDGE__{name}": value for name, value in settings.items()}
        edge = await self.start(sys.executable, "-m", "sip_edge", "serve",
                                environment=environment, output="edge.log")  # fmt: skip

        async def is_ready() -> bool:
            if edge.returncode is not None:
                raise SystemExit((self.folder / "edge.log").read_text()[-3000:])
            return (await asyncio.to_thread(page, "/readyz"))[0] == 200

        await until(is_ready)
        return edge

    async def start_listener(self, port: int) -> asyncio.subprocess.Process:
        process = await self.start(sys.executable, str(HERE / "outage_parts.py"),
                                   str(port), str(self.folder / f"heard-{port}"))  # fmt: skip
        await until(lambda: asyncio.to_thread(is_listening, port))
        return process

    async def start_sipp(
        self, tag: str, *, calls: int, rate: int, milliseconds: int = 300
    ) -> asyncio.subprocess.Process:
        """Its Call-IDs contain `tag`, its counts are in `tag`.csv."""
        ringing = '<recv response="180" optional="true"/>'
        rest = ringing + TALK.format(milliseconds=milliseconds)
        path = self.folder / f"{tag}.xml"
        path.write_text(CALLER.format(number=KNOWN, rest=rest))
        return await self.start(
            "sipp", f"127.0.0.1:{SIP_PORT}", "-sf", str(path), "-i", "127.0.0.1", "-p",
            str(SIPP_PORT), "-cp", str(SIPP_CONTROL), "-mi", "127.0.0.1", "-mp", str(SIPP_MEDIA),
            "-rtp_echo", "-m", str(calls), "-r", str(rate), "-nostdin", "-recv_timeout", "20000",
            "-timeout", str(calls // rate + 60), "-cid_str", f"%u-{tag}-%p@%s",
            "-trace_stat", "-stf", f"{tag}.csv", "-fd", "1", output=f"{tag}.log",
        )  # fmt: skip

    async def sipp_counts(self, tag: str) -> tuple[int, int]:
        """Calls placed, calls failed."""
        last = list(csv.DictReader((self.folder / f"{tag}.csv").open(), delimiter=";"))[-1]
        return int(last["TotalCallCreated"]), int(last["FailedCall(C)"])

    async def rows(self, tag: str) -> Counter[str]:
        """Rows of calls whose Call-ID contains `tag`: by state, "all", and "calls" told apart."""
        connection = await asyncpg.connect(self.postgres.dsn, timeout=5)
        try:
            rows = await connection.fetch(
                "select sip_call_id, state from calls where sip_call_id like $1", f"%-{tag}-%"
            )
        finally:
            await connection.close()
        counted = Counter(str(row["state"]) for row in rows)
        return counted + Counter(all=len(rows), calls=len({row["sip_call_id"] for row in rows}))

    async def load(self) -> None:
        connection = await asyncpg.connect(self.postgres.dsn)
        for agent, port in ((ECHO, ECHO_PORT), (FIRST, FIRST_PORT), (SECOND, SECOND_PORT)):
            url = f"ws://127.0.0.1:{port}/echo"
            await connection.execute(
                "insert into agents (id, worker_url) values ($1, $2)", agent, url
            )
        for number, routing in (
            (KNOWN, {"agent_id": ECHO}),
            (MOVED, {"agent_id": FIRST, "fallback": {"agent_id": SECOND}}),
        ):
            await connection.execute(
                "insert into phone_numbers (phone_number, inbound_routing) values ($1, $2)",
                number, json.dumps(routing),
            )  # fmt: skip
        await connection.close()
        await asyncio.sleep(1.0)


async def stopped(world: World, seconds: float) -> None:
    await world.postgres.stop()
    await asyncio.sleep(seconds)
    await world.postgres.start()


async def hung(world: World, seconds: float) -> None:
    pids = family(world.postgres.server_pid or 0)
    for pid in pids:
        os.kill(pid, signal.SIGSTOP)
    try:
        await asyncio.sleep(seconds)
    finally:
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGCONT)


async def restarted(world: World, seconds: float) -> None:
    end = monotonic() + seconds
    while monotonic() < end:
        await world.postgres.stop()
        await world.postgres.start()
        await asyncio.sleep(min(5.0, max(0.0, end - monotonic())))


async def watch_readiness(seen: list[str]) -> None:
    while True:
        status, text = await asyncio.to_thread(page, "/readyz")
        state = f"{status} {json.loads(text)['state'] if text else 'silent'}"
        if seen[-1:] != [state]:
            seen.append(state)
        await asyncio.sleep(0.2)


async def call_unknown(tag: str, answers: list[tuple[int, float]]) -> None:
    caller = Caller(UNKNOWN, f"probe-{tag}-{len(answers)}@127.0.0.1", edge_port=SIP_PORT)
    try:
        answers.append(await caller.invite())
    finally:
        caller.close()


async def phase(world: World, outage: Callable[[World, float], Awaitable[None]], seconds: int,
                rate: int) -> bool:  # fmt: skip
    """One phase, printed; True if no call failed and each has one row."""
    tag = f"{outage.__name__}{os.urandom(3).hex()}"
    invites, outcomes = await metric("sip_edge_invites_total"), await metric("sip_edge_calls_total")
    seen: list[str] = []
    during: list[tuple[int, float]] = []
    watch = asyncio.create_task(watch_readiness(seen))
    breaking = asyncio.ensure_future(outage(world, seconds))
    sipp = await world.start_sipp(tag, calls=seconds * rate, rate=rate)
    began = monotonic()
    while monotonic() - began < seconds - 3:
        await asyncio.sleep(2.0)
        await call_unknown(tag, during)
    await breaking
    answers = list(during)

    async def is_unknown_again() -> bool:
        await call_unknown(tag, answers)
        return answers[-1][0] == 404

    fresh_after = await until(is_unknown_again)
    await sipp.wait()
    created, failed = await world.sipp_counts(tag)
    placed = created + len(answers)

    async def is_complete() -> bool:
        return (await world.rows(tag))["ended"] >= placed

    complete_after = await until(is_complete)
    await asyncio.sleep(1.0)
    watch.cancel()
    rows = await world.rows(tag)
    missing, double = placed - rows["calls"], rows["all"] - rows["calls"]
    invites = await metric("sip_edge_invites_total") - invites
    outcomes = await metric("sip_edge_calls_total") - outcomes
    statuses = ", ".join(f"{n} x {code}" for code, n in Counter(code for code, _ in during).items())
    print(f"PostgreSQL {outage.__name__} for {seconds} s")
    print(f"  calls placed         {created} by SIPp + {len(answers)} to an unknown number")
    print(f"  calls failed         {failed}")
    print(f"  INVITEs, outcomes    {invites:g}, {outcomes:g}")
    print(f"  rows                 {rows['all']} ({rows['ended']} ended, {rows['open']} open)")
    print(f"  missing, double      {missing}, {double}; complete {complete_after:.1f} s later")
    print(f"  unknown number       {statuses}, slowest {max(s for _, s in during):.2f} s;"
          f" {answers[-1][0]} {fresh_after:.1f} s after the outage")  # fmt: skip
    print(f"  /readyz              {' > '.join(seen)}", flush=True)
    return failed == missing == double == 0 and rows["ended"] == placed == invites == outcomes


async def move(
    world: World, first: asyncio.subprocess.Process, number: int
) -> tuple[str, float, float]:
    """Kill the first worker in mid-call: who took over, ms of speech and ms of time without one."""
    logs = {port: world.folder / f"heard-{port}" for port in (FIRST_PORT, SECOND_PORT)}
    for log in logs.values():
        log.unlink(missing_ok=True)
    caller = Caller(MOVED, f"{number}-move{os.urandom(3).hex()}-@127.0.0.1", edge_port=SIP_PORT)
    try:
        status, _ = await caller.invite()
        if status != 200:
            return f"nobody: {status}", float("inf"), float("inf")
        speaking = asyncio.create_task(caller.speak(3.5))
        await asyncio.sleep(1.0 + 0.0037 * number)
        first.kill()
        killed_at = monotonic()
        await speaking
        caller.hang_up()
        await asyncio.sleep(0.3)
    finally:
        caller.close()
    heard = {port: [line.split() for line in log.read_text().splitlines()] if log.exists() else []
             for port, log in logs.items()}  # fmt: skip
    if not heard[FIRST_PORT] or not heard[SECOND_PORT]:
        return "nobody", float("inf"), float("inf")
    numbers = {port: {int(line[0]) for line in lines} for port, lines in heard.items()}
    missed = set(range(1, max(numbers[SECOND_PORT]))) - numbers[FIRST_PORT] - numbers[SECOND_PORT]
    late = {frame for frame in missed if frame > max(numbers[FIRST_PORT])}
    return "fallback", 20.0 * len(late), (float(heard[SECOND_PORT][0][1]) - killed_at) * 1000


async def moves(world: World, count: int) -> bool:
    await world.start_listener(SECOND_PORT)
    results = []
    for number in range(count):
        first = await world.start_listener(FIRST_PORT)
        results.append(await move(world, first, number))
        await first.wait()
    connection = await asyncpg.connect(world.postgres.dsn)
    records = await connection.fetch("select role from calls where sip_call_id like '%-move%'")
    await connection.close()
    speech, gap = [speech for _, speech, _ in results], [gap for _, _, gap in results]
    print(f"worker killed in mid-call, {count} times")
    print(f"  who took over        {dict(Counter(who for who, _, _ in results))}")
    print(f"  role in the records  {dict(Counter(row['role'] for row in records))}")
    for name, values in (("speech missed, ms", speech), ("until it hears, ms", gap)):
        spread = f"{min(values):.0f} to {max(values):.0f}: {[round(v, 1) for v in values]}"
        print(f"  {name:<20} median {median(values):.0f}, {spread}", flush=True)
    return all(who == "fallback" for who, _, _ in results)


async def death(world: World, edge: asyncio.subprocess.Process, *, ended: int, rate: int) -> bool:
    """The edge is killed during an outage, with calls that ended and calls that go on."""
    over, going = f"over{os.urandom(3).hex()}", f"going{os.urandom(3).hex()}"
    await world.postgres.stop()
    brief = await world.start_sipp(over, calls=ended, rate=rate)
    await brief.wait()
    long = await world.start_sipp(going, calls=5, rate=10, milliseconds=60_000)
    await asyncio.sleep(2.0)
    # One more that has ended just now.
    caller = Caller(KNOWN, f"last-{over}-@127.0.0.1", edge_port=SIP_PORT)
    status, _ = await caller.invite()
    await asyncio.sleep(0.3)
    caller.hang_up()
    await asyncio.sleep(0.05)
    edge.kill()
    await edge.wait()
    caller.close()
    long.kill()
    await long.wait()
    failed = (await world.sipp_counts(over))[1] + (status != 200)
    starting = asyncio.create_task(world.start_edge())
    await asyncio.sleep(4.0)
    status, text = await asyncio.to_thread(page, "/readyz")
    await world.postgres.start()
    await starting

    async def is_complete() -> bool:
        gone, lost = await world.rows(over), await world.rows(going)
        return gone["ended"] + gone["lost"] >= ended + 1 and lost["lost"] >= 5

    complete_after = await until(is_complete)
    await asyncio.sleep(1.0)
    gone, lost = await world.rows(over), await world.rows(going)
    missing = ended + 1 - gone["calls"] + 5 - lost["calls"]
    double = sum(rows["all"] - rows["calls"] for rows in (gone, lost))
    print(f"edge killed during an outage, after {ended} + 1 calls, with 5 going on")
    print(f"  calls failed         {failed}")
    print(f"  /readyz              {status} {text} until PostgreSQL is back")
    print(f"  rows of ended calls  {gone['ended']} ended, {gone['lost']} lost, {gone['open']} open")
    print(f"  rows of the others   {lost['lost']} lost, {lost['ended']} ended, {lost['open']} open")
    print(f"  missing, double      {missing}, {double}; complete {complete_after:.1f} s after"
          " the restart", flush=True)  # fmt: skip
    return failed == missing == double == 0 and gone["ended"] == ended + 1 and lost["lost"] == 5


async def main(options: argparse.Namespace, folder: Path) -> int:
    async with EmbeddedPostgres(folder / "postgres") as postgres:
        world = World(folder, postgres)
        try:
            edge = await world.start_edge()
            await world.start(sys.executable, "-m", "sip_edge.agents.demo_worker",
                              "--port", str(ECHO_PORT))  # fmt: skip
            await until(lambda: asyncio.to_thread(is_listening, ECHO_PORT))
            await world.load()
            good = [await phase(world, outage, options.seconds, options.rate)
                    for outage in (stopped, hung, restarted)]  # fmt: skip
            good.append(await moves(world, options.moves))
            for name in ("internal_errors_total", "record_write_failures_total"):
                print(f"sip_edge_{name:<30} {await metric(f'sip_edge_{name}'):g}")
            good.append(await death(world, edge, ended=options.ended, rate=options.rate))
        finally:
            for process in reversed(world.processes):
                if process.returncode is None:
                    process.terminate()
                await process.wait()
    if all(good):
        shutil.rmtree(folder)
        return 0
    print(f"something is wrong: see {folder}")
    return 1


if __name__ == "__main__":
    if shutil.which("sipp") is None:
        raise SystemExit("sipp is missing: apt-get install sip-tester")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rate", type=int, default=10)
    parser.add_argument("--moves", type=int, default=10)
    parser.add_argument("--ended", type=int, default=50)
    given, place = parser.parse_args(), Path(tempfile.mkdtemp(prefix="sip-edge-outage-"))
    place.chmod(0o755)  # PostgreSQL may run as another user.
    sys.exit(asyncio.run(main(given, place)))
