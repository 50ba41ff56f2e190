"""What payload types mean (RFC 8866 section 6.6)."""

from __future__ import annotations

import pytest

from sip_edge.media.rtpmap import read_formats
from sip_edge.media.sdp import Attribute, MediaDescription, parse_sdp


def audio(*formats: str, rtpmaps: tuple[str, ...] = ()) -> MediaDescription:
    return MediaDescription(
        kind="audio",
        port=4000,
        protocol="RTP/AVP",
        formats=formats,
        attributes=tuple(Attribute("rtpmap", rtpmap) for rtpmap in rtpmaps),
    )


def test_0_and_8_need_no_rtpmap() -> None:
    assert read_formats(audio("8", "0", "18")) == {8: "PCMA/8000", 0: "PCMU/8000"}


def test_formats_keep_the_order_of_the_m_line() -> None:
    formats = read_formats(audio("101", "8", "0", rtpmaps=("101 telephone-event/8000",)))
    assert list(formats) == [101, 8, 0]


def test_rtpmap_overrules_the_static_meaning() -> None:
    assert read_formats(audio("0", rtpmaps=("0 G729/8000",))) == {0: "G729/8000"}


@pytest.mark.parametrize(
    "rtpmap", ["96 PCMU/8000", "96 pcmu/8000", "96 PCMU/8000/1", "96  PCMU/8000 "]
)
def test_rtpmap_is_read_in_every_way_to_write_it(rtpmap: str) -> None:
    assert read_formats(audio("96", rtpmaps=(rtpmap,))) == {96: "PCMU/8000"}


@pytest.mark.parametrize("rtpmap", ["96 PCMU/8000/2", "96 PCMU/16000", "96 PCMU/8000/11"])
def test_other_rate_or_channels_are_another_meaning(rtpmap: str) -> None:
    assert read_formats(audio("96", rtpmaps=(rtpmap,))) != {96: "PCMU/8000"}


@pytest.mark.parametrize("rtpmap", ["0 PCMA", "0", "", "PCMA/8000", "00 PCMA/8000"])
def test_rtpmap_that_cannot_be_read_counts_for_nothing(rtpmap: str) -> None:
    assert read_formats(audio("0", rtpmaps=(rtpmap,))) == {0: "PCMU/8000"}


@pytest.mark.parametrize("payload_type", ["128", "1000", "-1", "x", "\u0661", "9" * 5000])
def test_impossible_payload_type_is_left_out(payload_type: str) -> None:
    assert read_formats(audio(payload_type, rtpmaps=(f"{payload_type} PCMU/8000",))) == {}


def test_rtpmap_without_a_value_counts_for_nothing() -> None:
    media = parse_sdp(
        b"v=0\no=- 1 1 IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\na=rtpmap\na=ptime:20\n"
    ).media[0]
    assert read_formats(media) == {0: "PCMU/8000"}


def test_highest_payload_type_is_127() -> None:
    assert read_formats(audio("127", rtpmaps=("127 PCMA/8000",))) == {127: "PCMA/8000"}


def test_rtpmap_of_a_payload_type_that_is_not_listed_is_left_out() -> None:
    assert read_formats(audio("0", rtpmaps=("96 PCMA/8000",))) == {0: "PCMU/8000"}
