"""What a phone tells people and scripts of a call."""

from __future__ import annotations

from sip_edge.phone import PhoneReport, as_dict, as_lines


def _report(**changes: object) -> PhoneReport:
    values: dict[str, object] = {
        "status": 200,
        "reason": "OK",
        "trying_ms": 0.8,
        "ringing_ms": None,
        "answer_ms": 12.3,
        "first_audio_ms": 61.0,
        "final_ms": 12.3,
        "talked_seconds": 3.0,
        "ended_by": "the phone",
        "packets_sent": 150,
        "packets_received": 149,
        "packets_lost": 1,
        "recording": b"",
        **changes,
    }
    return PhoneReport(**values)  # type: ignore[arg-type]


def test_answered_call_with_sound_has_no_problem() -> None:
    assert _report().problem is None


def test_refused_call_names_the_response_as_its_problem() -> None:
    report = _report(status=486, reason="Busy Here", answer_ms=None, first_audio_ms=None)

    assert report.problem == "not answered: 486 Busy Here"


def test_call_that_nothing_came_back_for_says_so() -> None:
    report = _report(status=None, reason=None, answer_ms=None, first_audio_ms=None)

    assert report.problem == "not answered: nothing came back"


def test_answered_call_without_sound_is_a_problem_of_its_own() -> None:
    report = _report(first_audio_ms=None)

    assert report.is_answered
    assert report.problem == "answered, but no sound came: only silence or nothing at all"


def test_timeline_is_printed_without_the_steps_that_did_not_come() -> None:
    assert as_lines(_report()) == [
        "INVITE to 100 Trying            0.8 ms",
        "INVITE to 200 OK               12.3 ms",
        "INVITE to first sound          61.0 ms",
        "talked 3.0 s, ended by the phone; packets sent 150, received 149, lost 1",
    ]


def test_script_gets_every_number_and_no_sound() -> None:
    values = as_dict(_report(recording=b"\xff" * 160))

    assert values["invite_to_200_ms"] == 12.3
    assert values["answered"] is True
    assert "recording" not in values
