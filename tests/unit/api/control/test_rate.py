"""How much one key may ask."""

from __future__ import annotations

from uuid import UUID

import pytest
from support.ticks import Ticks

from sip_edge.api.control.rate import MOST_KEYS, RateLimit

ONE, OTHER = UUID(int=1), UUID(int=2)


def test_a_burst_passes_and_then_one_a_second() -> None:
    ticks = Ticks(0.0)
    rate = RateLimit(per_minute=60, clock=ticks)

    assert [rate.wait_seconds(ONE) for _ in range(12)] == [0.0] * 10 + [1.0] * 2
    ticks.now = 1.0
    assert [rate.wait_seconds(ONE) for _ in range(2)] == [0.0, 1.0]
    ticks.now = 1.5
    assert rate.wait_seconds(ONE) == 0.5


def test_keys_do_not_take_from_each_other() -> None:
    rate = RateLimit(per_minute=60, clock=Ticks(0.0))
    for _ in range(11):
        rate.wait_seconds(ONE)

    assert rate.wait_seconds(OTHER) == 0.0


def test_idle_key_gets_no_more_than_a_burst() -> None:
    ticks = Ticks(0.0)
    rate = RateLimit(per_minute=60, clock=ticks)
    rate.wait_seconds(ONE)
    ticks.now = 1e6

    assert [rate.wait_seconds(ONE) for _ in range(11)] == [0.0] * 10 + [1.0]


def test_slow_rate_still_lets_one_pass() -> None:
    rate = RateLimit(per_minute=1, clock=Ticks(0.0))

    assert rate.wait_seconds(ONE) == 0.0
    assert rate.wait_seconds(ONE) == pytest.approx(60.0)


def test_memory_is_bounded() -> None:
    rate = RateLimit(per_minute=1, clock=Ticks(0.0))
    for number in range(MOST_KEYS + 1):
        rate.wait_seconds(UUID(int=number))

    # The first one was forgotten, the last one was not.
    assert rate.wait_seconds(UUID(int=0)) == 0.0
    assert rate.wait_seconds(UUID(int=MOST_KEYS)) > 0
