"""An RTP session with its peer, on a loop of virtual time and real loopback sockets."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from support.free_ports import free_ports
from support.rtp_peer import RtpPeer
from support.virtual_time import VirtualTimeLoop

from sip_edge.media.offer_answer import Codec
from sip_edge.media.sdes import SrtpPolicy
from sip_edge.transport.rtp_ports import RtpPortPool
from sip_edge.transport.rtp_session import RtpSession, RtpSettings
from sip_edge.transport.rtp_wheel import RtpWheel
from sip_edge.transport.sources import NetworkSet

SPEECH = b"\x21" * 160


@dataclass
class Ear:
    """A listener that remembers (media.audio.AudioListener)."""

    frames: list[bytes] = field(default_factory=list)
    digits: str = ""
    marks: list[str] = field(default_factory=list)

    def on_audio(self, frame: bytes) -> None:
        self.frames.append(frame)

    def on_digit(self, digit: str) -> None:
        self.digits += digit

    def on_mark(self, name: str) -> None:
        self.marks.append(name)


@dataclass
class Observer:
    """What the session told (transport.rtp_session.RtpObserver)."""

    first_rtp: list[float] = field(default_factory=list)
    first_audio_out: list[float] = field(default_factory=list)
    timeouts: int = 0

    def on_first_rtp(self, now: float) -> None:
        self.first_rtp.append(now)

    def on_first_audio_out(self, now: float) -> None:
        self.first_audio_out.append(now)

    def on_rtp_timeout(self) -> None:
        self.timeouts += 1


@dataclass
class RtpCall:
    """Everything around one session."""

    session: RtpSession
    peer: RtpPeer
    ear: Ear
    observer: Observer
    pool: RtpPortPool
    wheel: RtpWheel

    @property
    def port(self) -> int:
        return self.session.local_port


@contextmanager
def rtp_call(
    *,
    host: str = "127.0.0.1",
    settings: RtpSettings | None = None,
    randbits: int = 0,
    srtp: SrtpPolicy = SrtpPolicy.OFF,
    signalling_host: str | None = None,
    media_hosts: NetworkSet | None = None,
) -> Iterator[RtpCall]:
    """A session that nothing was agreed for yet; to be opened within a running loop."""
    loop = asyncio.get_running_loop()
    first = free_ports(2)
    pool = RtpPortPool(host=host, port_min=first, port_max=first + 1, quarantine_seconds=1.0)
    wheel, ear, observer = RtpWheel(loop=loop), Ear(), Observer()
    session = RtpSession(
        sockets=pool.acquire(loop.time()),
        pool=pool,
        wheel=wheel,
        loop=loop,
        settings=settings or RtpSettings(),
        observer=observer,
        srtp=srtp,
        signalling_host=signalling_host,
        media_hosts=media_hosts,
        randbits=lambda bits: randbits % 2**bits,
    )
    session.listen(ear)
    try:
        with RtpPeer(host=host) as peer:
            yield RtpCall(session, peer, ear, observer, pool, wheel)
    finally:
        session.close()


def virtual_loop() -> VirtualTimeLoop:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualTimeLoop)
    return loop


def begin(call: RtpCall, *, held: bool = False, codec: Codec = Codec.PCMU) -> None:
    call.session.configure(call.peer.parameters(codec=codec))
    call.session.start(held=held)


async def frames(count: int) -> None:
    """Let that many frames go out: the first one leaves 20 ms after the start."""
    await asyncio.sleep(0.02 * count + 0.0001)


async def converse(call: RtpCall, count: int, payload: bytes = SPEECH) -> None:
    """The peer speaks for that many frames."""
    for _ in range(count):
        call.peer.say(call.port, payload)
        await asyncio.sleep(0.02)
