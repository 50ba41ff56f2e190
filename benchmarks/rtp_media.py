"""What a call's sound costs: CPU per 20 ms of one RTP session, both directions.

Each call hears RTP from another process, hands it to its listener, which plays it back: one packet
in, one frame to the listener, one frame queued, one packet out. No WebSocket, no SIP.

    python benchmarks/rtp_media.py [--calls 100] [--seconds 5] [--loop uvloop|asyncio]
                                   [--srtp AES_CM_128_HMAC_SHA1_80|compare]

With `--srtp compare` the same calls run plain and with each suite, in turn, three times; the last
lines compare the least of each, for what else runs on the machine can only add.

The server runs on the first core, the packets come from the second one. Run it when nothing else
does; compare only figures at the same number of calls.
"""

from __future__ import annotations

import argparse
import asyncio
import gc
import multiprocessing
import os
import select
import socket
import statistics
import time
from multiprocessing.connection import Connection

import uvloop
from pylibsrtp import Policy, Session

from sip_edge.media.offer_answer import AudioParameters, Codec, Direction
from sip_edge.media.rtp import build_rtp
from sip_edge.media.sdes import CryptoSuite, SrtpKeys, SrtpPolicy
from sip_edge.transport.rtp_ports import RtpPortPool
from sip_edge.transport.rtp_session import RtpSession, RtpSettings
from sip_edge.transport.rtp_wheel import RtpWheel

HOST = "127.0.0.1"
ROUNDS = 3
PROFILES = {
    CryptoSuite.AES_CM_128_HMAC_SHA1_80: Policy.SRTP_PROFILE_AES128_CM_SHA1_80,
    CryptoSuite.AES_CM_128_HMAC_SHA1_32: Policy.SRTP_PROFILE_AES128_CM_SHA1_32,
    CryptoSuite.AEAD_AES_128_GCM: Policy.SRTP_PROFILE_AEAD_AES_128_GCM,
    CryptoSuite.AEAD_AES_256_GCM: Policy.SRTP_PROFILE_AEAD_AES_256_GCM,
}
WARM_UP_SECONDS = 2.0


class Echo:
    """Plays back what it hears."""

    def __init__(self, session: RtpSession) -> None:
        self._session = session

    def on_audio(self, frame: bytes) -> None:
        self._session.play(frame)

    def on_digit(self, digit: str) -> None: ...

    def on_mark(self, name: str) -> None: ...


class Nobody:
    def on_first_rtp(self, now: float) -> None: ...

    def on_first_audio_out(self, now: float) -> None: ...

    def on_rtp_timeout(self) -> None: ...


def keys_for(suite: CryptoSuite | None) -> SrtpKeys | None:
    """The server's keys: any will do."""
    if suite is None:
        return None
    local, remote = (bytes([n]) * suite.key_bytes for n in (1, 2))
    return SrtpKeys(tag="1", suite=suite, local_key=local, remote_key=remote)


