"""Session descriptions: what is read, what is refused, what is written (RFC 8866)."""

from __future__ import annotations

import pytest

from sip_edge.media.sdp import (
    Attribute,
    Connection,
    Line,
    MediaDescription,
    Origin,
    SdpError,
    SessionDescription,
    extract_sdp,
    parse_sdp,
)

# RFC 8866 section 5, its example, with a line of a kind that nobody knows.
EXAMPLE = b"""\
v=0\r
o=jdoe 3724394400 3724394405 IN IP4 198.51.100.1\r
s=Call to John Smith\r
i=SDP Offer #1\r
u=http://www.jdoe.example.com/home.html\r
e=Jane Doe <jane@jdoe.example.com>\r
p=+1 617 555-6011\r
c=IN IP4 198.51.100.1\r
b=AS:128\r
t=3724394400 3724398000\r
r=604800 3600 0 90000\r
x=unknown\r
a=recvonly\r
a=tool:t=1\r
m=audio 49170 RTP/AVP 0 8\r
i=voice\r
c=IN IP6 2001:db8::2\r
b=TIAS:64000\r
a=rtpmap:0 PCMU/8000\r
m=video 51372/2 RTP/AVP 99\r
a=rtpmap:99 h263-1998/90000\r
a=inactive\r
"""
ORIGIN = Origin("jdoe", "3724394400", "3724394405", "IN", "IP4", "198.51.100.1")

SHORT = b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nt=0 0\r\n"


def media_of(m_line: str) -> MediaDescription:
    return parse_sdp(SHORT + m_line.encode() + b"\r\n").media[0]


class TestReading:
    def test_every_line_finds_its_place(self) -> None:
        assert parse_sdp(EXAMPLE) == SessionDescription(
            origin=ORIGIN,
            name="Call to John Smith",
            connection=Connection("IN", "IP4", "198.51.100.1"),
            attributes=(Attribute("recvonly"), Attribute("tool", "t=1")),
            other_lines=(
                Line("i", "SDP Offer #1"),
                Line("u", "http://www.jdoe.example.com/home.html"),
                Line("e", "Jane Doe <jane@jdoe.example.com>"),
                Line("p", "+1 617 555-6011"),
                Line("b", "AS:128"),
                Line("t", "3724394400 3724398000"),
                Line("r", "604800 3600 0 90000"),
                Line("x", "unknown"),
            ),
            media=(
                MediaDescription(
                    kind="audio",
                    port=49170,
                    protocol="RTP/AVP",
                    formats=("0", "8"),
                    connection=Connection("IN", "IP6", "2001:db8::2"),
                    attributes=(Attribute("rtpmap", "0 PCMU/8000"),),
                    other_lines=(Line("i", "voice"), Line("b", "TIAS:64000")),
                ),
                MediaDescription(
                    kind="video",
                    port=51372,
                    port_count=2,
                    protocol="RTP/AVP",
                    formats=("99",),
                    attributes=(
                        Attribute("rtpmap", "99 h263-1998/90000"),
                        Attribute("inactive"),
                    ),
                ),
            ),
        )

    def test_bare_lf_ends_a_line(self) -> None:
        assert parse_sdp(EXAMPLE.replace(b"\r\n", b"\n")) == parse_sdp(EXAMPLE)

    @pytest.mark.parametrize("ending", [b"", b"\n", b"\r\n\r\n\r\n"])
    def test_last_line_end_may_be_missing_or_repeated(self, ending: bytes) -> None:
        assert parse_sdp(EXAMPLE.rstrip(b"\r\n") + ending) == parse_sdp(EXAMPLE)

    def test_description_without_name_and_time_is_read(self) -> None:
        description = parse_sdp(b"v=0\no=- 1 1 IN IP4 192.0.2.1\nm=audio 4000 RTP/AVP 0\n")
        assert description.name == ""
        assert description.media[0].port == 4000

    def test_blanks_in_the_user_name_of_a_telephone_are_kept(self) -> None:
        description = parse_sdp(b"v=0\no=My Phone 7 1 2 IN IP4 192.0.2.1\n")
        assert description.origin == Origin("My Phone 7", "1", "2", "IN", "IP4", "192.0.2.1")

    def test_further_connection_lines_are_kept(self) -> None:
        sdp = SHORT + b"m=video 4000 RTP/AVP 31\r\nc=IN IP4 224.2.1.1/127\r\nc=IN IP4 224.2.1.2\r\n"
        media = parse_sdp(sdp).media[0]
        assert media.connection == Connection("IN", "IP4", "224.2.1.1/127")
        assert media.other_lines == (Line("c", "IN IP4 224.2.1.2"),)

    def test_bytes_that_are_not_utf_8_survive(self) -> None:
        sdp = SHORT.replace(b"s=-", b"s=caf\xe9 \xe2\x82\xac")
        assert parse_sdp(sdp).serialize() == sdp

    @pytest.mark.parametrize(
        ("m_line", "expected"),
        [
            ("m=audio 49170/2 RTP/AVP 0", (49170, 2)),
            ("m=audio 0 RTP/AVP 0", (0, 1)),
            ("m=audio 65535 RTP/AVP 0", (65535, 1)),
        ],
    )
    def test_port_and_port_count_are_read(self, m_line: str, expected: tuple[int, int]) -> None:
        media = media_of(m_line)
        assert (media.port, media.port_count) == expected

    def test_surplus_blanks_in_an_m_line_do_no_harm(self) -> None:
        assert media_of("m=audio  4000 RTP/AVP 0  8 ").formats == ("0", "8")

    def test_m_line_may_lack_formats(self) -> None:
        assert media_of("m=video 0 RTP/AVP").formats == ()

    def test_attributes_of_a_stream_are_found_by_name(self) -> None:
        media = parse_sdp(EXAMPLE).media[1]
        assert media.value("rtpmap") == "99 h263-1998/90000"
        assert media.value("inactive") is None
        assert (media.has("inactive"), media.has("rtpmap"), media.has("ptime")) == (
            *(True, True, False),
        )


