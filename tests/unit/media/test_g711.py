"""G.711 against the Recommendation's own test sequence and against another implementation."""

from __future__ import annotations

import struct
import warnings
from typing import Any

import pytest

from sip_edge.media.g711 import (
    alaw_to_linear,
    alaw_to_ulaw,
    linear_to_alaw,
    linear_to_ulaw,
    ulaw_to_alaw,
    ulaw_to_linear,
)

ALL_CODES = bytes(range(256))
ALL_SAMPLES = struct.pack("<65536h", *range(-32768, 32768))

# G.711 tables 5 and 6: one millisecond of 1000 Hz at 0 dBm0.
MILLIWATT_ULAW = bytes.fromhex("1E0B0B1E9E8B8B9E")
MILLIWATT_ALAW = bytes.fromhex("34212134B4A1A1B4")


def samples(linear: bytes) -> list[int]:
    return list(struct.unpack(f"<{len(linear) // 2}h", linear))


def linear(*values: int) -> bytes:
    return struct.pack(f"<{len(values)}h", *values)


@pytest.fixture(scope="module")
def audioop() -> Any:
    """The standard library's C implementation, which Python 3.13 no longer has."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return pytest.importorskip("audioop", reason="Python 3.13 removed audioop")


def test_the_milliwatt_sequence_of_g711_has_its_linear_values() -> None:
    assert samples(ulaw_to_linear(MILLIWATT_ULAW)) == [
        *(-8828, -20860, -20860, -8828, 8828, 20860, 20860, 8828)
    ]
    assert samples(alaw_to_linear(MILLIWATT_ALAW)) == [
        *(-8960, -20992, -20992, -8960, 8960, 20992, 20992, 8960)
    ]


def test_the_milliwatt_sequence_of_one_law_is_translated_to_that_of_the_other() -> None:
    assert alaw_to_ulaw(MILLIWATT_ALAW) == MILLIWATT_ULAW
    assert ulaw_to_alaw(MILLIWATT_ULAW) == MILLIWATT_ALAW


@pytest.mark.parametrize(
    ("code", "value"),
    [
        *((0xFF, 0), (0x7F, 0), (0xFE, 8), (0x7E, -8), (0xF0, 120), (0xEF, 132)),
        *((0x80, 32124), (0x00, -32124), (0xCE, 988), (0x4E, -988)),
    ],
)
def test_ulaw_code_has_the_value_of_table_2(code: int, value: int) -> None:
    assert samples(ulaw_to_linear(bytes([code]))) == [value]


@pytest.mark.parametrize(
    ("code", "value"),
    [
        *((0xD5, 8), (0x55, -8), (0xD4, 24), (0xC5, 264), (0xAA, 32256), (0x2A, -32256)),
        *((0xFA, 1008), (0x7A, -1008), (0x80, 5504)),
    ],
)
def test_alaw_code_has_the_value_of_table_1(code: int, value: int) -> None:
    assert samples(alaw_to_linear(bytes([code]))) == [value]


@pytest.mark.parametrize(
    ("value", "ulaw", "alaw"),
    [
        (0, 0xFF, 0xD5),
        (-1, 0x7E, 0x55),
        (4, 0xFE, 0xD5),
        (1000, 0xCE, 0xFA),
        (-1000, 0x4E, 0x7A),
        (32767, 0x80, 0xAA),
        (-32768, 0x00, 0x2A),
    ],
)
def test_linear_sample_gets_the_code_of_its_interval(value: int, ulaw: int, alaw: int) -> None:
    assert linear_to_ulaw(linear(value)) == bytes([ulaw])
    assert linear_to_alaw(linear(value)) == bytes([alaw])


def test_every_code_survives_the_way_to_linear_and_back() -> None:
    # Negative zero is the one value that has two codes.
    assert linear_to_ulaw(ulaw_to_linear(ALL_CODES)) == ALL_CODES.replace(b"\x7f", b"\xff")
    assert linear_to_alaw(alaw_to_linear(ALL_CODES)) == ALL_CODES


def test_louder_sample_never_gets_the_code_of_a_softer_one() -> None:
    for decoded in (
        samples(ulaw_to_linear(linear_to_ulaw(ALL_SAMPLES))),
        samples(alaw_to_linear(linear_to_alaw(ALL_SAMPLES))),
    ):
        assert decoded == sorted(decoded)


def test_every_linear_sample_is_coded_as_audioop_codes_it(audioop: Any) -> None:
    assert linear_to_ulaw(ALL_SAMPLES) == audioop.lin2ulaw(ALL_SAMPLES, 2)
    assert linear_to_alaw(ALL_SAMPLES) == audioop.lin2alaw(ALL_SAMPLES, 2)


def test_every_code_is_decoded_as_audioop_decodes_it(audioop: Any) -> None:
    assert ulaw_to_linear(ALL_CODES) == audioop.ulaw2lin(ALL_CODES, 2)
    assert alaw_to_linear(ALL_CODES) == audioop.alaw2lin(ALL_CODES, 2)


def test_every_code_is_translated_as_by_audioop_through_linear(audioop: Any) -> None:
    assert alaw_to_ulaw(ALL_CODES) == audioop.lin2ulaw(audioop.alaw2lin(ALL_CODES, 2), 2)
    assert ulaw_to_alaw(ALL_CODES) == audioop.lin2alaw(audioop.ulaw2lin(ALL_CODES, 2), 2)


def test_silence_is_the_code_that_each_law_uses_for_it() -> None:
    assert linear_to_ulaw(bytes(320)) == b"\xff" * 160
    assert linear_to_alaw(bytes(320)) == b"\xd5" * 160
    assert alaw_to_ulaw(b"\xd5" * 160) == b"\xfe" * 160  # A-law has no zero: 8 is its smallest.


def test_nothing_becomes_nothing() -> None:
    assert [ulaw_to_linear(b""), linear_to_ulaw(b""), alaw_to_ulaw(b"")] == [b"", b"", b""]


def test_half_a_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="multiple"):
        linear_to_ulaw(b"\x00\x01\x02")
