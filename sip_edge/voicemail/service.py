"""Takes messages: the adapter behind `routing.ports.Voicemail`."""

from __future__ import annotations

import asyncio
import uuid
from typing import TYPE_CHECKING, Final

from sip_edge.logs import get_logger
from sip_edge.media.tones import beep
from sip_edge.routing.timeline import Stage
from sip_edge.tasks import spawn
from sip_edge.voicemail.ear import CallerEar
from sip_edge.voicemail.message import Message
from sip_edge.voicemail.recording import Recording, RecordingEnd
from sip_edge.voicemail.results import MessageResult
from sip_edge.voicemail.scribe import LiveRecording, Scribe, Written
from sip_edge.voicemail.spool import message_path

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from sip_edge.media.audio import AudioStream
    from sip_edge.routing.plan import VoicemailMessage
    from sip_edge.routing.ports import CallFacts
    from sip_edge.routing.timeline import CallTimeline
    from sip_edge.voicemail.disk import Offload
    from sip_edge.voicemail.greetings import Greeting, Greetings
    from sip_edge.voicemail.limits import RecordingLimits
    from sip_edge.voicemail.mailbox import Mailbox
    from sip_edge.voicemail.results import VoicemailObserver
    from sip_edge.voicemail.spool import MessageSpool

OVERTIME_SECONDS: Final = 5.0
"""A recording counts what it hears; should nothing be heard at all, it ends so much later."""

_log = get_logger("sip_edge.voicemail")


class VoicemailService:
    """Greets callers and records them (implements routing.ports.Voicemail)."""

    def __init__(
        self,
        *,
        greetings: Greetings,
        mailbox: Mailbox,
        spool: MessageSpool,
        offload: Offload,
        observer: VoicemailObserver,
        limits: RecordingLimits,
        wall_clock: Callable[[], datetime],
    ) -> None:
        self.greetings = greetings
        self.mailbox = mailbox
        self._spool = spool
        self._offload = offload
        self._observer = observer
        self._limits = limits
        self._wall_clock = wall_clock
        self._scribes: set[asyncio.Task[None]] = set()

    @property
    def recordings(self) -> int:
        """How many messages are being recorded or written."""
        return len(self._scribes)

    def want(self, message: VoicemailMessage) -> None:
        """A text appeared or changed in the table: have it ready before a call needs it."""
        self.greetings.want(message)

    async def take_message(
        self,
        facts: CallFacts,
        timeline: CallTimeline,
        audio: AudioStream,
        message: VoicemailMessage,
    ) -> None:
        """See Voicemail.take_message. What was said is completed beside the call."""
        ear = CallerEar(audio)
        audio.listen(ear)
        try:
            greeting = await self._greet(facts, timeline, audio, ear, message)
            if len(self._scribes) >= self._limits.max_recordings:
                self._end(facts, MessageResult.TOO_MANY)
                return
            await self._record(facts, ear, greeting, message)
        finally:
            audio.listen(None)

    async def wait_written(self, seconds: float) -> None:
        """Return when all that was recorded is on disk, or after so many seconds."""
        if self._scribes:
            await asyncio.wait(self._scribes, timeout=seconds)

    async def _greet(
        self,
        facts: CallFacts,
        timeline: CallTimeline,
        audio: AudioStream,
        ear: CallerEar,
        message: VoicemailMessage,
    ) -> Greeting:
        try:
            greeting = await self.greetings.for_call(message)
            timeline.mark(Stage.VOICEMAIL_START)
            self._observer.greeting_played(greeting.source, greeting.waited_seconds)
            if not ear.is_impatient:
                audio.play(greeting.sound)
                await audio.drained()
            ear.begin_beep()
            audio.play(beep())
            await audio.drained()
        except asyncio.CancelledError:
            self._end(facts, MessageResult.HUNG_UP_IN_GREETING)
            raise
        return greeting

    async def _record(
        self, facts: CallFacts, ear: CallerEar, greeting: Greeting, answered: VoicemailMessage
    ) -> None:
        limits = self._limits
        live = LiveRecording(
            Recording(max_seconds=limits.max_seconds, silence_seconds=limits.silence_seconds)
        )
        scribe = spawn(
            self._write(facts, live, greeting, answered), name=f"voicemail {facts.call_id}"
        )
        self._scribes.add(scribe)
        scribe.add_done_callback(self._scribes.discard)
        ear.begin_recording(live)
        try:
            async with asyncio.timeout(limits.max_seconds + OVERTIME_SECONDS):
                await live.wait_ended()
        except TimeoutError:
            live.finish(RecordingEnd.LIMIT)
        finally:
            live.finish(RecordingEnd.HUNG_UP)

    async def _write(
        self, facts: CallFacts, live: LiveRecording, greeting: Greeting, answered: VoicemailMessage
    ) -> None:
        """The scribe's task: it outlives the call."""
        now = self._wall_clock()
        message_id = uuid.uuid4()
        message = Message(
            id=message_id,
            call_id=facts.call_id,
            phone_number=facts.called_number or "",
            caller_number=facts.caller_number,
            agent_id=answered.agent_id,
            workspace_id=answered.workspace_id,
            received_at=now,
            path=message_path(message_id, now.date().isoformat()),
        )
        written = await Scribe(
            spool=self._spool,
            offload=self._offload,
            limits=self._limits,
            live=live,
            message=message,
        ).write()
        result = written.result
        if written.message is not None:
            row = await self.mailbox.deliver(written.message)
            if result is MessageResult.SAVED and row == "unavailable":
                result = MessageResult.DATABASE_UNAVAILABLE
            elif result is MessageResult.SAVED and row == "refused":
                result = MessageResult.ROW_REFUSED
        self._end(facts, result, written, live, greeting)

    def _end(
        self,
        facts: CallFacts,
        result: MessageResult,
        written: Written | None = None,
        live: LiveRecording | None = None,
        greeting: Greeting | None = None,
    ) -> None:
        """Count it, and say in one line what became of it."""
        message = None if written is None else written.message
        seconds = 0.0 if message is None else message.seconds
        self._observer.message_ended(result, seconds)
        line = {
            "call_id": facts.call_id,
            "called_number": facts.called_number,
            "caller_number": facts.caller_number,
            "result": result.value,
            "greeting": None if greeting is None else greeting.source.value,
            "ended_by": live.end.value if live is not None and live.end is not None else None,
            "seconds": None if message is None else round(seconds, 2),
            "bytes": None if message is None else message.size,
            "path": None if message is None else message.path,
            "problem": None if written is None or not written.problem else written.problem,
        }
        said = {key: value for key, value in line.items() if value is not None}
        if result in _FAILURES:
            _log.error("voicemail", **said)
        else:
            _log.info("voicemail", **said)


_FAILURES: Final = frozenset(
    {
        MessageResult.DISK_FULL,
        MessageResult.UNWRITABLE,
        MessageResult.ROW_REFUSED,
        MessageResult.TOO_MANY,
    }
)
"""What somebody has to look at."""
