"""What values look like in a line, whatever the network put into them."""

from __future__ import annotations

import ipaddress
import time

import pytest

from sip_edge.logs import mask_number, one_line
from sip_edge.logs.values import mask_text, plain


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("+12025550123", "+1202*****23"),
        ("12025550123", "1202*****23"),
        ("2025550123", "2025****23"),
        ("sip:+12025550123@carrier.example.com", "sip:+1202*****23@carrier.example.com"),
        ("(202) 555-0123", "(2025****23"),
        ("+1 202.555.0123", "+1202*****23"),
        ("5550123", "5****23"),
        ("555012", "555012"),
        ("anonymous", "anonymous"),
        ("", ""),
        ("+12025550123 to +12025550124", "+1202*****23 to +1202*****24"),
    ],
)
def test_phone_numbers_are_masked_wherever_they_stand(text: str, masked: str) -> None:
    assert mask_number(text) == masked


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("refused: +12025550123", "refused: +1202*****23"),
        ("tel:2025550123", "tel:2025****23"),
        ("sip:12025550123@h", "sip:1202*****23@h"),
        ("?to=%2B12025550123&x=1", "?to=+1202*****23&x=1"),
        ("from 2025550123 to you", "from 2025****23 to you"),
        ("+44 20 7946 0123", "+4420******23"),
    ],
)
def test_what_is_written_as_a_number_is_masked_in_any_text(text: str, masked: str) -> None:
    assert mask_text(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "0190f3a0-0000-7000-8000-012345678901",
        "CA01234567890123456789012345678901",
        "3848276298220188511@atlanta.example.com",
        "2026-11-21T17:21:03.123456+00:00",
        "192.168.100.200:5060",
        "10 calls in 120000 ms",
        "z9hG4bK-1234567890",
    ],
)
def test_ids_times_and_addresses_are_left_as_they_are(text: str) -> None:
    assert mask_text(text) == text


def test_lists_and_tables_are_masked_all_through_but_for_our_own_ids() -> None:
    value = {"a": ["+12025550123", 2025550123, None], "agent_id": "2025550123"}

    assert mask_text(value) == {"a": ["+1202*****23", 2025550123, None], "agent_id": "2025550123"}


def test_masking_a_masked_number_changes_nothing() -> None:
    assert mask_number(mask_number("+12025550123")) == "+1202*****23"


def test_masking_takes_linear_time() -> None:
    started = time.perf_counter()

    mask_number("1 - " * 50_000 + "x" + "2" * 100_000 + "(((" * 50_000)

    assert time.perf_counter() - started < 5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("plain text, ünïcode, 日本", "plain text, ünïcode, 日本"),
        ("two\r\nlines", "two\\r\\nlines"),
        ("\x1b[2Jterminal", "\\x1b[2Jterminal"),
        ("\x9b31m", "\\x9b31m"),
        ("right\u202eto left", "right\\u202eto left"),
        ("next\u2028line", "next\\u2028line"),
        ("nul\0", "nul\\x00"),
        ("\udcff", "\\udcff"),
    ],
)
def test_text_from_the_wire_stays_on_one_line(text: str, line: str) -> None:
    assert one_line(text) == line


def test_long_text_is_cut_and_says_so() -> None:
    assert one_line("x" * 5000) == "x" * 1000 + "... (4000 more)"


def test_values_become_what_json_knows() -> None:
    assert plain(ipaddress.IPv4Address("192.0.2.1")) == "192.0.2.1"
    assert plain(b"\xffINVITE\r\n") == "ÿINVITE\\r\\n"
    assert plain({"a": (1, 2.5, None, True, "x\n")}) == {"a": [1, 2.5, None, True, "x\\n"]}


def test_large_and_deep_values_are_bounded() -> None:
    nested: object = "end"
    for _ in range(100):
        nested = [nested]

    assert len(plain(list(range(1000)))) == 50
    assert len(plain({str(key): key for key in range(1000)})) == 50
    assert len(str(plain(nested))) < 1000
