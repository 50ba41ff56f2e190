"""Which texts are addresses, and which names may be asked for."""

from __future__ import annotations

import pytest

from sip_edge.resolver import is_host_name, numeric_address


@pytest.mark.parametrize("text", ["[192.0.2.7]", "192.0.2", "0x7f000001", "2130706433", "", "[]"])
def test_other_spellings_of_addresses_are_names(text: str) -> None:
    assert numeric_address(text) is None


@pytest.mark.parametrize(
    ("name", "is_valid"),
    [
        ("agent.example.com", True),
        ("agent.example.com.", True),
        ("my_worker", True),
        ("a" * 63 + ".example", True),
        ("a" * 64 + ".example", False),
        (".".join(["abcdefg"] * 32), False),
        ("", False),
        (".", False),
        ("a..b", False),
        ("a b", False),
        ("a\x00b", False),
        ("b\u00fccher.example", False),
        ("Agent", False),
    ],
)
def test_only_lower_case_host_names_are_asked_for(name: str, is_valid: bool) -> None:
    assert is_host_name(name) is is_valid
