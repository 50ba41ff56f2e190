"""Bytes to messages: RFC 3261 sections 7, 18.3 and 20; RFC 4475 for what goes wrong."""

from __future__ import annotations

import pytest

from sip_edge.sip.fields import CSeq
from sip_edge.sip.message import Request, Response, make_response
from sip_edge.sip.parser import Limits, ParseError, content_length, is_keepalive, parse_message
from sip_edge.sip.uri import OtherUri, SipUri

LINES = (
    "Via: SIP/2.0/UDP host.example.com;branch=z9hG4bK1",
    "From: <sip:+12025550123@example.com>;tag=1",
    "To: <sip:+12025550199@example.com>",
    "Call-ID: call@example.com",
    "CSeq: 7 INVITE",
)


def written(
    *lines: str,
    start: str = "INVITE sip:+12025550199@192.0.2.1 SIP/2.0",
    without: str = "",
    body: str = "",
) -> bytes:
    """A request of the usual lines, but for the one that begins with `without`, and more."""
    kept = [line for line in LINES if not without or not line.startswith(without)]
    return "\r\n".join([start, *kept, *lines, "", body]).encode("latin-1")


def request_of(data: bytes) -> Request:
    message = parse_message(data)
    assert isinstance(message, Request)
    return message


def refusal_of(data: bytes, limits: Limits | None = None) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_message(data, limits or Limits())
    return caught.value


class TestRequests:
    def test_request_has_its_line_headers_and_body(self) -> None:
        request = request_of(written("Max-Forwards: 70", "Content-Length: 3", body="v=0"))

        assert (request.method, request.uri, request.version) == (
            "INVITE",
            "sip:+12025550199@192.0.2.1",
            "SIP/2.0",
        )
        assert request.cseq == CSeq(7, "INVITE")
        assert request.max_forwards == 70
        assert request.body == b"v=0"

    def test_lines_come_out_as_they_went_in(self) -> None:
        data = written("X-Any :\t\xff\\\x00\r\n folded ", "m:<sip:a@b>", "l: 1", body="\x00")

        assert request_of(data).serialize() == data

    def test_line_ends_before_the_request_line_are_ignored(self) -> None:
        assert request_of(b"\r\n\r\n\n" + written()).method == "INVITE"

    def test_folded_headers_are_read_as_one_line(self) -> None:
        request = request_of(written("To:\r\n <sip:a@b>\r\n\t;tag=1", without="To"))

        assert request.to.tag == "1"
        assert request.headers.lines_of("To") == ["To:\r\n <sip:a@b>\r\n\t;tag=1"]

    def test_version_is_compared_without_regard_to_case(self) -> None:
        assert request_of(written(start="INVITE sip:a@b sip/2.0")).version == "SIP/2.0"

    def test_unknown_scheme_is_left_to_the_user_agent(self) -> None:
        assert request_of(written(start="INVITE x:y SIP/2.0")).parsed_uri == OtherUri("x", "y")

    def test_sequence_number_from_2_31_is_taken(self) -> None:
        assert request_of(written("CSeq: 4294967295 INVITE", without="CSeq")).cseq.number == (
            4294967295
        )

    def test_unknown_method_with_another_cseq_is_left_to_the_user_agent(self) -> None:
        """RFC 4475 section 3.1.2.18: 501 is the better answer."""
        assert request_of(written(start="NEWMETHOD sip:a@b SIP/2.0")).cseq.method == "INVITE"

    def test_caller_with_a_strange_name_is_not_refused(self) -> None:
        data = written('From: "Al "A" B" <sip:+12025550123@b>;tag=5', without="From")

        assert request_of(data).from_.tag == "5"

    def test_contact_that_removes_all_bindings_is_none(self) -> None:
        assert request_of(written("Contact: *")).contact is None


