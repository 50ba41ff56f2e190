"""One call's sound on the wire: sockets, jitter buffer, 20 ms pacing; an `AudioStream`.

From `start` on a packet leaves every 20 ms, silence if there is nothing to say: carriers end calls
that hear nothing for a minute. The exceptions are a peer's holds. RFC 3264 section 8.4 says what
they mean, and it is done so: an offer of `sendonly` or `inactive` forbids us to send RTP, and one
with the address 0.0.0.0 leaves nowhere to send. RTCP goes on, except to 0.0.0.0. What an agent
plays during a hold is played to nobody, in real time, so that its marks come and it does not talk
about old things when the caller returns.

After a stall of the event loop up to `MAX_BURST_FRAMES` packets are sent late; what is older is
left out: the timestamps go on, and the sound that was queued follows without a loss.
"""

from __future__ import annotations

import math
import secrets
from typing import TYPE_CHECKING, Final

from sip_edge.media.info_keys import KeyPresses, Way
from sip_edge.media.offer_answer import Direction
from sip_edge.media.packetizer import Packetizer
from sip_edge.media.playout import PlayoutQueue
from sip_edge.media.reports import ReportExchange
from sip_edge.media.rtp import MAX_DATAGRAM_BYTES, is_rtcp
from sip_edge.media.sdes import SrtpPolicy
from sip_edge.transport.rtp_control import RtpControl
from sip_edge.transport.rtp_receiver import RtpReceiver
from sip_edge.transport.rtp_sender import RtpSender
from sip_edge.transport.rtp_srtp import Srtp
from sip_edge.transport.rtp_values import RtpObserver, RtpSettings, RtpStatistics

if TYPE_CHECKING:
    import asyncio
    import socket
    from collections.abc import Callable

    from sip_edge.media.audio import AudioListener
    from sip_edge.media.offer_answer import AudioParameters
    from sip_edge.transport.rtp_latch import Source
    from sip_edge.transport.rtp_ports import RtpPortPool, RtpSockets
    from sip_edge.transport.rtp_wheel import RtpWheel
    from sip_edge.transport.sources import NetworkSet

__all__ = ["RtpObserver", "RtpSession", "RtpSettings", "RtpStatistics"]

READ_BATCH: Final = 16
"""Datagrams read at a wake-up at most: a flooded port must not keep the others waiting."""
ALONE_SECONDS: Final = (0.005, 0.030)
"""A packet that comes this long after the one before comes alone: asking for another one would
cost a system call and an exception, 50 times a second."""
MAX_BURST_FRAMES: Final = 2
MAX_LATE_FRAMES: Final = 10
"""Of what was heard during a stall, the listener gets this much at once: the jitter buffer's."""
FIRST_SEQUENCE_BITS: Final = 15
"""The lower half: SRTP's receivers would miss a wrap that comes at once (RFC 3711 3.3.1)."""
CHECK_SECONDS: Final = 0.1
"""How often time-outs and reports are looked at."""


