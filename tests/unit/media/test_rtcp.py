"""RTCP packets on the wire (RFC 3550 section 6)."""

from __future__ import annotations

import pytest

from sip_edge.media.rtcp import (
    Goodbye,
    Report,
    ReportBlock,
    SenderInfo,
    build_cname,
    build_goodbye,
    build_report,
    parse_rtcp,
)

BLOCK = ReportBlock(
    ssrc=2,
    fraction_lost=51,
    cumulative_lost=-1,
    highest_sequence=65537,
    jitter=80,
    last_report=0x12345678,
    delay=65536,
)
SENDER = SenderInfo(ntp=0x0102030405060708, rtp_timestamp=9, packets=10, octets=11)


def test_sender_report_has_the_bytes_of_the_rfc():
    assert build_report(Report(1, SENDER, (BLOCK,))) == bytes.fromhex(
        "81c8000c"
        "00000001"
        "0102030405060708"
        "00000009"
        "0000000a"
        "0000000b"
        "00000002"
        "33ffffff"
        "00010001"
        "00000050"
        "12345678"
        "00010000"
    )


def test_receiver_report_without_blocks_is_the_shortest_packet():
    assert build_report(Report(1, None, ())) == bytes.fromhex("80c9000100000001")


@pytest.mark.parametrize(
    ("cname", "expected"),
    [
        ("abcd", "81ca000300000001" + "0104" + "61626364" + "0000"),
        ("ab", "81ca000300000001" + "0102" + "6162" + "00000000"),
        ("abc", "81ca000300000001" + "0103" + "616263" + "000000"),
    ],
)
def test_source_description_fills_the_word_and_ends_with_a_zero(cname, expected):
    assert build_cname(1, cname) == bytes.fromhex(expected)


def test_compound_packet_gives_its_reports_and_goodbyes():
    data = build_report(Report(1, SENDER, (BLOCK,))) + build_cname(1, "us") + build_goodbye(1)
    assert parse_rtcp(data) == (Report(1, SENDER, (BLOCK,)), Goodbye(1))


def test_receiver_report_is_read():
    data = build_report(Report(1, None, (BLOCK, BLOCK)))
    assert parse_rtcp(data) == (Report(1, None, (BLOCK, BLOCK)),)


def test_profile_extension_behind_the_blocks_is_passed_over():
    assert parse_rtcp(bytes.fromhex("80c90002" + "00000001" + "cafecafe")) == (Report(1, None, ()),)


def test_unknown_kind_of_packet_is_passed_over():
    data = build_report(Report(1, None, ())) + bytes.fromhex("80cf000100000000")
    assert parse_rtcp(data) == (Report(1, None, ()),)


def test_padding_of_the_last_packet_is_passed_over():
    data = build_report(Report(1, None, ())) + bytes.fromhex("a1cb0002" + "00000001" + "00000004")
    assert parse_rtcp(data) == (Report(1, None, ()), Goodbye(1))


def test_goodbye_of_more_sources_than_it_holds_names_those_it_holds():
    data = build_report(Report(1, None, ())) + bytes.fromhex("9fcb000100000001")
    assert parse_rtcp(data) == (Report(1, None, ()), Goodbye(1))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "80",
        "80c900",
        "80c90001000000",
        "40c9000100000001",
        "80c9000200000001",
        "80c90000",
        "81c9000100000001",
        "9fc9000100000001",
        "80c8000100000001",
        "81cb000100000001",
        "81ca0001000000010000",
        "80c9000100000001" + "80c9",
        "a0c9000100000099",
        "80c9000100000001" + "00000000",
    ],
)
def test_datagram_that_is_no_compound_packet_is_refused(text):
    assert parse_rtcp(bytes.fromhex(text)) is None
