"""Says what became of each call: one log line and one observation of each metric, at its end."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.routing.timeline import Stage

if TYPE_CHECKING:
    from structlog.typing import FilteringBoundLogger

    from sip_edge.metrics import Metrics
    from sip_edge.routing.ports import Attempt, CallReport, SoundStatistics

ANSWERED: Final = 200


class CallObserver:
    """Told of each call once, at its end."""

    def __init__(self, *, metrics: Metrics, logger: FilteringBoundLogger) -> None:
        self._metrics = metrics
        self._logger = logger

    def call_ended(self, report: CallReport, media: SoundStatistics | None = None) -> None:
        """Count, measure and log a call; `media` is None if it never had an RTP session."""
        self._metrics.call_ended(report)
        if media is not None:
            self._metrics.rtp_ended(media)
        self._logger.info("call_ended", **call_line(report, media))


def call_line(report: CallReport, media: SoundStatistics | None) -> dict[str, object]:
    """The whole story of a call, for one line; what does not apply is left out.

    Phone numbers stand under the keys that `logs` masks. Times are milliseconds, in `timeline_ms`
    from the INVITE on.
    """
    facts = report.facts
    line: dict[str, object] = {
        "call_id": facts.call_id,
        "sip_call_id": facts.sip_call_id,
        "call_sid": facts.call_sid,
        "carrier": facts.carrier,
        "called_number": facts.called_number,
        "caller_number": facts.caller_number,
        "caller": facts.caller,
        "outcome": report.outcome.value,
        "status": ANSWERED if report.timeline.at(Stage.ANSWER) is not None else report.status,
        "refusal": None if report.refusal is None else report.refusal.value,
        "agent_id": report.agent_id,
        "agent_end": None if report.agent_end is None else report.agent_end.value,
        "ended_by": None if report.ended_by is None else report.ended_by.value,
        "peer_reason": report.peer_reason,
        "attempts": [_attempt(attempt) for attempt in report.attempts],
        "encryption": report.encryption,
        "stale_route": report.is_stale_route or None,
        "other_account": report.is_other_account or None,
        "timeline_ms": report.timeline.milliseconds(),
    }
    if media is not None:
        line["rtp"] = {
            "sent": media.packets_sent,
            "received": media.packets_received,
            "lost": media.packets_lost,
            "late": media.late,
            "strangers": media.strangers,
            "jitter_ms": round(media.jitter_ms, 1),
        }
    return {key: value for key, value in line.items() if value is not None}


def _attempt(attempt: Attempt) -> dict[str, object]:
    result: dict[str, object] = {
        "role": attempt.role.value,
        "agent_id": attempt.agent_id,
        "result": "accepted" if attempt.failure is None else attempt.failure.value,
        "ms": round(attempt.seconds * 1000, 1),
    }
    if attempt.detail:
        result["detail"] = attempt.detail
    return result
