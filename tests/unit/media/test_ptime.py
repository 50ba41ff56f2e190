"""How long packets are: RFC 8866 sections 6.4 and 6.5."""

from __future__ import annotations

import pytest

from sip_edge.media.ptime import packet_length
from sip_edge.media.sdp import Attribute, MediaDescription


def length(*attributes: str) -> int:
    return packet_length(
        MediaDescription(
            kind="audio",
            port=4000,
            protocol="RTP/AVP",
            formats=("0",),
            attributes=tuple(Attribute(*text.split(":", 1)) for text in attributes),
        )
    )


@pytest.mark.parametrize("wish", [10, 20, 30, 40, 50, 60])
def test_wish_is_met(wish: int) -> None:
    assert length(f"ptime:{wish}") == wish


def test_without_a_wish_packets_are_of_20_ms() -> None:
    assert length() == 20


@pytest.mark.parametrize(
    ("wish", "met"), [(1, 10), (5, 10), (15, 10), (25, 20), (80, 60), (200, 60), (65535, 60)]
)
def test_wish_that_cannot_be_met_is_met_as_nearly_as_possible(wish: int, met: int) -> None:
    assert length(f"ptime:{wish}") == met


@pytest.mark.parametrize(
    ("attributes", "met"),
    [
        (["maxptime:10"], 10),
        (["maxptime:150"], 20),
        (["ptime:40", "maxptime:30"], 30),
        (["ptime:40", "maxptime:35"], 30),
        (["ptime:30", "maxptime:200"], 30),
        (["maxptime:5"], 10),
    ],
)
def test_limit_is_kept(attributes: list[str], met: int) -> None:
    assert length(*attributes) == met


@pytest.mark.parametrize(
    "nonsense", ["", "x", "-30", "0", "3e1", "٣٠", "999999", "9" * 4000, " ", "1 0"]
)
def test_nonsense_counts_for_nothing(nonsense: str) -> None:
    assert length(f"ptime:{nonsense}", f"maxptime:{nonsense}") == 20


def test_fraction_of_a_millisecond_is_cut() -> None:
    assert length("ptime:30.5") == 30
