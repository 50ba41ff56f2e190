"""Admission by lateness: what trips it, what does not, and when it is over."""

from __future__ import annotations

import pytest

from sip_edge.app.overload import LagGuard


def _guard() -> LagGuard:
    return LagGuard(max_loop_lag=0.1, max_pacing_lag=0.04)


def _looks(guard: LagGuard, lags: list[float], *, pacing: bool = False) -> list[bool]:
    """Whether it is overloaded after each look."""
    states = []
    for lag in lags:
        guard.note(loop_lag=0.0 if pacing else lag, pacing_lag=lag if pacing else 0.0)
        states.append(guard.is_overloaded)
    return states


def test_process_on_time_takes_calls() -> None:
    assert not any(_looks(_guard(), [0.002] * 1000))


@pytest.mark.parametrize("pacing", [False, True])
@pytest.mark.parametrize("stall", [0.9, 30.0])
def test_one_stall_that_is_over_turns_nobody_away(stall: float, pacing: bool) -> None:
    assert not any(_looks(_guard(), [0.03, stall, 0.001, 0.001], pacing=pacing))


def test_process_that_stands_still_again_and_again_takes_no_more_calls() -> None:
    assert _looks(_guard(), [2.0] * 4) == [False, False, True, True]


def test_loop_that_is_late_again_and_again_takes_no_more_calls() -> None:
    states = _looks(_guard(), [0.15] * 30)

    assert states.index(True) == 10
    assert all(states[10:])


def test_lateness_just_below_the_limit_is_borne() -> None:
    assert not any(_looks(_guard(), [0.099] * 1000))


def test_sound_that_is_late_counts_by_its_own_limit() -> None:
    assert not any(_looks(_guard(), [0.039] * 1000, pacing=True))
    assert _looks(_guard(), [0.05] * 30, pacing=True)[-1]


def test_calls_are_taken_again_when_it_is_really_over() -> None:
    guard = _guard()
    _looks(guard, [0.3] * 50)

    still = _looks(guard, [0.08] * 100)
    recovered = _looks(guard, [0.001] * 20)

    assert all(still)
    assert recovered.index(False) == 4
    assert not any(recovered[4:])


def test_change_is_told_once() -> None:
    guard = _guard()

    late = [guard.note(loop_lag=0.5, pacing_lag=0.0) for _ in range(10)]
    early = [guard.note(loop_lag=0.0, pacing_lag=0.0) for _ in range(60)]

    assert late.count(True) == 1
    assert early.count(True) == 1


def test_start_is_forgotten() -> None:
    guard = _guard()
    _looks(guard, [2.0] * 5)

    guard.reset()

    assert not guard.is_overloaded
    assert guard.means == (0.0, 0.0)
