"""When a certificate is valid, read from its DER."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stream_world import TLS_FILES

from sip_edge.transport.x509 import DerError, validity

WORKER = ssl.PEM_cert_to_DER_cert((TLS_FILES / "worker.pem").read_text())


def der(tag: int, *contents: bytes) -> bytes:
    body = b"".join(contents)
    size = len(body)
    length = bytes([size]) if size < 128 else b"\x82" + size.to_bytes(2, "big")
    return bytes([tag]) + length + body


def certificate(*times: bytes, version: bytes = b"\xa0\x03\x02\x01\x02") -> bytes:
    serial, algorithm, issuer = der(2, b"\x01"), der(0x30), der(0x30, b"x" * 200)
    return der(0x30, der(0x30, version, serial, algorithm, issuer, der(0x30, *times)))


def test_certificate_of_a_real_authority_is_read() -> None:
    dates = validity(WORKER)

    assert dates.not_before == datetime(2026, 11, 21, 14, 51, 45, tzinfo=UTC)
    assert dates.not_after == datetime(2126, 10, 28, 14, 51, 45, tzinfo=UTC)


def test_years_with_two_digits_reach_from_1950_to_2049() -> None:
    dates = validity(certificate(der(0x17, b"500101000000Z"), der(0x17, b"491231235959Z")))

    assert dates.not_before == datetime(1950, 1, 1, tzinfo=UTC)
    assert dates.not_after == datetime(2049, 12, 31, 23, 59, 59, tzinfo=UTC)


def test_certificate_of_the_first_version_has_no_version_field() -> None:
    times = (der(0x18, b"20200101000000Z"), der(0x18, b"20500101000000Z"))

    assert validity(certificate(*times, version=b"")).not_after == datetime(2050, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "times",
    [
        (b"",),
        (der(0x17, b"991301000000Z"), der(0x17, b"991301000000Z")),
        (der(0x17, b"9901010000Z"), der(0x17, b"9901010000Z")),
        (der(0x04, b"20200101000000Z"), der(0x04, b"20200101000000Z")),
    ],
)
def test_malformed_times_are_refused(times: tuple[bytes, ...]) -> None:
    with pytest.raises(DerError):
        validity(certificate(*times))


@settings(max_examples=200, deadline=None)
@given(st.one_of(st.binary(max_size=64), st.integers(0, len(WORKER)).map(lambda n: WORKER[:n])))
def test_whatever_is_no_certificate_is_refused_and_nothing_else_happens(data: bytes) -> None:
    try:
        validity(data)
    except DerError:
        return
    assert data[:1] == b"\x30"