class RtpSession:
    """A call's sound (`media.audio.AudioStream`). `randbits(n)` makes an n-bit number.

    `signalling_host` and `media_hosts` are where the peer's SIP and RTP come from: see `rtp_latch`.
    """

    def __init__(
        self,
        *,
        sockets: RtpSockets,
        pool: RtpPortPool,
        wheel: RtpWheel,
        loop: asyncio.AbstractEventLoop,
        settings: RtpSettings,
        observer: RtpObserver,
        srtp: SrtpPolicy = SrtpPolicy.OFF,
        signalling_host: str | None = None,
        media_hosts: NetworkSet | None = None,
        randbits: Callable[[int], int] = secrets.randbits,
    ) -> None:
        self.srtp = Srtp(srtp)
        self._sockets = sockets
        self._pool = pool
        self._wheel = wheel
        self._loop = loop
        self._settings = settings
        self._observer = observer
        self._randbits = randbits
        ssrc = randbits(32)
        self._receiver = RtpReceiver(
            is_symmetric=settings.symmetric,
            signalling_host=signalling_host,
            media_hosts=media_hosts,
        )
        self._sender = RtpSender(
            packetizer=Packetizer(
                ssrc=ssrc, sequence=randbits(FIRST_SEQUENCE_BITS), timestamp=randbits(32)
            ),
            queue=PlayoutQueue(max_seconds=settings.max_queued_seconds),
        )
        self._control = RtpControl(
            reports=ReportExchange(ssrc=ssrc, cname=f"{randbits(96):024x}"), randbits=randbits
        )
        self._listener: AudioListener | None = None
        self._keys = KeyPresses()
        self._waiters: list[asyncio.Future[None]] = []
        self._send_errors = 0
        self._read_at = 0.0
        self._check_at = math.inf
        self._watched_from: float | None = None  # None while the peer need not send.
        self._is_configured = False
        self._is_started = False
        self._is_closed = False
        self._was_heard = False
        self._was_audible = False

    @property
    def local_port(self) -> int:
        """The RTP port, for the SDP; RTCP has the next one."""
        return self._sockets.port

    def configure(self, parameters: AudioParameters) -> None:
        """Take what offer and answer agreed: at the answer, and after each later one."""
        if self._is_closed:
            return
        now = self._loop.time()
        self._receiver.configure(parameters, now)
        self._sender.configure(parameters)
        self._control.configure(parameters)
        if self.srtp.configure(parameters.srtp, now):
            self._begin_stream()
        # A peer that put us on hold may be silent for as long as it likes.
        if parameters.direction is not Direction.SENDRECV:
            self._watched_from = None
        elif self._watched_from is None:
            self._watched_from = now
        if not self._is_configured:
            self._is_configured = True
            self._loop.add_reader(self._sockets.rtp, self._on_rtp_readable)
            self._loop.add_reader(self._sockets.rtcp, self._on_rtcp_readable)

    def start(self, *, held: bool) -> None:
        """Send a packet every 20 ms from now on: silence, or what is played unless `held`."""
        if self._is_started or self._is_closed:
            return
        now = self._loop.time()
        self._is_started = True
        self._sender.queue.held = held
        self._check_at = now + CHECK_SECONDS
        self._control.start(now)
        if self._watched_from is not None:
            self._watched_from = now
        self._wheel.add(self)

    def release(self) -> None:
        """Let what is queued be heard from now on."""
        self._sender.queue.held = False

    # media.audio.AudioStream

    def listen(self, listener: AudioListener | None) -> None:
        """Hand what the peer says to `listener` from now on; None hands it to nobody."""
        if not self._is_closed:
            self._listener = listener

    def play(self, ulaw: bytes) -> None:
        """Queue µ-law of any length; what exceeds `max_queued_seconds` is dropped and counted."""
        if not self._is_closed:
            self._sender.queue.play(ulaw)

    def mark(self, name: str) -> None:
        """Report `name` when all that is queued by now has been played; at once if nothing is."""
        if not self._is_closed and not self._sender.queue.mark(name):
            self._report_marks([name])

    def clear(self) -> None:
        """Drop what is queued at once; each pending mark is reported, in order."""
        self._report_marks(self._sender.queue.clear())

    def trim(self) -> None:
        """Drop the silence at the end of what is queued (AudioStream)."""
        self._sender.queue.trim()

    async def drained(self) -> None:
        """Return when all that is queued has been played, or the session was closed."""
        if self._is_closed or self._sender.queue.is_drained:
            return
        waiter: asyncio.Future[None] = self._loop.create_future()
        self._waiters.append(waiter)
        try:
            await waiter
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def hear_key(self, key: str) -> None:
        """A key press that SIP told (INFO), one of `0123456789*#ABCD`; once if RTP tells it too."""
        self._report_digits(key, Way.INFO)

    def send_digit(self, digit: str) -> bool:
        """Press a key towards the peer; False if it takes none. Raises ValueError: no such key."""
        return self._sender.press(digit)

    def statistics(self) -> RtpStatistics:
        """The counters as they are now; also after `close`."""
        receiver, reports, jitter = self._receiver, self._control.reports, self._receiver.jitter
        fraction, remote_jitter = reports.remote_fraction_lost, reports.remote_jitter
        round_trip = reports.round_trip_seconds
        return RtpStatistics(
            packets_sent=self._sender.packetizer.packets_sent,
            packets_received=receiver.packets_received,
            packets_lost=receiver.lost,
            late=jitter.late,
            duplicates=receiver.duplicates + self.srtp.replayed,
            discarded=jitter.discarded,
            concealed=jitter.concealed,
            malformed=receiver.malformed + reports.malformed,
            strangers=receiver.strangers + self._control.strangers + self.srtp.unauthentic,
            unauthentic=self.srtp.unauthentic,
            other_payloads=receiver.other_payloads,
            send_errors=self._send_errors,
            jitter_ms=receiver.reception.jitter / 8 if receiver.reception else 0.0,
            delay_ms=jitter.delay_samples / 8,
            dropped_seconds=self._sender.queue.dropped_bytes / 8000,
            remote_lost=reports.remote_lost,
            remote_fraction_lost=None if fraction is None else fraction / 256,
            remote_jitter_ms=None if remote_jitter is None else remote_jitter / 8,
            round_trip_ms=None if round_trip is None else round_trip * 1000,
        )

    def close(self) -> None:
        """Say goodbye by RTCP and give the ports back. Nothing is left on the loop."""
        if self._is_closed:
            return
        self._is_closed = True
        self._wheel.remove(self)
        if self._is_configured:
            self._loop.remove_reader(self._sockets.rtp)
            self._loop.remove_reader(self._sockets.rtcp)
        if self._is_started:
            self._send_control(self._control.reports.build_goodbye())
        self.srtp.close()
        self._pool.release(self._sockets, self._loop.time())
        self._listener = None
        self._check_at = math.inf
        self._watched_from = None
        self._sender.queue.clear()
        self._wake_waiters()

    # The wheel's turn (transport.rtp_wheel.WheelMember).

    def tick(self, now: float, frames: int) -> None:
        """Send a frame and hand one to the listener; `frames` is more than 1 after a stall."""
        if frames > 1:
            self._catch_up(now, frames - 1)
        self._send_frame(now)
        self._hear_frame()
        if now >= self._check_at:
            self._check(now)

    def _catch_up(self, now: float, missed: int) -> None:
        # What came during the stall waits in the kernel: it is not late.
        self._read_rtp(now, READ_BATCH)
        for _ in range(min(missed, MAX_LATE_FRAMES)):
            self._hear_frame()
        if missed > MAX_BURST_FRAMES:
            self._sender.packetizer.pause(missed)
            return
        for _ in range(missed):
            self._send_frame(now)

    def _send_frame(self, now: float) -> None:
        if self._is_closed:
            return  # By the listener, in this very turn.
        for packet in self._sender.next_packets():
            self._send(self._sockets.rtp, self.srtp.protect(packet), self._receiver.latch.target)
            if self._sender.was_audible and not self._was_audible:
                self._was_audible = True
                self._observer.on_first_audio_out(now)
        queue = self._sender.queue
        if queue.has_marks:
            self._report_marks(queue.take_due_marks())
        if self._waiters and queue.is_drained:
            self._wake_waiters()

    def _hear_frame(self) -> None:
        frame = self._receiver.jitter.pop()
        if self._listener is not None:
            self._listener.on_audio(frame)

    def _begin_stream(self) -> None:
        """Under a new key our packets are a new stream, unless none was sent so far."""
        if self._sender.packetizer.packets_sent:
            ssrc = self._randbits(32)
            self._sender.packetizer.renew(ssrc, self._randbits(FIRST_SEQUENCE_BITS))
            self._control.reports.renew(ssrc)

    def _send(self, udp: socket.socket, packet: bytes | None, target: Source | None) -> None:
        if target is None or packet is None:
            return
        try:
            udp.sendto(packet, target)
        except OSError:
            self._send_errors += 1  # No route, or the kernel's buffer is full: as if lost.

    def _send_control(self, packet: bytes) -> None:
        control = self._control
        udp = self._sockets.rtp if control.is_shared else self._sockets.rtcp
        self._send(udp, self.srtp.protect_rtcp(packet), control.target(self._receiver.latch))

    def _report_marks(self, names: list[str]) -> None:
        for name in names:
            if self._listener is not None:
                self._listener.on_mark(name)

    def _report_digits(self, digits: str, way: Way = Way.RTP) -> None:
        for digit in digits:
            is_new = self._keys.is_new(digit, way, self._loop.time())
            if is_new and self._listener is not None:
                self._listener.on_digit(digit)

    def _wake_waiters(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._waiters.clear()

    # What the sockets bring.

    def _on_rtp_readable(self) -> None:
        now = self._loop.time()
        least, most = ALONE_SECONDS
        is_alone = least <= now - self._read_at <= most
        self._read_at = now
        self._read_rtp(now, 1 if is_alone else READ_BATCH)

    def _read_rtp(self, now: float, batch: int) -> None:
        receive = self._sockets.rtp.recvfrom
        for _ in range(batch):
            try:
                data, source = receive(MAX_DATAGRAM_BYTES)
            except OSError:
                return  # Nothing more to read, or closed by the listener.
            if len(source) > 2:
                source = source[:2]  # IPv6 adds flow label and scope.
            if is_rtcp(data) and self._control.may_be_on_rtp_port:
                self._receive_rtcp(data, source, now)
                continue
            digits = self._receive_rtp(data, source, now)
            if not self._was_heard and self._receiver.heard_at is not None:
                self._was_heard = True
                self._observer.on_first_rtp(now)
            if digits:
                self._report_digits(digits)

    def _on_rtcp_readable(self) -> None:
        try:
            data, source = self._sockets.rtcp.recvfrom(MAX_DATAGRAM_BYTES)
        except OSError:
            return
        self._receive_rtcp(data, source[:2], self._loop.time())

    def _receive_rtp(self, data: bytes, source: Source, now: float) -> str:
        if self.srtp.keys is None:
            return self._receiver.receive(data, source, now)
        if not self._receiver.may_be_peer(source, now):
            return ""
        clear = self.srtp.unprotect(data, now)
        return (
            "" if clear is None else self._receiver.receive(clear, source, now, is_authentic=True)
        )

    def _receive_rtcp(self, data: bytes, source: Source, now: float) -> None:
        clear = self.srtp.unprotect_rtcp(data, now)
        if clear is not None:
            self._control.receive(clear, source, now, self._receiver.latch)

    def _check(self, now: float) -> None:
        """What needs no look more often than ten times a second."""
        self._check_at = now + CHECK_SECONDS
        self._report_digits(self._receiver.expire(now))
        report = self._control.take_report(now, self._sender.packetizer, self._receiver)
        if report is not None:
            self._send_control(report)
        if self._watched_from is None:
            return
        heard_at = max(self._watched_from, self._receiver.heard_at or 0.0)
        if now - heard_at >= self._settings.timeout_seconds:
            self._watched_from = None
            self._observer.on_rtp_timeout()
