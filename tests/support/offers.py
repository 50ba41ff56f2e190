"""Builders for what a gateway is given: an agent, a call offered to it, a stream to join."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from sip_edge.media.audio import AudioListener
from sip_edge.routing.plan import AgentRecord, AgentStatus, Role, WorkerOptions
from sip_edge.routing.ports import AgentOffer, CallFacts, LostAgent
from sip_edge.routing.timeline import CallTimeline

AGENT_ID = "11111111-1111-4111-8111-111111111111"
CALL_ID = "44444444-4444-4444-8444-444444444444"
CALL_SID = "CA" + "1" * 32
STREAM_SID = "MZ" + "2" * 32
ACCOUNT_SID = "AC" + "3" * 32


def call_facts(
    *,
    caller_number: str | None = "+12025550123",
    called_number: str | None = "+12025550199",
    caller: str = "sip:+12025550123@example.pstn.twilio.com",
    forwarded_headers: Mapping[str, str] | None = None,
) -> CallFacts:
    return CallFacts(
        call_id=CALL_ID,
        sip_call_id="00000000000000000000000000000001@0.0.0.0",
        carrier="twilio",
        provider="twilio",
        called_number=called_number,
        caller_number=caller_number,
        caller=caller,
        call_sid=CALL_SID,
        stream_sid=STREAM_SID,
        account_sid=ACCOUNT_SID,
        forwarded_headers=forwarded_headers or {},
    )


def agent_offer(
    facts: CallFacts | None = None,
    *,
    attempt: int = 1,
    failover_reason: str | None = None,
    accept_timeout_seconds: float = 5.0,
    lost: LostAgent | None = None,
) -> AgentOffer:
    return AgentOffer(
        facts=facts or call_facts(),
        role=Role.PRIMARY,
        attempt=attempt,
        failover_reason=failover_reason,
        accept_timeout_seconds=accept_timeout_seconds,
        lost=lost,
    )


def agent_at(
    worker_url: str | None,
    *,
    options: WorkerOptions | None = None,
    agent_id: str = AGENT_ID,
) -> AgentRecord:
    return AgentRecord(
        agent_id=agent_id,
        name="agent",
        status=AgentStatus.ACTIVE,
        worker_url=worker_url,
        options=options or WorkerOptions(),
        voicemail_message=None,
        language=None,
    )


def call_timeline() -> CallTimeline:
    """A timeline on the running loop's clock."""
    loop = asyncio.get_running_loop()
    return CallTimeline(loop.time(), clock=loop.time)


class ScriptedAudio:
    """A stream that writes down what it is told; the test lets time pass by `heard`.

    `log` holds sound as bytes, marks as "mark NAME" and "clear". A mark is returned when the test
    says that all was heard, or by `clear`.
    """

    def __init__(self) -> None:
        self.log: list[bytes | str] = []
        self.listener: AudioListener | None = None
        self._pending: list[str] = []

    @property
    def sound(self) -> bytes:
        """All that was played."""
        return b"".join(item for item in self.log if isinstance(item, bytes))

    def heard(self) -> None:
        """All that is queued has been played."""
        pending, self._pending = self._pending, []
        for name in pending:
            if self.listener is not None:
                self.listener.on_mark(name)

    def listen(self, listener: AudioListener | None) -> None:
        self.listener = listener

    def play(self, ulaw: bytes) -> None:
        self.log.append(ulaw)

    def mark(self, name: str) -> None:
        self.log.append(f"mark {name}")
        self._pending.append(name)

    def clear(self) -> None:
        self.log.append("clear")
        self.heard()

    def trim(self) -> None:
        self.log.append("trim")

    async def drained(self) -> None:
        self.heard()