class TestBodies:
    def test_without_content_length_the_body_is_the_rest_of_the_datagram(self) -> None:
        assert request_of(written(body="abc")).body == b"abc"

    def test_bytes_beyond_content_length_are_ignored(self) -> None:
        """RFC 3261 section 18.3."""
        assert request_of(written("l: 2", body="abc")).body == b"ab"

    @pytest.mark.parametrize(
        ("line", "phrase"),
        [
            ("Content-Length: 4", "Content-Length Larger Than the Body"),
            ("Content-Length: -999", "Malformed Content-Length: not a number"),
            ("l : 2147483648", "Malformed Content-Length: a number out of range"),
            ("Content-Length:", "Malformed Content-Length: not a number"),
            ("l: 3\r\nContent-Length: 3", "Multiple Content-Length"),
        ],
    )
    def test_content_length_that_does_not_fit_is_answered_with_400(
        self, line: str, phrase: str
    ) -> None:
        error = refusal_of(written(line, body="abc"))

        assert (error.status, error.phrase) == (400, phrase)

    def test_content_length_is_none_if_there_is_none(self) -> None:
        assert content_length([]) is None
        assert content_length(["07"]) == 7


class TestRefusedRequests:
    @pytest.mark.parametrize(
        ("data", "phrase"),
        [
            (written(start="INVITE  sip:a@b SIP/2.0"), "Malformed Request Line"),
            (written(start="INVITE sip:a@b SIP/2.0 "), "Malformed Request Line"),
            (written(start="INVITE sip:a@b; lr SIP/2.0"), "Malformed Request Line"),
            (written(start="INVITE sip:a@b"), "Malformed Request Line"),
            (written(start="INVITE sip:a@b HTTP/1.1"), "Malformed Request Line"),
            (
                written(start="INVITE <sip:a@b> SIP/2.0"),
                "Malformed Request-URI: a delimiter that must be escaped",
            ),
            (
                written(start="INVITE sip:2001:db8::10 SIP/2.0"),
                "Malformed Request-URI: a malformed port",
            ),
            (
                written(start="INVITE sip:a@b?Route=x SIP/2.0"),
                "Malformed Request-URI: headers in it",
            ),
            (written(without="From"), "Missing From"),
            (written(without="To"), "Missing To"),
            (written(without="Call-ID"), "Missing Call-ID"),
            (written(without="CSeq"), "Missing CSeq"),
            (written("f: <sip:a@b>"), "Multiple From"),
            (written("t: <sip:a@b>"), "Multiple To"),
            (written("i: x"), "Multiple Call-ID"),
            (written("cseq: 7 INVITE"), "Multiple CSeq"),
            (written("Max-Forwards: 7", "Max-Forwards: 7"), "Multiple Max-Forwards"),
            (written("Content-Type: a/b", "c: a/b"), "Multiple Content-Type"),
            (written("Via", without="Call"), "Malformed Header Name"),
            (written("X y: z"), "Malformed Header Name"),
            (written(": z"), "Malformed Header Name"),
            (written("\xe9: z"), "Malformed Header Name"),
            (
                written("To: <sip:a@b", without="To"),
                "Malformed To: an angle bracket without an end",
            ),
            (
                written("Contact: sip:a@b?x"),
                "Malformed Contact: a URI that must stand in angle brackets",
            ),
            (written("CSeq: INVITE", without="CSeq"), "Malformed CSeq: no method in CSeq"),
            (written("CSeq: 7 BYE", without="CSeq"), "CSeq Method Differs"),
            (
                written("CSeq: 4294967296 INVITE", without="CSeq"),
                "Malformed CSeq: a number out of range",
            ),
            (
                written("Max-Forwards: 256"),
                "Malformed Max-Forwards: a number out of range",
            ),
            (written("Max-Forwards: x"), "Malformed Max-Forwards: not a number"),
            (written("Call-ID: a b", without="Call"), "Malformed Call-ID: a malformed Call-ID"),
            (written("X: a\nEvil: 1"), "CR or LF Without the Other"),
            (written("X: a\rEvil: 1"), "CR or LF Without the Other"),
            (written().replace(b"\r\n", b"\n"), "CR or LF Without the Other"),
            (written()[:-2], "No End of Headers"),
            (written("X: a\x00"), "NUL Outside a Quoted Pair"),
        ],
    )
    def test_broken_request_is_answered_with_400_that_says_why(
        self, data: bytes, phrase: str
    ) -> None:
        error = refusal_of(data)

        assert (error.status, error.phrase) == (400, phrase)
        assert error.request is not None

    @pytest.mark.parametrize(
        "line", ["Via: SIP/2.0/UDP a;;,;,,", "v: SIP/2.0/UDP a;branch=z9hG4bK"]
    )
    def test_via_that_identifies_nothing_is_answered_with_400(self, line: str) -> None:
        error = refusal_of(written(line, without="Via"))

        assert error.status == 400
        assert error.phrase.startswith("Malformed Via: ")

    def test_folded_request_line_is_answered_with_400(self) -> None:
        data = written().replace(b" SIP/2.0\r\n", b" SIP/2.0\r\n folded\r\n", 1)

        error = refusal_of(data)

        assert (error.status, error.phrase) == (400, "Folded Start Line")

    def test_other_version_is_answered_with_505(self) -> None:
        error = refusal_of(written(start="OPTIONS sip:a@b SIP/7.0"))

        assert (error.status, error.phrase) == (505, "Version Not Supported")

    def test_partial_request_is_good_enough_for_an_answer(self) -> None:
        error = refusal_of(
            written("X", "v: SIP/2.0/TCP\r\n second", start="INVITE sip:a b SIP/2.0")
        )

        assert error.request is not None
        assert (error.request.method, error.request.uri) == ("INVITE", "sip:a b")
        assert make_response(error.request, 400, to_tag="t").serialize() == (
            b"SIP/2.0 400 Bad Request\r\n"
            b"Via: SIP/2.0/UDP host.example.com;branch=z9hG4bK1\r\n"
            b"v: SIP/2.0/TCP\r\n second\r\n"
            b"From: <sip:+12025550123@example.com>;tag=1\r\n"
            b"To: <sip:+12025550199@example.com>;tag=t\r\n"
            b"Call-ID: call@example.com\r\n"
            b"CSeq: 7 INVITE\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    def test_bare_line_ends_never_get_into_an_answer(self) -> None:
        data = written("To: <sip:a@b>\rEvil: 1\nEvil: 2", without="To")

        error = refusal_of(data)

        assert error.request is not None
        assert make_response(error.request, 400).headers.get_all("To") == ["<sip:a@b> Evil: 1"]

    @pytest.mark.parametrize(
        "data",
        [
            b"",
            b"\r\n\r\n",
            b"INVITE",
            b"\xff" * 100,
            b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n",
            written(without="Via"),
            written(start="ACK sip:a@b SIP/7.0"),
            written(start="IN(VITE sip:a@b SIP/2.0"),
            written(start=" INVITE sip:a@b SIP/2.0"),
            b" folded\r\n\r\n",
        ],
    )
    def test_what_cannot_be_answered_is_to_be_dropped(self, data: bytes) -> None:
        error = refusal_of(data)

        assert (error.status, error.request) == (None, None)


class TestResponses:
    def test_response_has_its_status_reason_and_fields(self) -> None:
        message = parse_message(written(start="SIP/2.0 486 Busy Here", body="x"))

        assert isinstance(message, Response)
        assert (message.status, message.reason, message.body) == (486, "Busy Here", b"x")
        assert message.top_via.branch == "z9hG4bK1"

    @pytest.mark.parametrize(
        ("start", "reason"),
        [
            ("SIP/2.0 100 ", ""),
            ("SIP/2.0 100", ""),
            ("sip/2.0 200 \xd0\xbd ok", "\xd0\xbd ok"),
        ],
    )
    def test_reason_phrase_may_be_anything(self, start: str, reason: str) -> None:
        message = parse_message(written(start=start))

        assert isinstance(message, Response)
        assert message.reason == reason

    @pytest.mark.parametrize(
        "data",
        [
            written(start="SIP/2.0 4294967301 better not break"),
            written(start="SIP/2.0 99 x"),
            written(start="SIP/2.0 700 x"),
            written(start="SIP/2.0 \xb2\xb2\xb2 x"),
            written(start="SIP/2.0  200 OK"),
            written(start="SIP/7.0 200 OK"),
            written("CSeq: 9292394834772304023312 OPTIONS", start="SIP/2.0 503 x", without="CSeq"),
            written(start="SIP/2.0 200 OK", without="To"),
            written("l: 5", start="SIP/2.0 200 OK"),
        ],
    )
    def test_malformed_response_is_to_be_dropped(self, data: bytes) -> None:
        error = refusal_of(data)

        assert (error.status, error.request) == (None, None)


class TestLimits:
    def test_message_of_the_largest_size_is_taken(self) -> None:
        data = written()

        assert len(request_of(data + b"x" * (65_535 - len(data))).body) == 65_535 - len(data)

    def test_larger_message_is_answered_with_513(self) -> None:
        data = written()
        error = refusal_of(data + b"x" * (65_536 - len(data)))

        assert (error.status, error.phrase) == (513, "Message Too Large")
        assert error.request is not None

    def test_too_large_header_section_is_answered_with_513(self) -> None:
        error = refusal_of(written(*["X: " + "y" * 8_000] * 5))

        assert (error.status, error.phrase) == (513, "Header Section Too Large")
        assert error.request is not None

    def test_too_long_request_uri_is_answered_with_414(self) -> None:
        error = refusal_of(written(start=f"INVITE sip:{'a' * 8_192} SIP/2.0"))

        assert (error.status, error.phrase) == (414, "Request-URI Too Long")

    def test_too_long_header_is_answered_with_400(self) -> None:
        assert refusal_of(written("X: " + "y" * 8_190)).phrase == "Header Too Long"
        assert request_of(written("X: " + "y" * 8_189)).headers.get("X") == "y" * 8_189

    def test_folds_count_towards_the_length_of_a_header(self) -> None:
        assert refusal_of(written("X:" + "\r\n " + "y" * 5_000 + "\r\n " + "y" * 5_000)).phrase == (
            "Header Too Long"
        )

    def test_too_many_lines_are_answered_with_400(self) -> None:
        """The start line and the five usual headers are among the 256."""
        assert len(request_of(written(*["X: y"] * 250)).headers) == 255
        assert refusal_of(written(*["X: y"] * 251)).phrase == "Too Many Header Lines"

    def test_too_many_vias_are_answered_with_400(self) -> None:
        via = "v: SIP/2.0/UDP a, SIP/2.0/UDP b, SIP/2.0/UDP c"

        assert request_of(written(*[via] * 23)).top_via.host == "host.example.com"
        assert refusal_of(written(*[via] * 24)).phrase == "Too Many Via Values"

    def test_limits_can_be_set(self) -> None:
        assert refusal_of(written(), Limits(message_bytes=100)).status == 513
        assert refusal_of(written(), Limits(header_bytes=100)).phrase == "Header Section Too Large"
        assert refusal_of(written(), Limits(header_lines=5)).phrase == "Too Many Header Lines"
        assert refusal_of(written(), Limits(line_length=48)).phrase == "Header Too Long"
        assert refusal_of(written("v: x"), Limits(vias=1)).phrase == "Too Many Via Values"

    @pytest.mark.parametrize(
        "line",
        [
            "To: " + '"' * 8_000,
            'To: "' + "\\" * 8_000,
            "To: " + "<" * 8_000,
            "To: <sip:a@b>" + ";" * 8_000,
            "Contact: " + "," * 8_000,
            "Contact: " + '<",' * 2_600,
            'To: <sip:a@b>;x="' + "\\a" * 4_000,
            "CSeq: " + "1" * 8_000 + " INVITE",
            "Via: " + "/" * 8_000,
        ],
    )
    def test_long_hostile_values_are_refused_at_once(self, line: str) -> None:
        name = line.partition(":")[0]

        assert refusal_of(written(line, without=name)).status == 400

    def test_header_of_many_folds_is_read_as_one(self) -> None:
        data = written("X: y" + "\r\n z" * 2_000)

        message = parse_message(data, Limits(header_lines=2_010, line_length=10_010))

        assert message.headers.get("X") == "y" + " z" * 2_000


class TestKeepalives:
    @pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", b"\n"])
    def test_line_ends_alone_are_a_keepalive(self, data: bytes) -> None:
        assert is_keepalive(data)

    @pytest.mark.parametrize("data", [b"\r\nx", b"\x00\x00\x00\x00", written()])
    def test_anything_else_is_none(self, data: bytes) -> None:
        assert not is_keepalive(data)


def test_parsed_request_has_a_sip_uri() -> None:
    assert isinstance(request_of(written()).parsed_uri, SipUri)
