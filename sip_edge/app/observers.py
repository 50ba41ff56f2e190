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
    from sip_edge.routing.ports import CallFacts, CallReport
    from sip_edge.storage.call_records import CallRecords
    from sip_edge.storage.route_memory import Problem
    from sip_edge.storage.spool_lines import RowKind
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


class RecordEvents:
    """What becomes of the calls' records (storage.call_writer.RecordObserver)."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def rows_written(self, rows: int, seconds: float) -> None:
        """The database has committed rows."""
        self._metrics.record_rows["written"].inc(rows)
        self._metrics.record_write.observe(seconds)

    def rows_rejected(self, rows: int, reason: str) -> None:
        """Rows were set aside."""
        self._metrics.record_rows["rejected"].inc(rows)
        _log.error("call_records_rejected", rows=rows, reason=reason)

    def rows_dropped(self, kind: RowKind, rows: int) -> None:
        """Rows were given up."""
        self._metrics.record_rows["dropped"].inc(rows)
        _log.error("call_records_dropped", kind=kind.value, rows=rows)

    def write_failed(self, reason: str) -> None:
        """An attempt failed; `writing_changed` tells people."""
        self._metrics.record_write_failures.inc()

    def writing_changed(self, is_working: bool, reason: str) -> None:
        """The database takes rows again, or not any more."""
        if is_working:
            _log.info("call_records_written_again")
        else:
            _log.warning("call_records_waiting", reason=reason)

    def spool_changed(self, is_working: bool, reason: str) -> None:
        """The disk takes rows again, or not any more."""
        if is_working:
            _log.info("call_spool_usable_again")
        else:
            _log.error("call_spool_unusable", reason=reason)

    def spool_adopted(self, instance_id: str, rows: int) -> None:
        """The spool of a dead process was found."""
        _log.warning("call_spool_adopted", instance=instance_id, rows=rows)

    def calls_lost(self, instance_id: str, calls: int) -> None:
        """A dead process's open calls were closed."""
        if calls:
            _log.warning("calls_lost", instance=instance_id, calls=calls)


class CallEvents:
    """Told of each call twice: metrics, the record, the call's one log line, and who watches."""

    def __init__(self, metrics: Metrics, records: CallRecords) -> None:
        self._records = records
        self._observer = CallObserver(metrics=metrics, logger=_log)
        self.watchers: list[Callable[[CallReport], None]] = []

    def call_started(self, facts: CallFacts, at: float) -> None:
        """Its INVITE arrived `at`."""
        self._records.call_started(facts, at)

    def call_ended(self, report: CallReport, statistics: RtpStatistics | None) -> None:
        """Count it, log it, record it, pass it on."""
        self._observer.call_ended(report, statistics)
        self._records.call_ended(report, statistics, codec=report.codec)
        for watcher in self.watchers:
            watcher(report)
