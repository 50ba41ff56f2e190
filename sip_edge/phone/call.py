"""A test phone: places one call over SIP and RTP, plays, records, and tells how long things took.

`sip-edge call` and the demo use it. It is a caller like any other: it knows nothing of the server
that it calls.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Final

from sip_edge.media.levels import is_silence
from sip_edge.resolver import ResolveError, ResolveFailure
from sip_edge.sip.effects import EndCause
from sip_edge.sip.endpoint import Endpoint, EndpointSettings
from sip_edge.sip.flow import NextHop, Transport
from sip_edge.transport.ids import RandomIds
from sip_edge.transport.media_port import MediaPort
from sip_edge.transport.outbound_leg import OutboundLeg
from sip_edge.transport.rtp_ports import RtpPortPool
from sip_edge.transport.rtp_session import RtpSettings
from sip_edge.transport.rtp_wheel import RtpWheel
from sip_edge.transport.streams import StreamConnections, StreamLimits
from sip_edge.transport.tls import client_contexts
from sip_edge.transport.udp import UdpListener
from sip_edge.transport.user_agent import UserAgent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sip_edge.resolver import Service
    from sip_edge.sip.effects import Event, InviteReceived
    from sip_edge.transport.connection_books import Refused
    from sip_edge.transport.user_agent import Leg

PORT_MIN: Final = 42_000
PORT_MAX: Final = 42_999
"""The phone's own RTP ports, apart from the server's default range on the same machine."""
ANSWER_SECONDS: Final = 20.0
"""How long the phone lets it ring before it gives up with CANCEL."""
SILENCE_SECONDS: Final = 4.0
"""How long it waits for any response at all: as long as Twilio."""
FAREWELL_SECONDS: Final = 2.0
"""How long it waits for the answer to its BYE or CANCEL."""
DIGIT_GAP_SECONDS: Final = 0.3


@dataclass(frozen=True, slots=True)
class PhoneCall:
    """What to dial and what to do. `play` is µ-law at 8000 Hz; `seconds` counts from the answer."""

    number: str
    host: str
    port: int
    transport: Transport
    caller: str
    play: bytes = b""
    digits: str = ""
    seconds: float = 5.0


@dataclass(slots=True)
class PhoneReport:
    """What came of a call. Times in milliseconds after the INVITE, None if it did not come so far.

    `first_audio_ms` is the first packet from the other side that is not silence, as it is heard
    behind the phone's jitter buffer. `problem` is None if the call was answered and had sound.
    """

    status: int | None
    reason: str | None
    trying_ms: float | None
    ringing_ms: float | None
    answer_ms: float | None
    first_audio_ms: float | None
    final_ms: float | None
    talked_seconds: float
    ended_by: str
    packets_sent: int
    packets_received: int
    packets_lost: int
    recording: bytes = field(repr=False)

    @property
    def is_answered(self) -> bool:
        """True if a 2xx came and could be used."""
        return self.answer_ms is not None

    @property
    def problem(self) -> str | None:
        """Why the call is not what a caller wants, in one line."""
        if self.status is None:
            return f"not answered: {self.reason or 'nothing came back'}"
        if not self.is_answered:
            return f"not answered: {self.status} {self.reason}"
        if self.first_audio_ms is None:
            return "answered, but no sound came: only silence or nothing at all"
        return None


class _Ear:
    """Hears the other side (media.audio.AudioListener)."""

    def __init__(self) -> None:
        self._frames: list[bytes] = []
        self.first_audio_at: float | None = None

    @property
    def recording(self) -> bytes:
        return b"".join(self._frames)

    def on_audio(self, frame: bytes) -> None:
        self._frames.append(frame)
        if self.first_audio_at is None and not is_silence(frame):
            self.first_audio_at = perf_counter()

    def on_digit(self, digit: str) -> None:
        pass

    def on_mark(self, name: str) -> None:
        pass


class _OneName:
    """The phone resolves the one name that it was given before it dials."""

    def __init__(self, host: str, address: str) -> None:
        self._host = host
        self._address = address

    async def resolve(self, host: str, deadline: float) -> list[str]:
        if host != self._host:
            raise ResolveError(host, ResolveFailure.NOT_FOUND)
        return [self._address]

    async def services(self, name: str, deadline: float) -> list[Service]:
        raise ResolveError(name, ResolveFailure.NOT_FOUND)


class _NoCounters:
    def invite_received(self) -> None: ...

    def response_sent(self, status: int) -> None: ...

    def sip_event(self, event: Event) -> None: ...

    def connection_refused(self, why: Refused) -> None: ...

    def connection_cut(self) -> None: ...

    def handshake_failed(self) -> None: ...


async def place_call(call: PhoneCall) -> PhoneReport:
    """Place `call` and hang up after its time. Raises OSError if it cannot be sent at all."""
    loop = asyncio.get_running_loop()
    remote = await _resolve(call.host, call.port)
    local = _local_address(remote, call.port)
    wheel = RtpWheel(loop=loop)
    pool = RtpPortPool(host=local, port_min=PORT_MIN, port_max=PORT_MAX, quarantine_seconds=1.0)
    try:
        names = _OneName(call.host, remote)
        with _user_agent(
            loop, local, names, with_tls=call.transport is Transport.TLS
        ) as user_agent:
            media = MediaPort(
                loop=loop,
                pool=pool,
                wheel=wheel,
                settings=RtpSettings(),
                address=local,
                signalling_host=remote,
            )
            leg = OutboundLeg(
                user_agent=user_agent, media=media, sdp_session_id=secrets.randbits(31)
            )
            try:
                # Over TLS the server must prove to be the one that was named.
                host = call.host if call.transport is Transport.TLS else remote
                return await _converse(call, leg, NextHop(host, call.port, call.transport))
            finally:
                leg.close()
    finally:
        pool.close()


async def _converse(call: PhoneCall, leg: OutboundLeg, hop: NextHop) -> PhoneReport:
    loop = asyncio.get_running_loop()
    ear = _Ear()
    leg.rtp.listen(ear)
    host = f"[{hop.host}]" if ":" in hop.host else hop.host
    parameter = (
        "" if call.transport is Transport.UDP else f";transport={call.transport.name.lower()}"
    )
    leg.dial(
        uri=f"sip:{call.number}@{host}:{call.port}{parameter}",
        from_=f"<sip:{call.caller}@{host}>",
        hop=hop,
    )
    is_answered = await _wait_for_answer(leg, f"{host}:{call.port}")
    answered_at = loop.time()
    try:
        if is_answered:
            await _talk(call, leg)
    finally:
        talked = loop.time() - answered_at if is_answered else 0.0
        if leg.progress.provisional_at:  # Else there is nobody to say goodbye to.
            leg.hang_up()
    if leg.progress.provisional_at:
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                await leg.wait_ended()
        except TimeoutError:
            pass
    return _report(leg, ear, is_answered=is_answered, talked_seconds=talked)


async def _wait_for_answer(leg: OutboundLeg, where: str) -> bool:
    """True if the call was answered; gives up early where nobody says even 100."""
    for seconds in (SILENCE_SECONDS, ANSWER_SECONDS - SILENCE_SECONDS):
        try:
            async with asyncio.timeout(seconds):
                is_answered = await leg.wait_final()
        except TimeoutError:
            if not leg.progress.provisional_at:
                leg.progress.reason = f"nothing came back from {where}: is a SIP server there?"
                return False
        else:
            if leg.progress.status is None and leg.progress.reason is None:
                leg.progress.reason = f"{where} cannot be reached: is a SIP server there?"
            return is_answered
    leg.progress.reason = f"no answer within {ANSWER_SECONDS:g} s"
    return False


async def _talk(call: PhoneCall, leg: OutboundLeg) -> None:
    """Play and press keys until the time is over or the other side hangs up."""
    if call.play:
        leg.rtp.play(call.play)
    try:
        async with asyncio.timeout(call.seconds):
            for digit in call.digits:
                await asyncio.sleep(DIGIT_GAP_SECONDS)
                leg.rtp.send_digit(digit)
            await leg.wait_ended()
    except TimeoutError:
        pass


def _report(
    leg: OutboundLeg, ear: _Ear, *, is_answered: bool, talked_seconds: float
) -> PhoneReport:
    progress, statistics = leg.progress, leg.rtp.statistics()

    def since(at: float | None) -> float | None:
        return None if at is None else round((at - progress.invite_at) * 1000, 1)

    ringing_at = min(
        (at for status, at in progress.provisional_at.items() if status > 100), default=None
    )
    return PhoneReport(
        status=progress.status,
        reason=progress.reason,
        trying_ms=since(progress.provisional_at.get(100)),
        ringing_ms=since(ringing_at),
        answer_ms=since(progress.final_at) if is_answered else None,
        first_audio_ms=since(ear.first_audio_at),
        final_ms=since(progress.final_at),
        talked_seconds=round(talked_seconds, 2),
        ended_by=_ended_by(progress.end_cause, is_answered=is_answered),
        packets_sent=statistics.packets_sent,
        packets_received=statistics.packets_received,
        packets_lost=statistics.packets_lost,
        recording=ear.recording,
    )


def _ended_by(cause: EndCause | None, *, is_answered: bool) -> str:
    if not is_answered:
        return "nobody"
    return "the other side" if cause is EndCause.BYE_RECEIVED else "the phone"


@contextmanager
def _user_agent(
    loop: asyncio.AbstractEventLoop, local: str, names: _OneName, *, with_tls: bool
) -> Iterator[UserAgent]:
    """A user agent on a port of its own, for one call."""

    def no_calls(effect: InviteReceived, now: float) -> Leg | None:
        user_agent.perform(user_agent.endpoint.reject(effect.session, 486, now))
        return None

    udp = UdpListener(
        loop=loop,
        host=local,
        port=0,
        receive_buffer_bytes=256 * 1024,
        may_speak=lambda host: True,
        on_send_failure=lambda: None,
    )
    user_agent = UserAgent(
        loop=loop,
        endpoint=_endpoint(local, udp.local.port),
        clock=perf_counter,
        resolver=names,
        observer=_NoCounters(),
        on_invite=no_calls,
    )
    streams = StreamConnections(
        loop=loop,
        limits=StreamLimits(max_connections=8, max_connections_per_source=8, idle_seconds=3600.0),
        receiver=user_agent,
        observer=_NoCounters(),
        client_context=client_contexts(None, verify=True) if with_tls else None,
    )
    user_agent.bind(udp=udp, streams=streams)
    udp.start(user_agent.receive_datagram)
    try:
        yield user_agent
    finally:
        user_agent.close()
        udp.close()
        streams.close()


def _endpoint(host: str, port: int) -> Endpoint:
    settings = EndpointSettings(
        public_host=host,
        public_port=port,
        contact_user="phone",
        user_agent="sip-edge phone",
        max_sessions=4,
        max_transactions=64,
    )
    return Endpoint(settings=settings, ids=RandomIds("p"))


async def _resolve(host: str, port: int) -> str:
    loop = asyncio.get_running_loop()
    found = await loop.getaddrinfo(host, port, type=socket.SOCK_DGRAM)
    return str(found[0][4][0])


def _local_address(remote: str, port: int) -> str:
    """Our address as seen from `remote`: what the kernel would send from. Sends nothing."""
    family = socket.AF_INET6 if ":" in remote else socket.AF_INET
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.connect((remote, port))
        return str(probe.getsockname()[0])
