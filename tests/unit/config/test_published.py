"""The data file of the carriers' networks: dated, public addresses, nobody's twice."""

from __future__ import annotations

import datetime
import itertools

import pytest

from sip_edge.config.published import published_networks

BOTH = ("twilio", "telnyx")


def test_both_carriers_are_in_the_file() -> None:
    assert set(published_networks()) == set(BOTH)


@pytest.mark.parametrize("provider", BOTH)
def test_list_is_dated_and_says_where_it_comes_from(provider: str) -> None:
    published = published_networks()[provider]

    assert isinstance(published.as_of, datetime.date)
    assert published.as_of >= datetime.date(2026, 1, 1)
    assert published.source.startswith("https://")


@pytest.mark.parametrize("provider", BOTH)
def test_networks_are_public_and_small(provider: str) -> None:
    networks = published_networks()[provider].networks

    assert len(networks) >= 8
    assert all(network.is_global and not network.is_multicast for network in networks)
    assert sum(network.num_addresses for network in networks) <= 64


@pytest.mark.parametrize("provider", BOTH)
def test_networks_of_media_are_public_and_no_wider_than_a_carriers(provider: str) -> None:
    networks = published_networks()[provider].media_networks

    assert networks
    assert all(network.is_global and not network.is_multicast for network in networks)
    assert sum(network.num_addresses for network in networks) <= 1 << 14


def test_no_two_networks_overlap() -> None:
    networks = [network for each in published_networks().values() for network in each.networks]

    overlapping = [
        (first, second)
        for first, second in itertools.combinations(networks, 2)
        if first.version == second.version and first.overlaps(second)
    ]
    assert overlapping == []
