"""Parts of multipart bodies (RFC 2046 section 5.1)."""

from __future__ import annotations

import pytest

from sip_edge.media.multipart import find_part

SDP = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"

# ISUP beside the description, as RFC 3204 section 5 has it.
ISUP_AND_SDP = (
    b"--unique-boundary-1\r\n"
    b"Content-Type: application/SDP; charset=ISO-10646\r\n"
    b"\r\n" + SDP + b"\r\n"
    b"--unique-boundary-1\r\n"
    b"Content-Type: application/ISUP;version=nxv3;base=etsi121\r\n"
    b"Content-Disposition: signal;handling=optional\r\n"
    b"\r\n"
    b"\x01\x00\x49\x00\x00\r\n\x03\x02\x00\x07\r\n"
    b"--unique-boundary-1--\r\n"
)


def find(content_type: str, body: bytes) -> bytes | None:
    return find_part(content_type, body, b"application/sdp")


def part(headers: bytes, content: bytes = SDP) -> bytes:
    return b"--b\r\n" + headers + b"\r\n" + content + b"\r\n--b--\r\n"


def test_description_beside_an_isup_part_is_found() -> None:
    assert find("multipart/mixed;boundary=unique-boundary-1", ISUP_AND_SDP) == SDP


def test_binary_part_is_handed_out_byte_by_byte() -> None:
    isup = find_part(
        "multipart/mixed; boundary=unique-boundary-1", ISUP_AND_SDP, b"application/isup"
    )
    assert isup == b"\x01\x00\x49\x00\x00\r\n\x03\x02\x00\x07"


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/mixed;boundary=b",
        'multipart/mixed; boundary="b"',
        "multipart/mixed ; BOUNDARY = b ; charset=utf-8",
        'multipart/mixed; start="a;boundary=x"; boundary=b',
    ],
)
def test_boundary_is_found_in_every_way_to_write_it(content_type: str) -> None:
    assert find(content_type, part(b"Content-Type: application/sdp\r\n")) == SDP


@pytest.mark.parametrize(
    "content_type",
    [
        "multipart/mixed",
        "multipart/mixed; boundary",
        "multipart/mixed; boundary=",
        'multipart/mixed; boundary=""',
        "multipart/mixed; boundary=\u00e9",
        "multipart/mixed; boundary=\ud800",
        'multipart/mixed; start="a;boundary=b"',
    ],
)
def test_nothing_is_found_without_a_usable_boundary(content_type: str) -> None:
    assert find(content_type, part(b"Content-Type: application/sdp\r\n")) is None


@pytest.mark.parametrize(("length", "found"), [(70, SDP), (71, None)])
def test_boundary_may_have_70_characters(length: int, found: bytes | None) -> None:
    body = part(b"Content-Type: application/sdp\r\n").replace(b"--b", b"--" + b"b" * length)
    assert find("multipart/mixed; boundary=" + "b" * length, body) == found


def test_line_that_only_begins_like_the_boundary_belongs_to_the_part() -> None:
    content = b"v=0\r\n--bc\r\n--b-\r\n"
    assert find("multipart/mixed; boundary=b", part(b"Content-Type: application/sdp\r\n", content))
    assert (
        find("multipart/mixed; boundary=b", part(b"Content-Type: application/sdp\r\n", content))
        == content
    )


def test_boundary_may_be_followed_by_blanks() -> None:
    body = b"--b \t\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n\r\n--b--  \r\n"
    assert find("multipart/mixed; boundary=b", body) == b"v=0\r\n"


def test_lines_may_end_in_a_bare_lf() -> None:
    body = b"--b\nContent-Type: application/sdp\n\nv=0\ns=-\n\n--b--\n"
    assert find("multipart/mixed; boundary=b", body) == b"v=0\ns=-\n"


def test_what_precedes_the_first_and_follows_the_last_boundary_is_no_part() -> None:
    sdp_part = b"Content-Type: application/sdp\r\n\r\nv=0"
    body = sdp_part + b"\r\n--b\r\n\r\ntext\r\n--b--\r\n" + sdp_part + b"\r\n--b\r\n" + sdp_part
    assert find("multipart/mixed; boundary=b", body) is None


def test_first_of_two_descriptions_counts() -> None:
    body = (
        b"--b\r\nContent-Type: application/sdp\r\n\r\nfirst\r\n"
        b"--b\r\nContent-Type: application/sdp\r\n\r\nsecond\r\n--b--\r\n"
    )
    assert find("multipart/mixed; boundary=b", body) == b"first"


def test_part_that_the_end_of_the_body_cuts_short_counts() -> None:
    body = b"--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n"
    assert find("multipart/mixed; boundary=b", body) == b"v=0\r\n"


@pytest.mark.parametrize(
    "headers",
    [
        b"",
        b"Content-Type: text/plain\r\n",
        b"Content-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n",
        b"Content-Type: multipart/mixed;boundary=c\r\n",
    ],
)
def test_part_of_another_type_or_encoding_is_not_taken(headers: bytes) -> None:
    assert find("multipart/mixed; boundary=b", part(headers)) is None


@pytest.mark.parametrize("encoding", [b"binary", b"8bit", b"7BIT"])
def test_encoding_that_changes_nothing_is_no_obstacle(encoding: bytes) -> None:
    headers = b"CONTENT-TYPE:Application/SDP\r\nContent-Transfer-Encoding: " + encoding + b"\r\n"
    assert find("multipart/mixed; boundary=b", part(headers)) == SDP


def test_part_without_end_of_its_headers_is_none() -> None:
    assert find("multipart/mixed; boundary=b", b"--b\r\nContent-Type: application/sdp") is None


def test_empty_body_has_no_parts() -> None:
    assert find("multipart/mixed; boundary=b", b"") is None
