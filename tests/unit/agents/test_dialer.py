"""Which addresses may be dialled. How they are dialled is tested with real sockets."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sip_edge.agents.dialer import permitted
from sip_edge.agents.settings import DENIED_NETWORKS
from sip_edge.config.settings import DispatchSettings


@pytest.mark.parametrize(
    "address",
    ["127.0.0.1", "::1", "10.0.0.1", "192.168.1.1", "fd00::1", "203.0.113.7", "2001:db8::1"],
)
def test_loopback_private_and_public_addresses_are_dialled_by_default(address: str) -> None:
    assert permitted([address], allowed=(), denied=DENIED_NETWORKS) == [address]


@pytest.mark.parametrize(
    "address",
    [
        "169.254.169.254",
        "169.254.0.1",
        "0.0.0.0",
        "224.0.0.1",
        "::",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        "fd20:ce::254",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
    ],
)
def test_link_local_and_metadata_addresses_are_not_however_they_are_written(address: str) -> None:
    assert permitted([address], allowed=(), denied=DENIED_NETWORKS) == []


def test_the_permitted_ones_of_several_addresses_stay_in_order() -> None:
    addresses = ["2001:db8::1", "169.254.169.254", "192.0.2.1"]

    assert permitted(addresses, allowed=(), denied=DENIED_NETWORKS) == ["2001:db8::1", "192.0.2.1"]


def test_a_list_of_allowed_networks_forbids_all_others() -> None:
    allowed = (ip_network("10.0.0.0/8"), ip_network("2001:db8::/32"))

    assert permitted(
        ["10.1.1.1", "192.0.2.1", "2001:db8::1", "::1"], allowed=allowed, denied=()
    ) == ["10.1.1.1", "2001:db8::1"]


def test_denied_wins_over_allowed() -> None:
    network = (ip_network("10.0.0.0/8"),)

    assert permitted(["10.1.1.1"], allowed=network, denied=network) == []


def test_setting_denies_by_default_what_the_dialer_does() -> None:
    assert set(DispatchSettings().denied_networks) == set(DENIED_NETWORKS)
