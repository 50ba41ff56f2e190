"""Memory, descriptors and leftovers before and after many calls of every kind.

    .venv/bin/python benchmarks/soak.py [--calls 20000] [--rate 150]     # about five minutes
    .venv/bin/python benchmarks/soak.py --seconds 600 [--rate 50]        # ten minutes

Of 200 calls 148 are refused, 30 answered (0.3 s of sound, the caller hangs up), 10 answered and
ended by the worker, 10 cancelled before an answer, 2 answered and never acknowledged, which keeps
them for 32 s. Before the first reading 6,000 such calls warm the process up; before each reading
75 s pass, so that transactions and unacknowledged calls have run out. Exits with 1 if a call has no
outcome, or something is left.

Needs `sipp` (Debian: sip-tester), and the ports 26000-26999 and 31000-39999 of the loopback.
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
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from time import monotonic

import asyncpg
from call_cost import CALLER, DECLINED, TALK
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

SIP_PORT, HTTP_PORT, SIPP_PORT, CONTROL_PORT, MEDIA_PORT = 26_000, 26_001, 26_010, 26_030, 26_100
ECHO_PORT, LEAVE_PORT, HANG_PORT = 26_050, 26_051, 26_052
ANSWERED, LEFT, SLOW, REFUSED = (f"+1202555014{n}" for n in range(4))
SETTLE_SECONDS = 75.0
"""Twice 64 * T1 and some: a call without an ACK gets BYE after 32 s, to which nobody answers for
another 32 s."""
WARM_UP_CALLS = 6000
"""40 s of them: as many transactions, dialogs and threads as there will ever be at once."""
SAMPLE_SECONDS = 5.0
MAX_GROWTH_BYTES = 12 << 20
"""What the allocator may keep more of; 20,000 calls that leave 1 kB each would be 20 MB."""

HELD = 'sip_edge_held{what="%s"}'
ACK = TALK.partition("<pause")[0]
LEFT_BY_WORKER = (
    ACK
    + """<recv request="BYE"/>
  <send><![CDATA[
SIP/2.0 200 OK
[last_Via:]
[last_From:]
[last_To:]
[last_Call-ID:]
[last_CSeq:]
Content-Length: 0

]]></send>"""
)
CANCELLED = """<pause milliseconds="200"/>
  <send retrans="500"><![CDATA[
CANCEL sip:{number}@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
Max-Forwards: 70
[last_From:]
To: <sip:{number}@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 CANCEL
Content-Length: 0

]]></send>
  <recv response="200"/>
  <recv response="487"/>
  <send><![CDATA[
ACK sip:{number}@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
Max-Forwards: 70
[last_From:]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send>"""
NEVER_ACKNOWLEDGED = '<recv response="200"/>'

KINDS = {
    "refused": (148, CALLER.format(number=REFUSED, rest=DECLINED.format(number=REFUSED))),
    "answered": (30, CALLER.format(number=ANSWERED, rest=TALK.format(milliseconds=300))),
    "left": (10, CALLER.format(number=LEFT, rest=LEFT_BY_WORKER)),
    "cancelled": (
        10,
        CALLER.replace(' optional="true"', "").format(
            number=SLOW, rest=CANCELLED.format(number=SLOW)
        ),
    ),
    "unacknowledged": (2, CALLER.format(number=ANSWERED, rest=NEVER_ACKNOWLEDGED)),
}
"""Of 200 calls so many, and the scenario."""


@dataclass(frozen=True)
class Reading:
    """The process at one moment."""

    resident: int
    descriptors: int
    sockets: int
    threads: int
    metrics: dict[str, float]

    def __str__(self) -> str:
        held = ", ".join(
            f"{name} {self.metrics[HELD % name]:g}" for name in ("dialogs", "transactions", "tasks")
        )
        return (
            f"{self.resident / 2**20:7.1f} MiB, {self.descriptors} descriptors"
            f" ({self.sockets} sockets), {self.threads} threads, {held},"
            f" RTP pairs free {self.metrics['sip_edge_rtp_ports_free']:g}"
        )


def read(pid: int) -> Reading:
    """Now."""
    with urllib.request.urlopen(f"http://127.0.0.1:{HTTP_PORT}/metrics", timeout=10) as page:
        text = page.read().decode()
    metrics: dict[str, float] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, value = line.rpartition(" ")
            metrics[name] = float(value)
    files = []
    for name in os.listdir(f"/proc/{pid}/fd"):
        try:
            files.append(os.readlink(f"/proc/{pid}/fd/{name}"))
        except FileNotFoundError:
            continue
    return Reading(
        resident=int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * 4096,
        descriptors=len(files),
        sockets=sum(name.startswith("socket:") for name in files),
        threads=len(os.listdir(f"/proc/{pid}/task")),
        metrics=metrics,
    )


def total(reading: Reading, name: str) -> float:
    """The sum of a family."""
    return sum(v for key, v in reading.metrics.items() if key.partition("{")[0] == name)


async def start(*command: str, output: Path, **environment: str) -> asyncio.subprocess.Process:
    with output.open("ab") as log:
        return await asyncio.create_subprocess_exec(
            *command, stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, cwd=output.parent,
            env={**os.environ, "TERM": "dumb", **environment},
        )  # fmt: skip


async def place(folder: Path, kind: str, number: int, *, calls: int, rate: float) -> None:
    """SIPp, until all its calls are over. Every one must have gone as its scenario says."""
    _, scenario = KINDS[kind]
    path = folder / f"{kind}.xml"
    path.write_text(scenario)
    statistics = folder / f"{kind}.csv"
    statistics.unlink(missing_ok=True)
    process = await start(
        "sipp", f"127.0.0.1:{SIP_PORT}", "-sf", str(path), "-i", "127.0.0.1",
        "-p", str(SIPP_PORT + number), "-cp", str(CONTROL_PORT + number), "-mi", "127.0.0.1",
        "-mp", str(MEDIA_PORT + 20 * number), "-m", str(calls), "-r", f"{rate:g}", "-l", "4000",
        "-nostdin", "-cid_str", f"%u-{kind}{os.urandom(4).hex()}-%p@%s",
        "-trace_stat", "-stf", str(statistics), "-fd", "1",
        output=folder / f"{kind}.log",
    )  # fmt: skip
    if await process.wait() and not statistics.exists():
        raise SystemExit((folder / f"{kind}.log").read_text()[-2000:])
    last = list(csv.DictReader(statistics.open(), delimiter=";"))[-1]
    if int(last["SuccessfulCall(C)"]) != calls:
        print(f"{kind}: {last['FailedCall(C)']} of {calls} calls failed", flush=True)


async def place_all(folder: Path, calls: int, rate: float) -> None:
    """A mixture, all kinds at once."""
    await asyncio.gather(
        *(
            place(folder, kind, number, calls=calls * share // 200, rate=rate * share / 200)
            for number, (kind, (share, _)) in enumerate(KINDS.items())
        )
    )


async def leave(connection: ServerConnection) -> None:
    """A worker that listens for a moment and hangs up."""
    try:
        for _ in range(8):
            await connection.recv()
        await connection.close(1000)
    except ConnectionClosed:
        return


async def swallow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A worker that never says yes."""
    try:
        while await reader.read(65_536):
            pass
    except ConnectionError:
        pass
    finally:
        writer.close()


async def load(dsn: str) -> None:
    connection = await asyncpg.connect(dsn)
    numbers = {ANSWERED: (ECHO_PORT, "{}"), LEFT: (LEAVE_PORT, "{}"),
               SLOW: (HANG_PORT, '{"accept_timeout_seconds": 5}')}  # fmt: skip
    for number, (port, options) in numbers.items():
        agent = await connection.fetchval(
            "insert into agents (worker_url, worker_options) values ($1, $2) returning id",
            f"ws://127.0.0.1:{port}/echo", options,
        )  # fmt: skip
        await connection.execute(
            "insert into phone_numbers (phone_number, inbound_routing) values ($1, $2)",
            number, json.dumps({"agent_id": str(agent)}),
        )  # fmt: skip
    await connection.execute("insert into phone_numbers (phone_number) values ($1)", REFUSED)
    await connection.close()
    await asyncio.sleep(1.0)


def is_ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP_PORT}/readyz", timeout=1) as page:
            return bool(page.status == 200)
    except OSError:
        return False


async def wait_ready() -> None:
    for _ in range(600):
        if await asyncio.to_thread(is_ready):
            return
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not become ready")


async def sample(pid: int, began: float) -> None:
    """A line every few seconds, to see a slope."""
    while True:
        reading = await asyncio.to_thread(read, pid)
        print(f"  {monotonic() - began:5.0f} s {reading}", flush=True)
        await asyncio.sleep(SAMPLE_SECONDS)


async def settled(pid: int, name: str) -> Reading:
    await asyncio.sleep(SETTLE_SECONDS)
    reading = await asyncio.to_thread(read, pid)
    print(f"{name:<8} {reading}", flush=True)
    return reading


async def measure(folder: Path, pid: int, options: argparse.Namespace) -> bool:
    """True if everything is as it was."""
    await place_all(folder, WARM_UP_CALLS, options.rate)
    before = await settled(pid, "before")
    began = monotonic()
    sampling = asyncio.create_task(sample(pid, began))
    calls = options.calls
    if options.seconds:
        calls = int(options.seconds * options.rate)
    await place_all(folder, calls, options.rate)
    seconds = monotonic() - began
    sampling.cancel()
    print(f"{calls} calls within {seconds:.0f} s, {calls / seconds:.0f} a second")
    after = await settled(pid, "after")
    invites = total(after, "sip_edge_invites_total") - total(before, "sip_edge_invites_total")
    outcomes = total(after, "sip_edge_calls_total") - total(before, "sip_edge_calls_total")
    print(f"INVITEs {invites:g}, outcomes {outcomes:g}", end=": ")
    by_outcome = {
        key.partition("{")[2]: value - before.metrics[key]
        for key, value in after.metrics.items()
        if key.startswith("sip_edge_calls_total")
    }
    print(", ".join(f"{count:g} {outcome[9:-2]}" for outcome, count in by_outcome.items() if count))
    left = {
        name: (before.metrics[name], after.metrics[name])
        for name in before.metrics
        if name.startswith(("sip_edge_held", "sip_edge_calls_active", "sip_edge_rtp_ports_free"))
        and before.metrics[name] != after.metrics[name]
    }
    print(f"different from before: {left or 'nothing'}")
    errors = total(after, "sip_edge_internal_errors_total")
    growth = after.resident - before.resident
    print(
        f"memory {growth / 2**20:+.1f} MiB, {growth / calls:+.0f} bytes a call; faults {errors:g}"
    )
    return (
        invites == outcomes == calls
        and not left
        and not errors
        and growth < MAX_GROWTH_BYTES
        and after.descriptors <= before.descriptors + 2
    )


async def main(options: argparse.Namespace) -> bool:
    with tempfile.TemporaryDirectory(prefix="sip-edge-soak-") as name:
        folder = Path(name)
        settings = {
            "SIP__PORT": str(SIP_PORT), "HTTP__PORT": str(HTTP_PORT), "SIP__MAX_CALLS": "2000",
            "DATABASE__DATA_DIR": str(folder / "postgres"),
            "DATABASE__SPOOL_DIR": str(folder / "spool"),
            "VOICEMAIL__DIRECTORY": str(folder / "voicemail"),
            "MEDIA__PORT_MIN": "31000", "MEDIA__PORT_MAX": "39999",
            # All calls come from one address.
            "LIMITS__REQUESTS_PER_SECOND": "100000",
            "LIMITS__REQUESTS_PER_SECOND_PER_SOURCE": "100000",
            "LIMITS__DATAGRAMS_PER_SECOND_PER_SOURCE": "100000",
            "LIMITS__MAX_LOOP_LAG_SECONDS": "30", "LIMITS__MAX_PACING_LAG_SECONDS": "30",
        }  # fmt: skip
        worker = await start(
            sys.executable, "-m", "sip_edge.agents.demo_worker", "--port", str(ECHO_PORT),
            output=folder / "worker.log",
        )  # fmt: skip
        edge = await start(
            sys.executable, "-m", "sip_edge", "serve", output=folder / "edge.log",
            **{f"SIP_EDGE__{key}": value for key, value in settings.items()},
        )  # fmt: skip
        try:
            await wait_ready()
            await load(json.loads((folder / "postgres" / "server.json").read_text())["dsn"])
            hanging = await asyncio.start_server(swallow, "127.0.0.1", HANG_PORT)
            async with hanging, serve(leave, "127.0.0.1", LEAVE_PORT, compression=None):
                return await measure(folder, edge.pid, options)
        finally:
            for process in (edge, worker):
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                await process.wait()
            if options.keep_log:
                shutil.copy(folder / "edge.log", options.keep_log)


if __name__ == "__main__":
    if shutil.which("sipp") is None:
        raise SystemExit("sipp is missing: apt-get install sip-tester")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--calls", type=int, default=20_000)
    parser.add_argument("--rate", type=float, default=150)
    parser.add_argument("--seconds", type=int, default=0, help="for so long, instead of --calls")
    parser.add_argument("--keep-log", type=Path, help="where the edge's log is copied to")
    sys.exit(0 if asyncio.run(main(parser.parse_args())) else 1)
