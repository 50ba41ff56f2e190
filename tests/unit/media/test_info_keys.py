"""Keys in INFO, and keys that come both ways."""

from __future__ import annotations

import pytest

from sip_edge.media.info_keys import KeyPresses, Way, read_key

RELAY = "application/dtmf-relay"
PLAIN = "application/dtmf"


@pytest.mark.parametrize(
    ("content_type", "body", "key"),
    [
        (RELAY, b"Signal=5\r\nDuration=160\r\n", "5"),
        (RELAY, b"Signal= *\nDuration= 250\n", "*"),
        (RELAY, b"Duration=160\r\nsignal = #", "#"),
        (RELAY, b"Signal=d\r\n", "D"),
        (RELAY, b"Signal=11\r\n", "#"),
        (PLAIN, b"7", "7"),
        (PLAIN, b" 10\r\n", "*"),
        (PLAIN, b"15", "D"),
    ],
)
def test_key_is_read_as_gateways_write_it(content_type: str, body: bytes, key: str) -> None:
    assert read_key(content_type, body) == key


@pytest.mark.parametrize(
    ("content_type", "body"),
    [
        (RELAY, b""),
        (RELAY, b"5"),
        (RELAY, b"Signal=\r\n"),
        (RELAY, b"Signal=16\r\n"),
        (RELAY, b"Signal=hookflash\r\n"),
        (RELAY, "Signal=\uff15\r\n".encode()),
        (RELAY, b"Signal=5\r\n" + b"x" * 300),
        (PLAIN, b""),
        (PLAIN, b"55x"),
        (PLAIN, b"Signal=5"),
        (PLAIN, "²".encode("latin-1")),
        ("text/plain", b"5"),
        (None, b"5"),
    ],
)
def test_body_that_names_no_key_is_none(content_type: str | None, body: bytes) -> None:
    assert read_key(content_type, body) == ""


def heard(*reports: tuple[float, str, Way]) -> list[str]:
    keys = KeyPresses()
    return [key for at, key, way in reports if keys.is_new(key, way, at)]


def test_key_that_comes_both_ways_is_heard_once_whichever_comes_first() -> None:
    assert heard((0.0, "5", Way.INFO), (0.2, "5", Way.RTP)) == ["5"]
    assert heard((0.0, "5", Way.RTP), (2.9, "5", Way.INFO)) == ["5"]


def test_keys_that_are_pressed_in_a_row_are_all_heard() -> None:
    both = [(at, key, way) for at, key in enumerate("1123") for way in Way]
    assert heard(*[(at / 5, key, way) for at, key, way in both]) == list("1123")
    assert heard((0.0, "1", Way.RTP), (0.1, "1", Way.RTP), (0.2, "1", Way.RTP)) == ["1", "1", "1"]
    late = [(0.0, "1", Way.RTP), (0.1, "1", Way.RTP), (0.2, "1", Way.INFO), (0.3, "1", Way.INFO)]
    assert heard(*late) == ["1", "1"]


def test_other_way_counts_by_itself_after_three_seconds() -> None:
    assert heard((0.0, "5", Way.RTP), (3.1, "5", Way.INFO)) == ["5", "5"]


def test_other_key_is_no_match() -> None:
    assert heard((0.0, "5", Way.RTP), (0.1, "6", Way.INFO)) == ["5", "6"]


def test_flood_of_keys_is_bounded_and_still_heard() -> None:
    reports = [(i / 1000, "5", Way.INFO) for i in range(500)]
    assert heard(*reports, (0.6, "5", Way.RTP)) == ["5"] * 500
