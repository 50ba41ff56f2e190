"""Token buckets: what each source, and all of them, may do; and how many sources are remembered."""

from __future__ import annotations

from sip_edge.transport.rates import SourceRates, TokenBucket


def _allowed(rates: SourceRates, source: str, times: int, now: float) -> int:
    return sum(rates.allow(source, now) for _ in range(times))


def test_two_seconds_worth_may_come_at_once_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(10, 100.0)

    taken = [sum(bucket.take(now) for _ in range(100)) for now in (100.0, 100.5, 101.5, 200.0)]

    assert taken == [20, 5, 10, 20]


def test_clock_that_goes_back_neither_gives_nor_takes() -> None:
    bucket = TokenBucket(1, 100.0)

    assert [bucket.take(now) for now in (100.0, 50.0, 50.0, 51.0)] == [True, True, False, True]


def test_source_over_its_rate_takes_nothing_from_the_others() -> None:
    rates = SourceRates(per_second_per_source=10, per_second=20, now=0.0)

    assert _allowed(rates, "192.0.2.1", 1000, 0.0) == 20
    assert _allowed(rates, "192.0.2.2", 1000, 0.0) == 20


def test_rate_of_all_holds_for_many_sources() -> None:
    rates = SourceRates(per_second_per_source=10, per_second=20, now=0.0)

    assert sum(rates.allow(f"192.0.2.{n}", 0.0) for n in range(200)) == 40
    assert not rates.allow_any(0.0)
    assert rates.allow_any(0.05)


def test_without_a_rate_of_all_only_sources_are_limited() -> None:
    rates = SourceRates(per_second_per_source=1, per_second=None, now=0.0)

    assert all(rates.allow(f"192.0.2.{n}", 0.0) for n in range(200))
    assert all(rates.allow_any(0.0) for _ in range(1000))


def test_no_more_sources_are_remembered_than_there_is_room_for() -> None:
    rates = SourceRates(per_second_per_source=1, per_second=None, now=0.0, max_sources=10)
    busy = [rates.allow("192.0.2.1", 0.0) for _ in range(3)]

    for number in range(1000):
        rates.allow("192.0.2.1", 0.0)
        rates.allow(f"198.51.100.{number}", 0.0)

    assert busy == [True, True, False]
    assert len(rates) == 10
    assert not rates.allow("192.0.2.1", 0.0)  # It was never quiet, and is not forgotten.


def test_all_addresses_of_an_ipv6_network_share_one_rate() -> None:
    rates = SourceRates(per_second_per_source=10, per_second=None, now=0.0)

    assert sum(rates.allow(f"2001:db8::{n:x}", 0.0) for n in range(200)) == 20
    assert rates.allow("2001:db8:0:1::1", 0.0)
    assert len(rates) == 2
