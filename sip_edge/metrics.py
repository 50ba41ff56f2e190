"""Every Prometheus name, label and bucket, in one place.

Labels are closed enums, resolved once, so that nobody outside can grow our memory and an
observation costs microseconds. Counting is done by the media loop, `render` by any thread.
"""

from __future__ import annotations

import platform
from collections.abc import Callable, Iterable, Iterator
from enum import Enum
from typing import TYPE_CHECKING, Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Info, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest
from prometheus_client.metrics_core import CounterMetricFamily
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.registry import Collector
from typing_extensions import override

from sip_edge.routing.outcome import AgentEnd, AttemptFailure, EndedBy, Outcome
from sip_edge.routing.refusal import Refusal
from sip_edge.routing.timeline import Stage
from sip_edge.sip.effects import Event
from sip_edge.sip.flow import Transport

if TYPE_CHECKING:
    from sip_edge.routing.ports import CallReport, SoundStatistics

SETUP: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2, 3, 5, 10)
"""For what every caller waits for; the ladders below are for what is only compared."""
STEPS: Final = (0.001, 0.005, 0.025, 0.1, 0.3, 1, 3)
"""Tells whose step is slow: our own take milliseconds, a worker may have 0.9 s."""
FAILOVER: Final = (0.001, 0.02, 0.1, 0.5, 2, 5)
"""At once, soon, after an attempt that timed out, too late."""
LAG: Final = (0.001, 0.005, 0.01, 0.02, 0.04, 0.1, 0.5)
TALK: Final = (1, 10, 60, 300, 1800)

CODES: Final = (
    100, 180, 200, 400, 403, 404, 405, 406, 414, 415, 416, 420, 480, 481, 482, 483, 486, 487, 488,
    491, 500, 501, 503, 505, 513, 603,
)  # fmt: skip
"""The responses that we send of ourselves; any other, a carrier's own choice, is `other`."""

STAGES: Final = {
    Stage.TRYING: Stage.INVITE,
    Stage.ROUTE: Stage.TRYING,
    Stage.WORKER_CONNECT: Stage.ROUTE,
    Stage.WORKER_ACCEPT: Stage.WORKER_CONNECT,
    Stage.ANSWER: Stage.WORKER_ACCEPT,
    Stage.ACK: Stage.ANSWER,
    Stage.FIRST_RTP_IN: Stage.ANSWER,
    Stage.FIRST_AUDIO_OUT: Stage.ANSWER,
    Stage.VOICEMAIL_START: Stage.ANSWER,
}
"""The stages of a call's set-up that are measured, each from the one before it."""


HELD: Final = ("dialogs", "transactions", "tasks")
"""What calls leave for a while: dialogs and transactions for 32 s, tasks not at all."""
RECORD_ROWS: Final = ("written", "rejected", "dropped")
"""What can become of a row of `calls`; one call may have two, as it opens and as it ends."""
ANSWERERS: Final = (Outcome.AGENT, Outcome.FALLBACK, Outcome.VOICEMAIL)
"""Who can answer a caller."""
READY_STATES: Final = ("starting", "ready", "degraded", "draining")
"""What /readyz can say."""

FAILED_BEFORE_ANSWER: Final = {
    AttemptFailure.DNS: "unreachable",
    AttemptFailure.REFUSED: "unreachable",
    AttemptFailure.UNREACHABLE: "unreachable",
    AttemptFailure.TLS: "unreachable",
    AttemptFailure.FORBIDDEN_ADDRESS: "unreachable",
    AttemptFailure.MISCONFIGURED: "unreachable",
    AttemptFailure.INTERNAL: "unreachable",
    AttemptFailure.HTTP_STATUS: "turned_away",
    AttemptFailure.BAD_HANDSHAKE: "turned_away",
    AttemptFailure.CLOSED_EARLY: "turned_away",
    AttemptFailure.TIMEOUT: "timeout",
    AttemptFailure.DEADLINE: "timeout",
}
"""Why another agent had to take the call, in as few words as a histogram can be had for."""
LOST_AFTER_ANSWER: Final = {
    AgentEnd.NO_CLOSE_FRAME: "no_close_frame",
    AgentEnd.GOING_AWAY: "closed",
    AgentEnd.ERROR_CODE: "closed",
    AgentEnd.PING_TIMEOUT: "silent",
    AgentEnd.NO_FIRST_AUDIO: "silent",
    AgentEnd.FLOOD: "misbehaved",
    AgentEnd.PROTOCOL_ERROR: "misbehaved",
}
"""The same of an agent that was lost in mid-call: every end that is a failure."""

