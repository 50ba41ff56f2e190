"""A phone call's report as text for people and as values for scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_edge.phone.call import PhoneReport


def as_dict(report: PhoneReport) -> dict[str, object]:
    """All but the recording; times in milliseconds after the INVITE, null where nothing came."""
    return {
        "answered": report.is_answered,
        "status": report.status,
        "reason": report.reason,
        "problem": report.problem,
        "invite_to_100_ms": report.trying_ms,
        "invite_to_180_ms": report.ringing_ms,
        "invite_to_200_ms": report.answer_ms,
        "invite_to_final_ms": report.final_ms,
        "invite_to_first_audio_ms": report.first_audio_ms,
        "talked_seconds": report.talked_seconds,
        "ended_by": report.ended_by,
        "packets_sent": report.packets_sent,
        "packets_received": report.packets_received,
        "packets_lost": report.packets_lost,
    }


def as_lines(report: PhoneReport) -> list[str]:
    """The timeline as a person reads it."""
    lines = [
        _line("INVITE to 100 Trying", report.trying_ms),
        _line("INVITE to 180 Ringing", report.ringing_ms),
    ]
    if report.is_answered:
        lines += [
            _line(f"INVITE to {report.status} {report.reason}", report.answer_ms),
            _line("INVITE to first sound", report.first_audio_ms),
            f"talked {report.talked_seconds:.1f} s, ended by {report.ended_by}; "
            f"packets sent {report.packets_sent}, received {report.packets_received}, "
            f"lost {report.packets_lost}",
        ]
    elif report.status is not None:
        lines.append(_line(f"INVITE to {report.status} {report.reason}", report.final_ms))
    return [line for line in lines if line]


def _line(what: str, milliseconds: float | None) -> str:
    return "" if milliseconds is None else f"{what:<26} {milliseconds:8.1f} ms"
