"""One worker's part in one call: the caller's sound out, the worker's sound, marks and end in.

`WorkerSession` knows the dialect and its limits and no socket: its connection hands it what the
worker says and carries out what it decides through `WorkerLink`.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final, Protocol

from sip_edge.agents.counters import Counters
from sip_edge.agents.messages import MalformedMessageError, MessageWriter, decode
from sip_edge.agents.speech import FloodError, Speech
from sip_edge.logs import get_logger
from sip_edge.routing.outcome import AgentEnd

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.agents.counters import WorkerObserver
    from sip_edge.agents.messages import WorkerMessage
    from sip_edge.agents.settings import WorkerSettings
    from sip_edge.media.audio import AudioStream
    from sip_edge.routing.ports import AgentOffer

_log = get_logger("sip_edge.agents")

NORMAL_CLOSURE: Final = 1000
POLICY_VIOLATION: Final = 1008
"""RFC 6455 section 7.4.1: "a message that violates its policy"."""

_GOING_AWAY: Final = frozenset({1001, 1012})
"""Going away, and service restart (registered with IANA)."""


MAX_DIGITS: Final = 64
"""Keys remembered for an agent that takes over: an account number and a menu fit."""


class WorkerLink(Protocol):
    """What a session may ask of its connection. Nothing waits, nothing raises."""

    def send(self, message: bytes) -> None:
        """Send one text message."""
        ...

    def close(self, code: int) -> None:
        """Begin the closing handshake; the connection is gone soon after."""
        ...

    def abort(self) -> None:
        """Drop the connection."""
        ...


class Timer(Protocol):
    """A call that is due later."""

    def cancel(self) -> None: ...


class Scheduler(Protocol):
    """The part of an event loop that a session needs."""

    def time(self) -> float: ...

    def call_later(self, delay: float, callback: Callable[[], object], /) -> Timer: ...


class WorkerSession:
    """Implements `routing.ports.AgentSession` and `media.audio.AudioListener`."""

    def __init__(
        self,
        *,
        agent_id: str,
        offer: AgentOffer,
        settings: WorkerSettings,
        first_audio_timeout_seconds: float | None,
        observer: WorkerObserver,
        scheduler: Scheduler,
    ) -> None:
        facts = offer.facts
        self.counters = Counters()
        self.writer = MessageWriter(
            stream_sid=facts.stream_sid, call_sid=facts.call_sid, account_sid=facts.account_sid
        )
        self._agent_id = agent_id
        self._call_id = facts.call_id
        self._settings = settings
        self._first_audio_timeout_seconds = first_audio_timeout_seconds
        self._observer = observer
        self._scheduler = scheduler
        self._time = scheduler.time

        self._link: WorkerLink | None = None
        self._send: Callable[[bytes], None] | None = None
        """None whenever nothing can be sent: one test for each frame of sound."""
        self._started_at = 0.0
        self._speech = Speech(settings=settings)
        self._malformed_since = 0.0
        self._malformed = 0
        self._stalled_timer: Timer | None = None
        self._first_audio_timer: Timer | None = None
        self._digits = ""
        self._has_hung_up = False
        self._end: AgentEnd | None = None
        self._ended = asyncio.Event()

    # The application's side (AgentSession)

    @property
    def end(self) -> AgentEnd | None:
        """How the worker ended, None while it has not."""
        return self._end

    @property
    def has_spoken(self) -> bool:
        """True if sound came from the worker."""
        return self.counters.media_in > 0

    @property
    def digits(self) -> str:
        """The keys that the worker was told of, in order."""
        return self._digits

    def join(self, audio: AudioStream) -> None:
        """Connect the worker with the caller's sound; what it said before is played first."""
        audio.listen(self)
        self._speech.start(audio, self._time())
        patience = self._first_audio_timeout_seconds
        if patience is not None and self._is_in_progress and not self.counters.media_in:
            self._first_audio_timer = self._scheduler.call_later(patience, self._no_first_audio)

    @property
    def _is_in_progress(self) -> bool:
        return self._end is None and not self._has_hung_up

    async def wait_ended(self) -> AgentEnd:
        """Return when the worker has ended its part."""
        await self._ended.wait()
        assert self._end is not None
        return self._end

    def hang_up(self) -> None:
        """Tell the worker that the call is over (`stop`, then close) and let go of it at once.

        What the worker does afterwards is no failure: its end will be `HANG_UP`.
        """
        if not self._is_in_progress:
            return
        self._has_hung_up = True
        self._speech.forget()
        self._cancel_timers()
        send, self._send = self._send, None
        if send is not None:
            send(self.writer.stop())
        if self._link is not None:
            self._link.close(NORMAL_CLOSURE)

    # The caller's side (AudioListener)

    def on_audio(self, frame: bytes) -> None:
        """Pass 20 ms of the caller's sound on; dropped and counted if the worker is not reading."""
        send = self._send
        if send is None:
            if self._stalled_timer is not None:
                self.counters.dropped_out += 1
            return
        send(self.writer.media(frame, int((self._time() - self._started_at) * 1000 + 0.5)))

    def on_digit(self, digit: str) -> None:
        """Tell the worker of a key."""
        self._digits = (self._digits + digit)[-MAX_DIGITS:]
        self._tell(self.writer.dtmf, digit)

    def on_mark(self, name: str) -> None:
        """Give a mark back to the worker."""
        self._speech.mark_returned()
        self._tell(self.writer.mark, name)

    def _tell(self, write: Callable[[str], bytes], text: str) -> None:
        if self._send is not None:
            self._send(write(text))
        elif self._stalled_timer is not None:
            self.counters.dropped_out += 1

    # The connection's side

    def connected(self, link: WorkerLink) -> None:
        """The worker has accepted and was told of the start."""
        self._link = link
        self._send = link.send
        self._started_at = self._time()

    def receive(self, text: bytes | memoryview) -> None:
        """The worker has said something; `text` is only valid during this call."""
        if not self._is_in_progress:
            return
        try:
            message = decode(text)
        except MalformedMessageError:
            self._count_malformed()
            return
        try:
            self._obey(message)
        except FloodError as error:
            self._fail(AgentEnd.FLOOD, str(error))

    def receive_binary(self) -> None:
        """The worker has sent a binary message: not part of the dialect, ignored."""
        self.counters.binary_in += 1

    def peer_closed(self, code: int | None, reason: str) -> None:
        """The worker has sent a close frame; `code` is None if it held none.

        Without a code (RFC 6455 calls it 1005) it is what `close()` of common JavaScript libraries
        sends: a wish, like 1000. A crash sends no close frame at all.
        """
        if code is None or code == NORMAL_CLOSURE:
            self._finish(AgentEnd.HANG_UP, "")
        else:
            end = AgentEnd.GOING_AWAY if code in _GOING_AWAY else AgentEnd.ERROR_CODE
            self._finish(end, f"close code {code} {reason}".rstrip())

    def protocol_violated(self) -> None:
        """The worker broke RFC 6455 or sent too large a message; the connection is being closed."""
        self._finish(AgentEnd.PROTOCOL_ERROR, "broke the WebSocket protocol or its limits")

    def connection_lost(self) -> None:
        """The connection is gone. Says the last word on the counters."""
        self._finish(AgentEnd.NO_CLOSE_FRAME, "connection lost")
        self._link = None
        self.report_counters()

    def flooded(self) -> None:
        """The worker sends more frames than any bot has reason to."""
        self._fail(AgentEnd.FLOOD, "too many frames")

    def not_responding(self) -> None:
        """The worker has left a ping unanswered."""
        self._fail(AgentEnd.PING_TIMEOUT, "no answer to a ping")

    def writing_paused(self) -> None:
        """The worker has not read for so long that no more is kept for it."""
        if self._send is not None and self._stalled_timer is None:
            self._send = None
            self._stalled_timer = self._scheduler.call_later(
                self._settings.stalled_seconds, self._stalled
            )

    def writing_resumed(self) -> None:
        """The worker reads again."""
        if self._stalled_timer is not None:
            self._stalled_timer.cancel()
            self._stalled_timer = None
            if self._link is not None:
                self._send = self._link.send

    def report_counters(self) -> None:
        """Tell the observer what was counted since the last time."""
        self.counters.media_out = self.writer.chunks
        self.counters.report_to(self._observer)

    def _obey(self, message: WorkerMessage) -> None:
        event, counters = message.event, self.counters
        if event == "media" and message.media is not None:
            counters.media_in += 1
            if self._first_audio_timer is not None:
                self._first_audio_timer.cancel()
                self._first_audio_timer = None
            self._speech.play(message.media.payload, self._time())
        elif event == "mark":
            counters.mark_in += 1
            # A published bot sends marks without a name: nothing to give back.
            if message.mark is not None and message.mark.name is not None:
                self._speech.mark(message.mark.name)
        elif event == "clear":
            counters.clear_in += 1
            self._speech.clear()
        else:
            counters.unknown_in += 1

    def _count_malformed(self) -> None:
        self.counters.malformed_in += 1
        now = self._time()
        if now - self._malformed_since > self._settings.malformed_window_seconds:
            self._malformed_since = now
            self._malformed = 0
        self._malformed += 1
        if self._malformed > self._settings.malformed_limit:
            self._fail(AgentEnd.PROTOCOL_ERROR, "too many malformed messages")

    # Ends

    def _no_first_audio(self) -> None:
        self._first_audio_timer = None
        self._fail(AgentEnd.NO_FIRST_AUDIO, "no sound in time")

    def _stalled(self) -> None:
        # Whoever reads nothing answers no ping either; this only notices it earlier.
        self._fail(AgentEnd.PING_TIMEOUT, "does not read what it is sent")

    def _fail(self, end: AgentEnd, detail: str) -> None:
        """End the session from our side because of what the worker did or left undone."""
        link, send = self._link, self._send
        if link is None or not self._is_in_progress:
            return
        self._finish(end, detail)
        match end:
            case AgentEnd.PING_TIMEOUT:
                link.abort()
            case AgentEnd.NO_FIRST_AUDIO:
                if send is not None:
                    send(self.writer.stop())
                link.close(NORMAL_CLOSURE)
            case _:
                link.close(POLICY_VIOLATION)

    def _finish(self, end: AgentEnd, detail: str) -> None:
        if self._end is not None:
            return
        self._end = AgentEnd.HANG_UP if self._has_hung_up else end
        self._send = None
        self._cancel_timers()
        self._ended.set()
        if self._end.is_failure:
            _log.warning(
                "worker_failed",
                call_id=self._call_id,
                agent_id=self._agent_id,
                end=self._end.value,
                detail=detail,
            )

    def _cancel_timers(self) -> None:
        for timer in (self._stalled_timer, self._first_audio_timer):
            if timer is not None:
                timer.cancel()
        self._stalled_timer = self._first_audio_timer = None