CONNECTION_REFUSALS: Final = ("stranger", "full", "crowded", "handshakes", "descriptors")
"""Why a connection that came in was closed without a word (transport.connection_books)."""
TLS_FAILURES: Final = ("handshake", "certificate")


class Lookup(Enum):
    """What the routes in memory had for a called number."""

    HIT = "hit"
    MISS = "miss"
    STALE = "stale"
    UNAVAILABLE = "unavailable"


VOICEMAILS: Final = (
    "saved", "database_unavailable", "row_refused", "hung_up_in_greeting", "too_short", "silent",
    "too_many", "disk_full", "unwritable",
)  # fmt: skip
"""What can become of a caller's turn with the voicemail."""
GREETINGS: Final = ("text", "not_ready", "no_voice", "failed", "busy")
"""What a caller heard before the beep: the text, or the packaged message and why."""
RENDERINGS: Final = (
    "rendered", "bad_sound", "engine_error", "timed_out", "died", "given_up", "cut", "dropped",
)  # fmt: skip
"""What can become of a text that is to be read aloud."""


class FrameFault(Enum):
    """What was wrong with a message from a worker."""

    MALFORMED = "malformed"
    DROPPED = "dropped"


class Metrics:
    """All metrics of one process, on a registry of its own."""

    def __init__(self, *, version: str) -> None:
        # One series less for each counter and histogram; nobody looks at when they began.
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        self._numbers()
        self._times()
        self._levels()
        Info("sip_edge_build", "What runs here", registry=self.registry).info(
            {"version": version, "python": platform.python_version()}
        )
        ProcessCollector(registry=self.registry)
        self._outside = _Outside()
        self.registry.register(self._outside)

    def _numbers(self) -> None:
        count, by = self._counter, self._counters
        self.invites = count("invites", "INVITEs that began a call")
        self.responses = by("responses", "SIP responses sent", "code", [*map(str, CODES), "other"])
        self.sip_events = by("sip_events", "Noteworthy SIP events", "event", _values(Event))
        self.dropped_sources = by(
            "dropped_sources", "Messages from strangers", "transport", _values(Transport)
        )
        self.refused_connections = by(
            "refused_connections", "TCP and TLS connections turned away", "why", CONNECTION_REFUSALS
        )
        self.cut_connections = count("cut_connections", "Ended as too slow, too much or unreadable")
        self.tls_failures = by("tls_failures", "What went wrong with TLS", "what", TLS_FAILURES)
        self.send_failures = count("send_failures", "Datagrams that the kernel would not take")
        self.answers = by(
            "answers", "Calls answered, by whom", "by", [outcome.value for outcome in ANSWERERS]
        )
        self.calls = by("calls", "Calls that ended", "outcome", _values(Outcome))
        self.calls_ended_by = by("call_ends", "Calls by who ended them", "by", _values(EndedBy))
        self.calls_refused = by("calls_refused", "Calls refused", "refusal", _values(Refusal))
        self.agent_ends = by("agent_ends", "Agents' turns by end", "end", _values(AgentEnd))
        self.moves = by(
            "moves", "Agents lost in mid-call", "lost", [end.value for end in LOST_AFTER_ANSWER]
        )
        self.route_lookups = by("route_lookups", "Look-ups of numbers", "result", _values(Lookup))
        self.worker_frames = by(
            "worker_frame_faults", "Bad messages of workers", "fault", _values(FrameFault)
        )
        self.voicemails = by("voicemails", "Turns with the voicemail", "result", VOICEMAILS)
        self.greetings = by("voicemail_greetings", "Greetings played", "source", GREETINGS)
        self.renderings = by("voicemail_renderings", "Texts read aloud", "result", RENDERINGS)
        self.record_rows = by("record_rows", "Rows of calls", "result", RECORD_ROWS)
        self.record_write_failures = count("record_write_failures", "Writes of records that failed")
        self.rtp_packets = by("rtp_packets", "RTP packets", "direction", ["in", "out"])
        self.rtp_lost = count("rtp_packets_lost", "RTP packets that never came")
        self.rtp_late = count("rtp_packets_late", "RTP packets that came after their time")
        self.rtp_strangers = count("rtp_packets_strangers", "RTP packets from somebody else")
        self.api_restarts = count("api_restarts", "Ends of the control API that nobody asked for")
        self.internal_errors = count("internal_errors", "Faults of ours; 0 is the only good value")
        attempts = Counter(
            "sip_edge_dispatch_attempts",
            "Calls offered to agents",
            ["result", "reason"],
            registry=self.registry,
        )
        self.attempts = {
            failure: attempts.labels(*_result(failure)) for failure in (None, *AttemptFailure)
        }

    def _times(self) -> None:
        histogram = self._histogram
        stages = Histogram(
            "sip_edge_setup_stage_seconds",
            "Time from the previous stage of a call's set-up to this one",
            ["stage"],
            buckets=STEPS,
            registry=self.registry,
        )
        self.setup_stages = {stage: stages.labels(stage.value) for stage in STAGES}
        self.invite_to_answer = histogram("invite_to_answer_seconds", "INVITE to 200", SETUP)
        self.invite_to_first_audio = histogram(
            "invite_to_first_audio_seconds", "INVITE to the agent's first sound", SETUP
        )
        self.record_write = histogram("record_write_seconds", "Committing rows of calls", STEPS)
        self.greeting_wait = histogram(
            "voicemail_greeting_wait_seconds", "Waiting for the text to be ready", STEPS
        )
        failover = Histogram(
            "sip_edge_failover_seconds",
            "From the loss of an agent, or its first refusal, to the next one's acceptance",
            ["phase", "reason"],
            buckets=FAILOVER,
            registry=self.registry,
        )
        self.failovers_before_answer = {
            failure: failover.labels("before_answer", reason)
            for failure, reason in FAILED_BEFORE_ANSWER.items()
        }
        self.failovers_after_answer = {
            end: failover.labels("after_answer", reason)
            for end, reason in LOST_AFTER_ANSWER.items()
        }
        self.call_duration = histogram("call_duration_seconds", "Answer to end", TALK)
        self.rtp_pacing_lag = histogram("rtp_pacing_lag_seconds", "Lateness of RTP turns", LAG)
        self.loop_lag = histogram("loop_lag_seconds", "Lateness of the media loop", LAG)

    def _levels(self) -> None:
        gauge = self._gauge
        self.calls_active = gauge("calls_active", "Calls going on")
        self.calls_max = gauge("calls_max", "Calls that may go on at once")
        ready = Gauge(
            "sip_edge_ready_state",
            "1 for the state that /readyz tells, 0 for the others",
            ["state"],
            registry=self.registry,
        )
        self.ready_states = {state: ready.labels(state) for state in READY_STATES}
        self.tls_certificate_expiry = gauge(
            "tls_certificate_expiry_timestamp_seconds", "When our certificate ends; 0 without TLS"
        )
        held = Gauge(
            "sip_edge_held",
            "What calls need, and what is left of them",
            ["what"],
            registry=self.registry,
        )
        self.held = {what: held.labels(what) for what in HELD}
        self.loop_longest_stall = gauge(
            "loop_longest_stall_seconds",
            "Longest lateness of the loop within the last minute or two",
        )
        self.rtp_ports = gauge("rtp_ports", "Pairs of RTP ports in all")
        self.rtp_ports_free = gauge("rtp_ports_free", "Pairs of RTP ports that may be used now")
        self.voicemails_undelivered = gauge(
            "voicemails_undelivered", "Messages on the disk whose rows wait for the database"
        )
        self.record_spool_rows = gauge("record_spool_rows", "Rows that wait for the database")
        self.record_spool_bytes = gauge("record_spool_bytes", "Their size on the disk")
        self.route_entries = gauge("route_entries", "Numbers in memory")
        self.route_age = gauge("route_age_seconds", "Since the routes were last known to be fresh")

    def invite_received(self) -> None:
        """A new call's INVITE arrived."""
        self.invites.inc()

    def response_sent(self, status: int) -> None:
        """A SIP response was sent for the first time."""
        (self.responses.get(str(status)) or self.responses["other"]).inc()

    def sip_event(self, event: Event) -> None:
        """The SIP core saw something that operators count."""
        self.sip_events[event.value].inc()

    def call_answered(self, report: CallReport) -> None:
        """The 200 went out; its outcome so far is who answered."""
        self.answers[report.outcome.value].inc()
        at = report.timeline.at
        _observe(self.invite_to_answer, at(Stage.INVITE), at(Stage.ANSWER))

    def set_ready_state(self, state: str) -> None:
        """What /readyz says now, one of `READY_STATES`."""
        for each, gauge in self.ready_states.items():
            gauge.set(each == state)

    def call_ended(self, report: CallReport) -> None:
        """Count a call and measure its stages, once, at its end."""
        self.calls[report.outcome.value].inc()
        if report.refusal is not None:
            self.calls_refused[report.refusal.value].inc()
        if report.ended_by is not None:
            self.calls_ended_by[report.ended_by.value].inc()
        if report.agent_end is not None:
            self.agent_ends[report.agent_end.value].inc()
        for attempt in report.attempts:
            self.attempts[attempt.failure].inc()
        self._failovers_ended(report)
        at = report.timeline.at
        for stage, before in STAGES.items():
            _observe(self.setup_stages[stage], at(before), at(stage))
        _observe(self.invite_to_first_audio, at(Stage.INVITE), at(Stage.FIRST_AUDIO_OUT))
        _observe(self.call_duration, at(Stage.ANSWER), at(Stage.END))

    def _failovers_ended(self, report: CallReport) -> None:
        """Before the answer: the attempts that failed in front of the one that took the call."""
        attempts = report.attempts
        accepted = next((i for i, each in enumerate(attempts) if each.failure is None), None)
        if accepted and (failure := attempts[accepted - 1].failure) is not None:
            lost = sum(each.seconds for each in attempts[: accepted + 1])
            self.failovers_before_answer[failure].observe(lost)
        for move in report.moves:
            self.moves[move.lost.value].inc()
            if move.to_role is not None:
                self.failovers_after_answer[move.lost].observe(move.seconds)

    def rtp_ended(self, totals: SoundStatistics) -> None:
        """Add what an RTP session counted, once, at its end."""
        self.rtp_packets["in"].inc(totals.packets_received)
        self.rtp_packets["out"].inc(totals.packets_sent)
        self.rtp_lost.inc(max(0, totals.packets_lost))
        self.rtp_late.inc(totals.late)
        self.rtp_strangers.inc(totals.strangers)

    def count_elsewhere(self, name: str, text: str, read: Callable[[], int]) -> None:
        """Export a total that another thread keeps, as `sip_edge_<name>_total`."""
        self._outside.totals.append((f"sip_edge_{name}", text, read))

    def render(self, accept: str = "") -> tuple[bytes, str]:
        """The page and its content type: OpenMetrics if the Accept header names it."""
        if "application/openmetrics-text" in accept:
            page: bytes = openmetrics.generate_latest(  # type: ignore[no-untyped-call]
                self.registry, version="1.0.0"
            )
            return page, openmetrics.CONTENT_TYPE_LATEST
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4

    def _counter(self, name: str, text: str) -> Counter:
        return Counter(f"sip_edge_{name}", text, registry=self.registry)

    def _counters(
        self, name: str, text: str, label: str, values: Iterable[str]
    ) -> dict[str, Counter]:
        family = Counter(f"sip_edge_{name}", text, [label], registry=self.registry)
        return {value: family.labels(value) for value in values}

    def _gauge(self, name: str, text: str) -> Gauge:
        return Gauge(f"sip_edge_{name}", text, registry=self.registry)

    def _histogram(self, name: str, text: str, buckets: tuple[float, ...]) -> Histogram:
        return Histogram(f"sip_edge_{name}", text, buckets=buckets, registry=self.registry)


class _Outside(Collector):
    """Totals that are kept elsewhere and read when the page is made."""

    def __init__(self) -> None:
        self.totals: list[tuple[str, str, Callable[[], int]]] = []

    @override
    def collect(self) -> Iterator[CounterMetricFamily]:
        for name, text, read in self.totals:
            yield CounterMetricFamily(name, text, value=read())


def _values(kind: type[Enum]) -> list[str]:
    return [str(member.value) for member in kind]


def _result(failure: AttemptFailure | None) -> tuple[str, str]:
    return ("accepted", "none") if failure is None else ("failed", failure.value)


def _observe(histogram: Histogram, since: float | None, at: float | None) -> None:
    if since is not None and at is not None:
        histogram.observe(max(0.0, at - since))
