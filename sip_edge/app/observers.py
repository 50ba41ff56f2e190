"""Joins what the parts observe with metrics and logs; the parts know neither."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.agents.counters import Counted
from sip_edge.call_observer import CallObserver
from sip_edge.logs import get_logger
from sip_edge.metrics import FrameFault, Lookup
from sip_edge.storage.routes import LookupAnswer, TableState

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.metrics import Metrics
    from sip_edge.routing.ports import CallReport
    from sip_edge.storage.route_memory import Problem
    from sip_edge.transport.rtp_session import RtpStatistics
    from sip_edge.voicemail.results import (
        GreetingSource,
        MessageResult,
        RenderResult,
        RowResult,
    )

_log = get_logger("sip_edge")

_LOOKUPS = {
    LookupAnswer.HIT: Lookup.HIT,
    LookupAnswer.ASKED_HIT: Lookup.HIT,
    LookupAnswer.MISS: Lookup.MISS,
    LookupAnswer.ASKED_MISS: Lookup.MISS,
    LookupAnswer.STALE_HIT: Lookup.STALE,
    LookupAnswer.UNAVAILABLE: Lookup.UNAVAILABLE,
}
_FAULTS = {
    Counted.MALFORMED_IN: FrameFault.MALFORMED,
    Counted.BINARY_IN: FrameFault.MALFORMED,
    Counted.DROPPED_OUT: FrameFault.DROPPED,
}


class RouteEvents:
    """What the route table does (storage.routes.RouteObserver)."""

    def __init__(self, metrics: Metrics, on_change: Callable[[], None]) -> None:
        self._metrics = metrics
        self._on_change = on_change

    def looked_up(self, answer: LookupAnswer) -> None:
        """Count a look-up."""
        self._metrics.route_lookups[_LOOKUPS[answer].value].inc()

    def state_changed(self, state: TableState, reason: str) -> None:
        """An operator should look when the routes go stale."""
        if state is TableState.STALE:
            _log.warning("routes_stale", reason=reason)
        else:
            _log.info("routes_live")

    def reloaded(self, *, entries: int, seconds: float) -> None:
        """All routes were read."""
        self._metrics.route_entries.set(entries)
        self._on_change()
        _log.info("routes_loaded", entries=entries, ms=round(seconds * 1000, 1))

    def refreshed(self, *, rows: int, seconds: float) -> None:
        """Some rows were read again."""
        _log.debug("routes_refreshed", rows=rows, ms=round(seconds * 1000, 1))
        self._on_change()

    def drifted(self) -> None:
        """Something changed the tables behind the triggers' back."""
        _log.warning("routes_drifted", note="rows changed without a notification; reading all")

    def row_problem(self, problem: Problem) -> None:
        """A row cannot be used as it is."""
        # The key of `phone_numbers` is a number: it goes where logs mask it.
        key = "phone_number" if problem.table == "phone_numbers" else "agent_id"
        _log.warning(
            "route_row_problem", table=problem.table, **{key: problem.key}, problem=problem.text
        )


class WorkerEvents:
    """What is counted of the traffic with workers (agents.counters.WorkerObserver)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def messages(self, kind: Counted, count: int) -> None:
        """Count what should not happen; the rest is in the calls' own lines."""
        if fault := _FAULTS.get(kind):
            self._metrics.worker_frames[fault.value].inc(count)


class VoicemailEvents:
    """What the voicemail does (voicemail.results.VoicemailObserver)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def message_ended(self, result: MessageResult, seconds: float) -> None:
        """A caller's turn is over."""
        self._metrics.voicemails[result.value].inc()

    def greeting_played(self, source: GreetingSource, waited_seconds: float) -> None:
        """A greeting begins."""
        self._metrics.greetings[source.value].inc()
        self._metrics.greeting_wait.observe(waited_seconds)

    def text_rendered(self, result: RenderResult, seconds: float) -> None:
        """A text was rendered or was not."""
        self._metrics.renderings[result.value].inc()

    def row_written(self, result: RowResult) -> None:
        """The turn's own result says what became of its row."""


class CallEvents:
    """Told of each call once, at its end: metrics, the call's one log line, and who watches."""

    def __init__(self, metrics: Metrics) -> None:
        self._observer = CallObserver(metrics=metrics, logger=_log)
        self.watchers: list[Callable[[CallReport], None]] = []

    def call_ended(self, report: CallReport, statistics: RtpStatistics | None) -> None:
        """Count it, log it, pass it on."""
        self._observer.call_ended(report, statistics)
        for watcher in self.watchers:
            watcher(report)
