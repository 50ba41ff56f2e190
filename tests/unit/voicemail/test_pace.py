"""How fast background work may go, and what is left alone after it failed."""

from __future__ import annotations

from sip_edge.voicemail.pace import Failures, Pace


def failures(*, most: int = 10) -> Failures:
    return Failures(max_attempts=3, retry_seconds=30.0, give_up_seconds=3600.0, most=most)


def test_a_burst_goes_at_once_and_then_the_rate_holds() -> None:
    pace = Pace(per_minute=60, burst=2, now=100.0)

    pace.take(100.0)
    assert pace.wait_seconds(100.0) == 0.0
    pace.take(100.0)

    assert pace.wait_seconds(100.0) == 1.0
    assert pace.wait_seconds(100.75) == 0.25
    assert pace.wait_seconds(101.0) == 0.0


def test_rest_fills_no_more_than_the_burst() -> None:
    pace = Pace(per_minute=60, burst=2, now=0.0)

    assert pace.wait_seconds(1000.0) == 0.0
    pace.take(1000.0)
    pace.take(1000.0)

    assert pace.wait_seconds(1000.0) == 1.0


def test_work_out_of_turn_is_paid_for_later() -> None:
    pace = Pace(per_minute=60, burst=1, now=0.0)

    pace.take(0.0)
    pace.take(0.0)

    assert pace.wait_seconds(0.0) == 2.0


def test_failures_rest_longer_each_time_and_are_given_up() -> None:
    known = failures()

    assert known.note("a", 0.0) == 30.0
    assert known.is_resting("a", 29.0)
    assert not known.is_resting("a", 30.0)
    assert known.note("a", 30.0) == 150.0
    assert known.note("a", 150.0) is None
    assert known.is_resting("a", 3749.0)
    assert not known.is_resting("a", 3750.0)


def test_what_was_given_up_has_all_its_attempts_again() -> None:
    known = failures()
    for _ in range(3):
        known.note("a", 0.0)

    assert known.note("a", 4000.0) == 4030.0


def test_success_is_a_clean_slate() -> None:
    known = failures()
    known.note("a", 0.0)

    known.forget("a")
    known.forget("never failed")

    assert not known.is_resting("a", 0.0)
    assert known.note("a", 0.0) == 30.0


def test_only_so_many_failures_are_remembered() -> None:
    known = failures(most=2)

    for key in "abc":
        known.note(key, 0.0)

    assert [known.is_resting(key, 1.0) for key in "abc"] == [False, True, True]