class TestRefusals:
    @pytest.mark.parametrize(
        "sdp",
        [
            b"",
            b"\r\n",
            b"v=0\r\n",
            b"hello",
            b"o=- 1 1 IN IP4 192.0.2.1\r\nv=0\r\n",
            SHORT.replace(b"v=0", b"v=1"),
            SHORT.replace(b"v=0", b"v=0\r\nv=0"),
            SHORT.replace(b"s=-", b"s=-\r\ns=-"),
            SHORT + b"o=- 1 1 IN IP4 192.0.2.1\r\n",
            SHORT.replace(b"IN IP4 192.0.2.1", b"IN IP4"),
            SHORT.replace(b"o=- 1", b"o= 1"),
            SHORT.replace(b"s=-\r\n", b"s=-\r\n\r\n"),
            SHORT.replace(b"s=-", b" s=-"),
            SHORT.replace(b"s=-", b"ss=-"),
            SHORT.replace(b"s=-", b"="),
            SHORT.replace(b"s=-", b"1=-"),
            SHORT.replace(b"s=-", "\u00e9=-".encode()),
            SHORT.replace(b"s=-", b"s"),
            SHORT.replace(b"s=-", b"s=a\rb"),
            SHORT.replace(b"s=-", b"s=a\0b"),
            SHORT + b"c=IN IP4\r\n",
            SHORT + b"c=IN IP4 192.0.2.1 127\r\n",
            SHORT + b"m=\r\n",
            SHORT + b"m=audio 4000\r\n",
            SHORT + b"m=audio 4000 RTP/AVP 0\r\nc=192.0.2.1\r\n",
        ],
    )
    def test_nonsense_is_an_error(self, sdp: bytes) -> None:
        with pytest.raises(SdpError):
            parse_sdp(sdp)

    @pytest.mark.parametrize(
        "port",
        [
            *("", "x", "-1", "+1", "65536", "\u0664", "1_0", "0x10", "9" * 5000),
            *("4000/0", "4000/", "4000/x", "4000/2/2", "4000/65536"),
        ],
    )
    def test_impossible_port_is_an_error(self, port: str) -> None:
        with pytest.raises(SdpError):
            parse_sdp(SHORT + f"m=audio {port} RTP/AVP 0\r\n".encode())

    @pytest.mark.parametrize(
        ("largest", "too_large"),
        [
            ((SHORT + b"a=").ljust(32768, b"x"), (SHORT + b"a=").ljust(32769, b"x")),
            (SHORT + b"a=x\n" * 996, SHORT + b"a=x\n" * 997),
            (SHORT + b"m=audio 0 X 0\n" * 32, SHORT + b"m=audio 0 X 0\n" * 33),
            (SHORT + b"m=audio 0 X" + b" 0" * 128, SHORT + b"m=audio 0 X" + b" 0" * 129),
        ],
    )
    def test_size_has_its_limits(self, largest: bytes, too_large: bytes) -> None:
        parse_sdp(largest)
        with pytest.raises(SdpError, match="too"):
            parse_sdp(too_large)


class TestWriting:
    def test_description_is_written_as_it_was_read(self) -> None:
        assert parse_sdp(EXAMPLE).serialize() == EXAMPLE

    def test_lines_are_written_in_the_order_of_the_standard(self) -> None:
        sdp = parse_sdp(
            b"v=0\ns=-\no=- 1 1 IN IP4 192.0.2.1\na=sendrecv\nt=0 0\ni=info\nc=IN IP4 192.0.2.1\n"
        )
        assert sdp.serialize() == (
            b"v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\ns=-\r\nc=IN IP4 192.0.2.1\r\n"
            b"t=0 0\r\ni=info\r\na=sendrecv\r\n"
        )

    def test_attribute_with_an_empty_value_keeps_its_colon(self) -> None:
        sdp = SHORT + b"a=x:\r\na=y\r\na=:z\r\na=\r\n"
        assert parse_sdp(sdp).serialize() == sdp


class TestExtracting:
    @pytest.mark.parametrize(
        "content_type",
        [
            "application/sdp",
            "Application/SDP",
            "application/sdp;charset=utf-8",
            " application/sdp ",
        ],
    )
    def test_plain_body_is_the_description(self, content_type: str) -> None:
        assert extract_sdp(content_type, EXAMPLE) == EXAMPLE

    def test_description_is_found_in_a_multipart_body(self) -> None:
        body = (
            b"--b\r\nContent-Type: application/isup\r\n\r\n\x01\x02\r\n"
            b"--b\r\nContent-Type: application/sdp\r\n\r\n" + EXAMPLE + b"\r\n--b--\r\n"
        )
        assert extract_sdp("multipart/mixed;boundary=b", body) == EXAMPLE

    def test_body_without_a_type_is_judged_by_its_beginning(self) -> None:
        assert extract_sdp(None, EXAMPLE) == EXAMPLE
        assert extract_sdp(None, b"hello") is None

    @pytest.mark.parametrize(
        ("content_type", "body"),
        [
            ("application/sdp", b""),
            (None, b""),
            ("multipart/mixed;boundary=b", b""),
            ("application/isup", EXAMPLE),
            ("text/plain; x=application/sdp", EXAMPLE),
            ("application/sdpx", EXAMPLE),
            ("", EXAMPLE),
        ],
    )
    def test_other_body_holds_no_description(self, content_type: str | None, body: bytes) -> None:
        assert extract_sdp(content_type, body) is None
