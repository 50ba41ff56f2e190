"""How lateness is measured, told by a clock and a loop that stand still until moved."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import Callable, Iterator
from typing import cast

import pytest

from sip_edge.loopwatch import LoopWatch, tune_gc


class Timer:
    """A timer that the test fires by hand, at the time it chooses."""

    def __init__(self, delay: float, callback: Callable[[], None]) -> None:
        self.delay = delay
        self.callback = callback
        self.is_cancelled = False

    def cancel(self) -> None:
        self.is_cancelled = True


class Loop:
    """As much of a loop as a watch needs, with a clock that the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.timers: list[Timer] = []

    def call_later(self, delay: float, callback: Callable[[], None]) -> Timer:
        self.timers.append(Timer(delay, callback))
        return self.timers[-1]

    def run_next_timer(self, *, late_by: float) -> None:
        timer = self.timers[-1]
        self.now += timer.delay + late_by
        timer.callback()


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def lags() -> list[float]:
    return []


@pytest.fixture
def watch(loop: Loop, lags: list[float]) -> LoopWatch:
    return LoopWatch(
        loop=cast("asyncio.AbstractEventLoop", loop), clock=lambda: loop.now, on_lag=lags.append
    )


def test_lateness_is_measured_against_a_fixed_beat(
    watch: LoopWatch, loop: Loop, lags: list[float]
) -> None:
    watch.start()

    loop.run_next_timer(late_by=0.03)
    loop.run_next_timer(late_by=0.0)
    loop.run_next_timer(late_by=0.01)

    assert lags == pytest.approx([0.03, 0.0, 0.01])
    assert [timer.delay for timer in loop.timers] == pytest.approx([0.1, 0.07, 0.1, 0.09])


def test_long_stall_counts_once(watch: LoopWatch, loop: Loop, lags: list[float]) -> None:
    watch.start()

    loop.run_next_timer(late_by=3.0)
    loop.run_next_timer(late_by=0.0)

    assert lags == pytest.approx([3.0, 0.0])
    assert loop.timers[1].delay == pytest.approx(0.1)
    assert watch.longest_stall == pytest.approx(3.0)


def test_timer_that_runs_early_is_not_late(watch: LoopWatch, loop: Loop, lags: list[float]) -> None:
    watch.start()

    loop.run_next_timer(late_by=-0.0005)

    assert lags == [0.0]


def test_longest_stall_is_forgotten_after_two_minutes(watch: LoopWatch, loop: Loop) -> None:
    watch.start()
    loop.run_next_timer(late_by=0.9)

    while loop.now < 1070:
        loop.run_next_timer(late_by=0.001)
    after_one_minute = watch.longest_stall
    while loop.now < 1125:
        loop.run_next_timer(late_by=0.001)

    assert after_one_minute == pytest.approx(0.9)
    assert watch.longest_stall == pytest.approx(0.001)


def test_loop_that_has_not_run_for_long_is_noticed(watch: LoopWatch, loop: Loop) -> None:
    watch.start()
    loop.run_next_timer(late_by=0.0)

    loop.now += 7.0

    assert watch.seconds_since_tick() == pytest.approx(7.0)


def test_stopped_watch_leaves_no_timer(watch: LoopWatch, loop: Loop) -> None:
    watch.start()
    loop.run_next_timer(late_by=0.0)
    watch.stop()

    assert loop.timers[-1].is_cancelled


@pytest.fixture
def collector() -> Iterator[None]:
    before = gc.get_threshold()
    yield
    gc.set_threshold(*before)
    gc.unfreeze()


@pytest.mark.usefixtures("collector")
def test_tuned_collector_leaves_alone_what_was_loaded() -> None:
    tune_gc()

    assert gc.get_freeze_count() > 1000
    assert gc.get_threshold() == (50_000, 20, 50)
