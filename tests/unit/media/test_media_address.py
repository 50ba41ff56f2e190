"""Addresses for RTP and RTCP."""

from __future__ import annotations

from ipaddress import ip_address

import pytest

from sip_edge.media.media_address import can_be_sent_to, parse_address, rtcp_address
from sip_edge.media.sdp import Attribute, MediaDescription


def audio(rtcp: str | None, *, port: int = 4000) -> MediaDescription:
    attributes = () if rtcp is None else (Attribute("rtcp", rtcp),)
    return MediaDescription(
        kind="audio", port=port, protocol="RTP/AVP", formats=("0",), attributes=attributes
    )


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("192.0.2.1", "192.0.2.1"),
        ("224.2.1.1/127/3", "224.2.1.1"),
        ("2001:DB8::1", "2001:db8::1"),
        ("::ffff:192.0.2.1", "192.0.2.1"),
    ],
)
def test_numeric_address_is_read(text: str, address: str) -> None:
    assert str(parse_address(text)) == address


@pytest.mark.parametrize(
    "text", ["", "media.example.com", "192.0.2", "010.0.0.1", "fe80::1%eth0", "[2001:db8::1]", "1"]
)
def test_anything_else_is_not(text: str) -> None:
    assert parse_address(text) is None


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("198.51.100.1", "192.0.2.1"),
        ("127.0.0.1", "127.0.0.1"),
        ("10.0.0.1", "192.0.2.1"),
        ("2001:db8::1", "2001:db8::2"),
        ("::1", "::1"),
    ],
)
def test_host_of_our_family_can_be_sent_to(address: str, local: str) -> None:
    assert can_be_sent_to(ip_address(address), local)


@pytest.mark.parametrize(
    ("address", "local"),
    [
        ("0.0.0.0", "192.0.2.1"),
        ("224.0.0.1", "192.0.2.1"),
        ("255.255.255.255", "192.0.2.1"),
        ("240.0.0.1", "192.0.2.1"),
        ("2001:db8::1", "192.0.2.1"),
        ("198.51.100.1", "2001:db8::1"),
        ("ff02::1", "2001:db8::1"),
        ("::", "2001:db8::1"),
        ("198.51.100.1", "edge.example.com"),
    ],
)
def test_group_nobody_or_host_of_another_family_cannot(address: str, local: str) -> None:
    assert not can_be_sent_to(ip_address(address), local)


@pytest.mark.parametrize(
    ("rtcp", "expected"),
    [
        (None, ("192.0.2.1", 4001)),
        ("5000", ("192.0.2.1", 5000)),
        ("5000 IN IP4 192.0.2.9", ("192.0.2.9", 5000)),
        ("5000 IN IP4 0.0.0.0", ("192.0.2.1", 5000)),
        ("5000 IN IP4 224.0.0.1", ("192.0.2.1", 5000)),
        ("5000 IN IP6 2001:db8::1", ("192.0.2.1", 5000)),
        ("5000 IN IP4 media.example.com", ("192.0.2.1", 5000)),
        ("0", ("192.0.2.1", 4001)),
        ("65535", ("192.0.2.1", 65535)),
        ("65536", ("192.0.2.1", 4001)),
        ("", ("192.0.2.1", 4001)),
        ("\u0665", ("192.0.2.1", 4001)),
        ("9" * 5000, ("192.0.2.1", 4001)),
    ],
)
def test_rtcp_goes_where_the_attribute_says_or_to_the_next_port(
    rtcp: str | None, expected: tuple[str, int]
) -> None:
    assert rtcp_address(audio(rtcp), ip_address("192.0.2.1")) == expected


def test_rtcp_goes_to_the_rtp_port_where_there_is_no_next_one() -> None:
    assert rtcp_address(audio(None, port=65535), ip_address("192.0.2.1")) == ("192.0.2.1", 65535)


def test_held_stream_has_no_rtcp_address_either() -> None:
    assert rtcp_address(audio("5000 IN IP4 192.0.2.9"), ip_address("0.0.0.0")) == ("0.0.0.0", 5000)
