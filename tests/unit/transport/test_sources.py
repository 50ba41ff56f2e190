"""Who may call: decided by the socket's address alone."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sip_edge.transport.sources import MAX_REMEMBERED_SOURCES, Carrier, CarrierTable, limited_as


def _carrier(name: str, *networks: str) -> Carrier:
    return Carrier(
        name=name,
        networks=[ip_network(n) for n in networks],
        provider=None,
        country=None,
        responses={},
    )


TABLE = CarrierTable(
    [
        _carrier("first", "192.0.2.0/24", "2001:db8::/32"),
        _carrier("second", "192.0.0.0/16", "198.51.100.7/32"),
    ]
)


def test_address_belongs_to_the_first_carrier_whose_networks_hold_it() -> None:
    found = [TABLE.carrier_of(host) for host in ("192.0.2.9", "192.0.3.9", "198.51.100.7")]

    assert [carrier.name for carrier in found if carrier] == ["first", "second", "second"]


def test_stranger_belongs_to_nobody() -> None:
    assert TABLE.carrier_of("198.51.100.8") is None


def test_ipv6_and_ipv4_mapped_addresses_find_their_carrier() -> None:
    found = [TABLE.carrier_of(host) for host in ("2001:db8::1", "::ffff:192.0.2.1")]

    assert [carrier.name for carrier in found if carrier] == ["first", "first"]


def test_text_that_is_no_address_belongs_to_nobody() -> None:
    assert TABLE.carrier_of("carrier.example.com") is None


def test_first_carrier_listed_wins_whatever_the_size_of_its_network() -> None:
    table = CarrierTable([_carrier("wide", "192.0.0.0/16"), _carrier("narrow", "192.0.2.0/24")])

    found = table.carrier_of("192.0.2.1")

    assert found is not None
    assert found.name == "wide"


def test_address_of_one_family_is_in_no_network_of_the_other() -> None:
    table = CarrierTable([_carrier("zero", "::/96")])

    assert table.carrier_of("0.0.0.7") is None
    assert table.carrier_of("::7") is not None


def test_verdicts_stay_right_when_more_sources_were_seen_than_are_remembered() -> None:
    table = CarrierTable([_carrier("only", "10.0.0.0/9")])

    verdicts = [
        table.carrier_of(f"10.{i >> 16 & 255}.{i >> 8 & 255}.{i & 255}") is not None
        for i in range(0, 2 * (MAX_REMEMBERED_SOURCES + 10))
    ]

    assert all(verdicts)
    assert table.carrier_of("10.200.0.1") is None


@pytest.mark.parametrize(
    ("host", "source"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
        ("2001:db8::1", "20010db800000000::/64"),
        ("2001:db8:0:0:ffff:ffff:ffff:ffff", "20010db800000000::/64"),
        ("2001:db8:0:1::1", "20010db800000001::/64"),
        ("fe80::1%eth0", "fe80000000000000::/64"),
        ("no: address", "no: address"),
        ("", ""),
    ],
)
def test_an_ipv6_network_is_one_source_for_limits(host: str, source: str) -> None:
    assert limited_as(host) == source
