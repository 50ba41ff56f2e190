"""Whom a peer may have us send to."""

from __future__ import annotations

import pytest

from sip_edge.sip.flow import may_be_named

CARRIER = "198.51.100.7"


@pytest.mark.parametrize(
    "address", ["203.0.113.9", "10.0.0.1", "192.168.0.1", "100.64.0.1", "2001:db8::1", "fd00::1"]
)
def test_addresses_of_single_hosts_may_be_named_private_ones_included(address: str) -> None:
    assert may_be_named(address, CARRIER)


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "127.0.0.1",
        "127.8.9.10",
        "169.254.169.254",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "fe80::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
    ],
)
def test_addresses_of_this_machine_of_the_link_and_of_many_may_not(address: str) -> None:
    assert not may_be_named(address, CARRIER)


@pytest.mark.parametrize(
    ("address", "peer"),
    [
        ("127.0.0.9", "127.0.0.1"),
        ("::1", "127.0.0.1"),
        ("169.254.7.7", "169.254.7.7"),
        ("fe80::1", "fe80::1"),
    ],
)
def test_who_speaks_from_there_may_name_it(address: str, peer: str) -> None:
    assert may_be_named(address, peer)


def test_neighbour_on_the_link_may_not_name_another_one() -> None:
    assert not may_be_named("169.254.169.254", "169.254.7.7")


def test_name_may_be_named_because_its_addresses_count() -> None:
    assert may_be_named("proxy.example.com", CARRIER)
