"""RFC 3263 and RFC 2782: which records are asked for, and in which order services are tried."""

from __future__ import annotations

import random
from collections import Counter

import pytest

from sip_edge.resolver import Service
from sip_edge.sip.flow import NextHop, Transport
from sip_edge.transport.targets import in_order, port_of, service_name


@pytest.mark.parametrize(
    ("hop", "name"),
    [
        (NextHop("peer.example.com", None, Transport.UDP), "_sip._udp.peer.example.com"),
        (NextHop("Peer.Example.com.", None, Transport.TCP), "_sip._tcp.peer.example.com"),
        (NextHop("peer.example.com", None, Transport.TLS), "_sips._tcp.peer.example.com"),
        (NextHop("peer.example.com", 5060, Transport.UDP), None),
        (NextHop("192.0.2.1", None, Transport.UDP), None),
        (NextHop("2001:db8::1", None, Transport.TLS), None),
    ],
)
def test_only_a_name_without_a_port_has_services(hop: NextHop, name: str | None) -> None:
    assert service_name(hop) == name


@pytest.mark.parametrize(
    ("hop", "port"),
    [
        (NextHop("192.0.2.1", None, Transport.UDP), 5060),
        (NextHop("192.0.2.1", None, Transport.TCP), 5060),
        (NextHop("192.0.2.1", None, Transport.TLS), 5061),
        (NextHop("192.0.2.1", 5070, Transport.TLS), 5070),
    ],
)
def test_port_that_is_not_named_is_the_transports(hop: NextHop, port: int) -> None:
    assert port_of(hop) == port


def lowest(highest: int) -> int:
    return 0


def highest(highest: int) -> int:
    return highest


def services(*weights: int, priority: int = 0) -> list[Service]:
    return [Service(priority, weight, 5060, f"w{weight}") for weight in weights]


def test_lower_priorities_come_first_whatever_the_lot() -> None:
    shuffled = [Service(30, 9, 1, "c"), Service(10, 0, 1, "a"), Service(20, 50, 1, "b")]

    for draw in (lowest, highest):
        assert [service.target for service in in_order(shuffled, draw)] == ["a", "b", "c"]


def test_lowest_lot_falls_on_those_without_a_weight() -> None:
    assert [each.weight for each in in_order(services(60, 0, 40), lowest)] == [0, 40, 60]


def test_highest_lot_falls_on_the_greatest_weight() -> None:
    assert [each.weight for each in in_order(services(60, 0, 40), highest)] == [60, 40, 0]


@pytest.mark.parametrize(("lot", "first"), [(1, 10), (10, 10), (11, 30), (40, 30), (41, 60)])
def test_lot_falls_where_the_running_sum_of_weights_reaches_it(lot: int, first: int) -> None:
    assert in_order(services(30, 10, 60), lambda _: lot)[0].weight == first


def test_lot_is_drawn_anew_among_those_that_are_left() -> None:
    asked: list[int] = []

    def draw(highest: int) -> int:
        asked.append(highest)
        return highest

    in_order(services(30, 10, 60), draw)

    assert asked == [100, 40, 10]


def test_first_places_are_shared_by_weight() -> None:
    dice = random.Random(20261121)
    firsts = Counter(
        in_order(services(10, 30, 60), lambda n: dice.randint(0, n))[0].weight for _ in range(2000)
    )

    assert 130 < firsts[10] < 290
    assert 520 < firsts[30] < 690
    assert 1100 < firsts[60] < 1300