def generate(pipe: Connection, calls: int, codec: Codec, suite: CryptoSuite | None) -> None:
    """Be all the callers: send 50 packets a second for each, read what comes back."""
    sealing = None
    if suite is not None:
        key = bytes([2]) * suite.key_bytes
        sealing = Session(
            Policy(key=key, ssrc_type=Policy.SSRC_ANY_OUTBOUND, srtp_profile=PROFILES[suite])
        )
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    sockets = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(calls)]
    poller = select.epoll()
    for udp in sockets:
        udp.setblocking(False)
        udp.bind((HOST, 0))
        poller.register(udp, select.EPOLLIN)
    by_fileno = {udp.fileno(): udp for udp in sockets}
    pipe.send([udp.getsockname()[1] for udp in sockets])
    ports = pipe.recv()
    payload = b"\x21" * 160
    received, step, gaps = 0, 0, []
    arrived_at = dict.fromkeys(by_fileno, 0.0)
    # The calls of one 20 ms are spread over it, as real callers are.
    began_at = time.perf_counter()
    while not pipe.poll():
        number, turn = step % calls, step // calls
        due_at = began_at + turn * 0.02 + number * 0.02 / calls
        while (left := due_at - time.perf_counter()) > 0:
            for fileno, _ in poller.poll(left):
                by_fileno[fileno].recv(2048)
                now = time.perf_counter()
                if arrived_at[fileno]:
                    gaps.append(abs(now - arrived_at[fileno] - 0.02))
                arrived_at[fileno] = now
                received += 1
        packet = build_rtp(
            payload_type=codec.static_payload_type,
            marker=False,
            sequence=turn % 65536,
            timestamp=turn * 160,
            ssrc=number,
            payload=payload,
        )
        sealed = packet if sealing is None else sealing.protect(packet)
        sockets[number].sendto(sealed, (HOST, ports[number]))
        step += 1
    gaps = sorted(gaps[len(gaps) // 3 :])
    pipe.send((received, [gaps[int(len(gaps) * q)] * 1000 for q in (0.5, 0.9, 0.99)]))


async def measure(
    pipe: Connection, calls: int, seconds: float, codec: Codec, suite: CryptoSuite | None
) -> float:
    """Microseconds of CPU a call and 20 ms."""
    loop = asyncio.get_running_loop()
    lags: list[float] = []
    wheel = RtpWheel(loop=loop, on_lag=lags.append)
    pool = RtpPortPool(host=HOST, port_min=42_000, port_max=49_999, quarantine_seconds=1.0)
    remote_ports = pipe.recv()
    sessions = []
    for port in remote_ports:
        session = RtpSession(
            sockets=pool.acquire(loop.time()),
            pool=pool,
            wheel=wheel,
            loop=loop,
            settings=RtpSettings(),
            observer=Nobody(),
            srtp=SrtpPolicy.OPTIONAL,
        )
        session.listen(Echo(session))
        session.configure(
            AudioParameters(
                codec=codec,
                payload_type=codec.static_payload_type,
                telephone_event_payload_type=101,
                remote=(HOST, port),
                remote_rtcp=(HOST, port + 1),
                direction=Direction.SENDRECV,
                ptime_ms=20,
                srtp=keys_for(suite),
            )
        )
        session.start(held=False)
        sessions.append(session)
    pipe.send([session.local_port for session in sessions])
    await asyncio.sleep(WARM_UP_SECONDS)
    gc.collect()
    gc.freeze()
    lags.clear()
    before = [session.statistics() for session in sessions]
    cpu, began_at = time.process_time(), time.perf_counter()
    await asyncio.sleep(seconds)
    cpu, elapsed = time.process_time() - cpu, time.perf_counter() - began_at
    after = [session.statistics() for session in sessions]
    sent = sum(b.packets_sent - a.packets_sent for a, b in zip(before, after, strict=True))
    heard = sum(b.packets_received - a.packets_received for a, b in zip(before, after, strict=True))
    pipe.send("stop")
    received, gaps = pipe.recv()
    lags.sort()
    print(
        f"{calls} calls, {elapsed:.1f} s: {cpu / sent * 1e6:.1f} us of CPU a call and 20 ms, "
        f"{100 * cpu / elapsed:.0f} % of a core"
    )
    print(f"packets in {heard}, out {sent}, expected {calls * 50 * elapsed:.0f} each")
    print(
        f"wheel lag ms: mean {statistics.mean(lags) * 1000:.2f}, "
        f"p99 {lags[int(len(lags) * 0.99)] * 1000:.2f}, max {wheel.max_lag * 1000:.2f}"
    )
    p50, p90, p99 = gaps
    print(f"|interarrival - 20 ms| at the callers, ms: p50 {p50:.2f} p90 {p90:.2f} p99 {p99:.2f}")
    total = [sum(getattr(one, name) for one in after) for name in ("packets_lost", "late")]
    print(f"lost {total[0]}, late {total[1]}, at the callers {received} received")
    for session in sessions:
        session.close()
    return cpu / sent * 1e6


def run(arguments: argparse.Namespace, suite: CryptoSuite | None) -> float:
    codec = Codec(arguments.codec)
    print(f"-- {suite.value if suite else 'plain RTP'}")
    ours, theirs = multiprocessing.Pipe()
    generator = multiprocessing.Process(
        target=generate, args=(theirs, arguments.calls, codec, suite)
    )
    generator.start()
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    factory = uvloop.new_event_loop if arguments.loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        cost = runner.run(measure(ours, arguments.calls, arguments.seconds, codec, suite))
    generator.join()
    gc.unfreeze()
    return cost


def compare(arguments: argparse.Namespace) -> None:
    cases: list[CryptoSuite | None] = [None, *CryptoSuite]
    costs = [[run(arguments, suite) for suite in cases] for _ in range(ROUNDS)]
    least = [min(column) for column in zip(*costs, strict=True)]
    for suite, cost in zip(cases, least, strict=True):
        name = suite.value if suite else "plain RTP"
        print(f"{name:24} {cost:6.1f} us, {cost / least[0]:.2f} of plain RTP")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=5.0)
    parser.add_argument("--loop", choices=("uvloop", "asyncio"), default="uvloop")
    parser.add_argument("--codec", choices=[codec.value for codec in Codec], default="PCMU")
    suites = [suite.value for suite in CryptoSuite]
    parser.add_argument("--srtp", choices=[*suites, "compare"])
    arguments = parser.parse_args()
    if arguments.srtp == "compare":
        compare(arguments)
    else:
        run(arguments, CryptoSuite(arguments.srtp) if arguments.srtp else None)


if __name__ == "__main__":
    main()
