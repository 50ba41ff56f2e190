"""What a call costs the server: CPU per call for its signalling, and per second of a bridged call.

SIPp places real calls on the loopback (its RTP echo returns the server's sound), the demo worker
answers them in a process of its own. CPU is the server process's own, from the kernel's scheduler
statistics, so that a noisy machine changes it little; PostgreSQL, SIPp and the worker are not in
it.

    python benchmarks/call_cost.py [--rate 50] [--refused 2000] [--answered 500]
        [--bridged 50] [--seconds 10]

Needs `sipp` (Debian: sip-tester). Compare figures of one run: a lightly loaded server pays more for
each wake-up than a busy one. Run it when nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
import urllib.request
from pathlib import Path

import asyncpg

SIP_PORT, HTTP_PORT, WORKER_PORT, SIPP_PORT = 25_560, 25_561, 25_562, 25_600
AGENT = "00000000-0000-4000-8000-0000000000aa"
ANSWERED, REFUSED = "+12025550150", "+12025550151"

CALLER = """<?xml version="1.0" encoding="ISO-8859-1" ?>
<scenario name="caller">
  <send retrans="500"><![CDATA[
INVITE sip:{number}@[remote_ip]:[remote_port] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:+12025550123@[local_ip]:[local_port]>;tag=[pid]-[call_number]
To: <sip:{number}@[remote_ip]:[remote_port]>
Call-ID: [call_id]
CSeq: 1 INVITE
Contact: <sip:+12025550123@[local_ip]:[local_port]>
Content-Type: application/sdp
Content-Length: [len]

v=0
o=- 1 1 IN IP4 [local_ip]
s=-
c=IN IP4 [media_ip]
t=0 0
m=audio [media_port] RTP/AVP 0 8 101
a=rtpmap:101 telephone-event/8000

]]></send>
  <recv response="100" optional="true"/>
  {rest}
