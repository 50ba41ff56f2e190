"""RTP packets on the wire (RFC 3550 section 5.1)."""

from __future__ import annotations

import pytest

from sip_edge.media.rtp import RtpPacket, build_rtp, is_rtcp, parse_rtp

HEADER = bytes.fromhex("800012340000a0b0deadbeef")


def test_plain_packet_gives_all_its_fields():
    assert parse_rtp(bytes.fromhex("808812340000a0b0deadbeef") + b"sound") == RtpPacket(
        payload_type=8,
        marker=True,
        sequence=0x1234,
        timestamp=0xA0B0,
        ssrc=0xDEADBEEF,
        payload=b"sound",
    )


def test_packet_without_marker_is_told_from_one_with():
    packet = parse_rtp(HEADER)
    assert packet is not None
    assert (packet.marker, packet.payload_type, packet.payload) == (False, 0, b"")


def test_contributing_sources_are_not_taken_for_sound():
    packet = parse_rtp(b"\x82" + HEADER[1:] + bytes(8) + b"sound")
    assert packet is not None
    assert packet.payload == b"sound"


def test_header_extension_is_not_taken_for_sound():
    packet = parse_rtp(b"\x90" + HEADER[1:] + b"\xbe\xde\x00\x02" + bytes(8) + b"sound")
    assert packet is not None
    assert packet.payload == b"sound"


def test_padding_is_not_taken_for_sound():
    packet = parse_rtp(b"\xa0" + HEADER[1:] + b"sound" + b"\x00\x00\x03")
    assert packet is not None
    assert packet.payload == b"sound"


def test_sources_extension_and_padding_together_leave_the_sound():
    data = b"\xb1" + HEADER[1:] + bytes(4) + b"\xbe\xde\x00\x01" + bytes(4) + b"sound\x00\x02"
    packet = parse_rtp(data)
    assert packet is not None
    assert packet.payload == b"sound"


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\x80",
        HEADER[:11],
        b"\x00" + HEADER[1:] + b"sound",
        b"\x40" + HEADER[1:] + b"sound",
        b"\xc0" + HEADER[1:] + b"sound",
        b"\x8f" + HEADER[1:] + bytes(59),
        b"\x90" + HEADER[1:] + b"\xbe\xde\x00",
        b"\x90" + HEADER[1:] + b"\xbe\xde\x00\x01\x00\x00\x00",
        b"\x90" + HEADER[1:] + b"\xbe\xde\xff\xff" + bytes(400),
        b"\xa0" + HEADER[1:] + b"sound\x00",
        b"\xa0" + HEADER[1:] + b"sound\x07",
        b"\xa0" + HEADER[1:],
    ],
    ids=[
        "empty",
        "one byte",
        "short header",
        "version 0",
        "version 1",
        "version 3",
        "more sources than bytes",
        "cut extension header",
        "cut extension",
        "extension longer than the datagram",
        "padding of zero",
        "padding longer than the payload",
        "padding into the header",
    ],
)
def test_datagram_whose_lengths_do_not_add_up_is_no_packet(data):
    assert parse_rtp(data) is None


def test_padding_may_be_all_there_is():
    packet = parse_rtp(b"\xa0" + HEADER[1:] + b"\x00\x02")
    assert packet is not None
    assert packet.payload == b""


def test_built_packet_has_the_bytes_of_the_rfc():
    packet = build_rtp(
        payload_type=101, marker=True, sequence=1, timestamp=2, ssrc=3, payload=b"\x01"
    )
    assert packet == bytes.fromhex("80e500010000000200000003" + "01")


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"\x80\xc8\x00\x01", True),
        (b"\x80\xc9", True),
        (b"\x80\xbf", False),
        (b"\x80\xe0", False),
        (b"\x80\x00", False),
        (b"\x80", False),
        (b"", False),
    ],
)
def test_rtcp_on_a_shared_port_is_told_by_its_second_byte(data, expected):
    assert is_rtcp(data) is expected
