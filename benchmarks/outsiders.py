"""What messages cost that are no calls: a stranger's, a carrier's rubbish, INVITEs over the rate.

The server's CPU is the kernel's figure, PostgreSQL and the sender are not in it. Then OPTIONS is
asked while 1,000 such messages a second arrive: what a carrier notices of them.

    python benchmarks/outsiders.py [--messages 20000] [--seconds 10] [--rate 1000]

Run it when nothing else does.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import random
import signal
import socket
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

SIP_PORT, HTTP_PORT = 25_660, 25_661
EDGE = ("127.0.0.1", SIP_PORT)
CARRIER, STRANGER = "127.0.0.1", "127.66.0.9"
REQUEST = """{method} sip:+12025550150@127.0.0.1:5060 SIP/2.0\r
Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bK{number};rport\r
Max-Forwards: 70\r
From: <sip:+12025550123@{host}>;tag={number}\r
To: <sip:+12025550150@127.0.0.1>\r
Call-ID: {number}@bench\r
CSeq: 1 {method}\r
Contact: <sip:+12025550123@{host}:{port}>\r
Content-Length: 0\r
\r
"""


def cpu_seconds(pid: int) -> float:
    """CPU that all threads of a process have used so far."""
    tasks = Path(f"/proc/{pid}/task").glob("*/schedstat")
    return sum(int(task.read_text().split()[0]) for task in tasks) / 1e9


def sender(host: str) -> socket.socket:
    sender = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sender.bind((host, 0))
    sender.settimeout(0.5)
    return sender


def request(method: str, source: socket.socket, number: int) -> bytes:
    host, port = source.getsockname()
    return REQUEST.format(method=method, host=host, port=port, number=number).encode()


def send_at(rate: float, count: int, send: Callable[[int], object]) -> None:
    """Call `send` so often a second, in bunches of a millisecond."""
    began = time.perf_counter()
    for number in range(count):
        while time.perf_counter() - began < number / rate:
            time.sleep(0.001)
        send(number)


def round_trips(seconds: float) -> list[float]:
    """Milliseconds from OPTIONS to its answer, ten times a second, sorted.

    Repeated after 0.5 s, as SIP does (timer E): the kernel drops what a busy machine does not read.
    """
    asking = sender(CARRIER)
    base = random.randrange(1 << 40)
    times = []
    for number in range(int(seconds * 10)):
        began = time.perf_counter()
        while True:
            asking.sendto(request("OPTIONS", asking, base + number), EDGE)
            with suppress(TimeoutError):
                asking.recv(4096)
                break
        times.append((time.perf_counter() - began) * 1000)
        time.sleep(0.1)
    asking.close()
    return sorted(times)


def report_times(name: str, times: list[float]) -> None:
    p99 = times[int(len(times) * 0.99)]
    print(
        f"{name:<44} median {times[len(times) // 2]:6.2f} ms, p99 {p99:6.2f}, max {times[-1]:6.2f}"
    )


async def measure(pid: int, options: argparse.Namespace) -> None:
    stranger, carrier = sender(STRANGER), sender(CARRIER)
    rubbish = random.Random(1).randbytes(400)
    kinds: list[tuple[str, Callable[[int], object]]] = [
        (
            "a stranger's INVITE",
            lambda number: stranger.sendto(request("INVITE", stranger, number), EDGE),
        ),
        ("a carrier's rubbish (400 bytes)", lambda number: carrier.sendto(rubbish, EDGE)),
        (
            "a carrier's INVITE, five times too many",
            lambda number: carrier.sendto(request("INVITE", carrier, 10**9 + number), EDGE),
        ),
    ]
    began, cpu = time.perf_counter(), cpu_seconds(pid)
    await asyncio.sleep(3)
    idle = (cpu_seconds(pid) - cpu) / (time.perf_counter() - began)
    report_times("OPTIONS, nothing else", await asyncio.to_thread(round_trips, options.seconds))
    for name, send in kinds:
        began, cpu = time.perf_counter(), cpu_seconds(pid)
        await asyncio.to_thread(send_at, options.rate, options.messages, send)
        await asyncio.sleep(0.2)
        own = cpu_seconds(pid) - cpu - idle * (time.perf_counter() - began)
        print(f"{name:<44} {own / options.messages * 1e6:6.1f} us")
    for name, send in kinds[:2]:
        count = int(options.rate * options.seconds)
        flood = asyncio.to_thread(send_at, options.rate, count, send)
        asking = asyncio.to_thread(round_trips, options.seconds)
        _, times = await asyncio.gather(flood, asking)
        report_times(f"OPTIONS, {options.rate:g}/s of {name}", times)


def is_ready() -> bool:
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{HTTP_PORT}/readyz", timeout=1) as page:
            return bool(page.status == 200)
    except OSError:
        return False


def wait_ready() -> None:
    for _ in range(300):
        if is_ready():
            return
        time.sleep(0.1)
    raise SystemExit("the server did not become ready")


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
            "SIP_EDGE__MEDIA__PORT_MAX": "31999",
            "SIP_EDGE__API__ENABLED": "false",
            "SIP_EDGE__CARRIERS__LOCAL__NETWORKS": "127.0.0.0/24",
        }
        server = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "sip_edge", "serve",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL, env={**os.environ, **environment},
        )  # fmt: skip
        try:
            await asyncio.to_thread(wait_ready)
            await measure(server.pid, options)
        finally:
            if server.returncode is None:
                server.send_signal(signal.SIGTERM)
            await server.wait()


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--messages", type=int, default=20_000)
    parser.add_argument("--seconds", type=float, default=10)
    parser.add_argument("--rate", type=float, default=1000)
    asyncio.run(main(parser.parse_args()))