</scenario>
"""
TALK = """<recv response="200" rrs="true"/>
  <send><![CDATA[
ACK [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:+12025550123@[local_ip]:[local_port]>;tag=[pid]-[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send>
  <pause milliseconds="{milliseconds}"/>
  <send retrans="500"><![CDATA[
BYE [next_url] SIP/2.0
Via: SIP/2.0/UDP [local_ip]:[local_port];branch=[branch]
Max-Forwards: 70
From: <sip:+12025550123@[local_ip]:[local_port]>;tag=[pid]-[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 2 BYE
Content-Length: 0

]]></send>
  <recv response="200"/>"""
DECLINED = """<recv response="603"/>
  <send><![CDATA[
ACK sip:{number}@[remote_ip]:[remote_port] SIP/2.0
[last_Via:]
Max-Forwards: 70
From: <sip:+12025550123@[local_ip]:[local_port]>;tag=[pid]-[call_number]
[last_To:]
Call-ID: [call_id]
CSeq: 1 ACK
Content-Length: 0

]]></send>"""


def cpu_seconds(pid: int) -> float:
    """CPU that all threads of a process have used so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


async def start(*command: str, environment: dict[str, str]) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *command,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env={**os.environ, **environment},
    )


def is_ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP_PORT}/readyz", timeout=1) as page:
            return bool(page.status == 200)
    except OSError:
        return False


async def wait_ready() -> None:
    for _ in range(300):
        if await asyncio.to_thread(is_ready):
            return
        await asyncio.sleep(0.1)
    raise SystemExit("the server did not become ready")


async def load_numbers(folder: Path) -> None:
    dsn = json.loads((folder / "postgres" / "server.json").read_text())["dsn"]
    connection = await asyncpg.connect(dsn)
    url = f"ws://127.0.0.1:{WORKER_PORT}/echo"
    await connection.execute(
        "insert into agents (id, name, worker_url) values ($1, 'bench', $2)", AGENT, url
    )
    await connection.execute(
        "insert into phone_numbers (phone_number, inbound_routing) values ($1, $2), ($3, null)",
        ANSWERED,
        json.dumps({"agent_id": AGENT}),
        REFUSED,
    )
    await connection.close()
    await asyncio.sleep(1.0)


async def place(folder: Path, scenario: str, *, calls: int, rate: float) -> None:
    """Run SIPp until all calls are over; every one must have gone as the scenario says."""
    path = folder / "scenario.xml"
    path.write_text(scenario)
    process = await start(
        "sipp", f"127.0.0.1:{SIP_PORT}", "-sf", str(path), "-i", "127.0.0.1",
        "-p", str(SIPP_PORT), "-m", str(calls), "-r", str(rate), "-l", "4000",
        "-rtp_echo", "-mi", "127.0.0.1", "-mp", "26000", "-nostdin",
        "-timeout", "300", "-cid_str", f"%u-{os.urandom(4).hex()}-%p@%s",
        environment={"TERM": "dumb"},
    )  # fmt: skip
    if await process.wait() != 0:
        raise SystemExit("some calls failed: the figures would say nothing")


async def measure(folder: Path, pid: int, options: argparse.Namespace) -> None:
    async def spent(scenario: str, *, calls: int, rate: float) -> tuple[float, float]:
        loop = asyncio.get_running_loop()
        cpu, began = cpu_seconds(pid), loop.time()
        await place(folder, scenario, calls=calls, rate=rate)
        await asyncio.sleep(0.5)
        return cpu_seconds(pid) - cpu, loop.time() - began

    refused = CALLER.format(number=REFUSED, rest=DECLINED.format(number=REFUSED))
    brief = CALLER.format(number=ANSWERED, rest=TALK.format(milliseconds=300))
    long = CALLER.format(number=ANSWERED, rest=TALK.format(milliseconds=options.seconds * 1000))

    await place(folder, brief, calls=20, rate=10)  # Warm up.
    idle_cpu = cpu_seconds(pid)
    await asyncio.sleep(5)
    idle = (cpu_seconds(pid) - idle_cpu) / 5

    def report(name: str, cpu: float, seconds: float, calls: int) -> None:
        own = cpu - idle * seconds
        print(f"{name:<44} {own / calls * 1e6:8.0f} us a call ({cpu / seconds:.0%} of a core)")

    cpu, seconds = await spent(refused, calls=options.refused, rate=options.rate * 4)
    report("refused (INVITE, 100, 603, ACK)", cpu, seconds, options.refused)
    cpu, seconds = await spent(brief, calls=options.answered, rate=options.rate)
    report("answered by a worker, 0.3 s of sound, BYE", cpu, seconds, options.answered)
    cpu, seconds = await spent(long, calls=options.bridged, rate=max(10, options.bridged))
    own = (cpu - idle * seconds) / (options.bridged * options.seconds)
    print(
        f"{f'bridged, {options.bridged} calls of {options.seconds} s at once':<44}"
        f" {own * 1e6 / 50:8.0f} us a 20 ms cycle (RTP and WebSocket both ways),"
        f" {own:.2%} of a core a call, {1 / own:.0f} calls a core"
    )
    print(f"{'idle':<44} {idle:8.2%} of a core")


async def main(options: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="sip-edge-bench-") as name:
        folder = Path(name)
        environment = {
            "SIP_EDGE__SIP__PORT": str(SIP_PORT),
            "SIP_EDGE__HTTP__PORT": str(HTTP_PORT),
            "SIP_EDGE__DATABASE__DATA_DIR": str(folder / "postgres"),
            "SIP_EDGE__VOICEMAIL__DIRECTORY": str(folder / "voicemail"),
            "SIP_EDGE__DATABASE__SPOOL_DIR": str(folder / "spool"),
            "SIP_EDGE__MEDIA__PORT_MIN": "31000",
            "SIP_EDGE__MEDIA__PORT_MAX": "39999",
            "SIP_EDGE__SIP__MAX_CALLS": "2000",
            # All calls come from one address, and the server is to be as busy as it can be.
            "SIP_EDGE__LIMITS__REQUESTS_PER_SECOND": "100000",
            "SIP_EDGE__LIMITS__REQUESTS_PER_SECOND_PER_SOURCE": "100000",
            "SIP_EDGE__LIMITS__DATAGRAMS_PER_SECOND_PER_SOURCE": "100000",
            "SIP_EDGE__LIMITS__MAX_LOOP_LAG_SECONDS": "30",
            "SIP_EDGE__LIMITS__MAX_PACING_LAG_SECONDS": "30",
        }
        worker = await start(
            sys.executable, "-m", "sip_edge.agents.demo_worker", "--port", str(WORKER_PORT),
            environment={},
        )  # fmt: skip
        server = await start(sys.executable, "-m", "sip_edge", "serve", environment=environment)
        try:
            await wait_ready()
            await load_numbers(folder / "")
            await measure(folder, server.pid, options)
        finally:
            for process in (server, worker):
                if process.returncode is None:
                    process.send_signal(signal.SIGTERM)
                await process.wait()


if __name__ == "__main__":
    if shutil.which("sipp") is None:
        raise SystemExit("sipp is missing: apt-get install sip-tester")
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rate", type=float, default=50)
    parser.add_argument("--refused", type=int, default=2000)
    parser.add_argument("--answered", type=int, default=500)
    parser.add_argument("--bridged", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=10)
    asyncio.run(main(parser.parse_args()))
