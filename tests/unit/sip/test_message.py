"""Messages as values: RFC 3261 sections 7, 8.2.6, 12.1.1 and 18.2.1; RFC 3581 section 4."""

from __future__ import annotations

import pytest

from sip_edge.sip.fields import CSeq, FieldError
from sip_edge.sip.flow import Address
from sip_edge.sip.headers import Headers
from sip_edge.sip.message import Request, Response, make_request, make_response
from sip_edge.sip.uri import OtherUri, SipUri, UriError

BASICS = [
    ("Via", "SIP/2.0/UDP host.example.com;rport;branch=z9hG4bK1"),
    ("From", "<sip:+12025550123@example.com>;tag=from"),
    ("To", "<sip:+12025550199@example.com>"),
    ("Call-ID", "call@example.com"),
    ("CSeq", "7 INVITE"),
]


def invite(*more: tuple[str, str], body: bytes = b"") -> Request:
    return make_request("INVITE", "sip:+12025550199@192.0.2.1", [*BASICS, *more], body)


def from_wire(*lines: str) -> Request:
    return Request(
        method="INVITE", uri="sip:a@b", headers=Headers.from_lines(list(lines)), body=b""
    )


class TestFields:
    def test_fields_are_read_from_the_headers(self) -> None:
        request = invite(
            ("Max-Forwards", "0068"),
            ("Contact", "<sip:a@192.0.2.7>, <sip:b@192.0.2.8>"),
            ("Content-Type", "Application/SDP ; charset=utf-8"),
        )

        assert request.top_via.branch == "z9hG4bK1"
        assert request.from_.tag == "from"
        assert request.to.tag is None
        assert request.call_id == "call@example.com"
        assert request.cseq == CSeq(7, "INVITE")
        assert request.max_forwards == 68
        assert str(request.contact) == "<sip:a@192.0.2.7>"
        assert request.content_type == "application/sdp"
        assert isinstance(request.parsed_uri, SipUri)

    def test_optional_fields_are_none_if_absent(self) -> None:
        request = invite()

        assert request.max_forwards is None
        assert request.contact is None
        assert request.content_type is None
        assert request.routes == []
        assert request.record_routes == []

    def test_contact_of_a_register_that_removes_all_is_none(self) -> None:
        assert invite(("Contact", "*")).contact is None

    def test_routes_are_lists_over_all_lines(self) -> None:
        request = invite(
            ("Route", "<sip:a;lr>, <sip:b;lr>"), ("Route", "<sip:c>"), ("Record-Route", "<sip:d>")
        )

        assert request.routes == ["<sip:a;lr>", "<sip:b;lr>", "<sip:c>"]
        assert request.record_routes == ["<sip:d>"]

    def test_top_via_is_the_first_of_a_list(self) -> None:
        request = from_wire("v: SIP/2.0/UDP a;branch=1 , SIP/2.0/UDP b;branch=2", "Via: x")

        assert request.top_via.host == "a"

    @pytest.mark.parametrize("name", ["top_via", "from_", "to", "call_id", "cseq"])
    def test_missing_field_raises_field_error(self, name: str) -> None:
        with pytest.raises(FieldError):
            getattr(from_wire(), name)

    @pytest.mark.parametrize("value", ["", "a b", "a\tb"])
    def test_call_id_with_a_blank_or_nothing_is_malformed(self, value: str) -> None:
        with pytest.raises(FieldError):
            _ = from_wire(f"Call-ID: {value}").call_id

    @pytest.mark.parametrize("value", [",", ""])
    def test_empty_lists_are_malformed(self, value: str) -> None:
        request = from_wire(f"Via: {value}", f"Contact: {value}")

        with pytest.raises(FieldError):
            _ = request.top_via
        with pytest.raises(FieldError):
            _ = request.contact

    def test_malformed_request_uri_raises_uri_error(self) -> None:
        with pytest.raises(UriError):
            _ = make_request("INVITE", "sip:", BASICS).parsed_uri

    def test_request_uri_of_another_scheme_is_read(self) -> None:
        assert make_request("OPTIONS", "x:y", BASICS).parsed_uri == OtherUri("x", "y")


class TestReceived:
    def test_source_is_noted_in_the_top_via_alone(self) -> None:
        request = from_wire(
            "To: <sip:a@b>",
            "v:SIP/2.0/UDP a;rport;branch=1, SIP/2.0/UDP b;rport",
            "Via: SIP/2.0/UDP c;rport",
        )

        noted = request.with_received(Address("192.0.2.9", 5070))

        assert noted.headers.lines == [
            "To: <sip:a@b>",
            "v: SIP/2.0/UDP a;rport=5070;branch=1;received=192.0.2.9, SIP/2.0/UDP b;rport",
            "Via: SIP/2.0/UDP c;rport",
        ]
        assert noted.top_via.received == "192.0.2.9"
        assert request.headers.lines[1] == "v:SIP/2.0/UDP a;rport;branch=1, SIP/2.0/UDP b;rport"

    def test_everything_else_stays(self) -> None:
        request = invite(("Contact", "<sip:a@b>"), body=b"v=0")
        read = (request.from_, request.to, request.cseq, request.contact, request.parsed_uri)

        noted = request.with_received(Address("192.0.2.9", 5070))

        assert (noted.from_, noted.to, noted.cseq, noted.contact, noted.parsed_uri) == read
        assert (noted.method, noted.uri, noted.version, noted.body) == (
            "INVITE",
            "sip:+12025550199@192.0.2.1",
            "SIP/2.0",
            b"v=0",
        )

    def test_nothing_changes_if_there_is_nothing_to_note(self) -> None:
        request = from_wire("Via: SIP/2.0/UDP 192.0.2.9")

        assert request.with_received(Address("192.0.2.9", 5070)) is request

    def test_request_whose_via_cannot_be_read_stays_as_it_is(self) -> None:
        request = from_wire("Via: SIP/2.0/UDP 192.0.2.15;;,;,,")

        assert request.with_received(Address("192.0.2.9", 5070)) is request


class TestMakeRequest:
    def test_request_is_written_with_its_body_and_length(self) -> None:
        assert make_request("BYE", "sip:a@b", [("To", "<sip:a@b>")], b"\xff\x00").serialize() == (
            b"BYE sip:a@b SIP/2.0\r\nTo: <sip:a@b>\r\nContent-Length: 2\r\n\r\n\xff\x00"
        )

    @pytest.mark.parametrize("name", ["Content-Length", "l", "content-length"])
    def test_content_length_of_the_caller_is_replaced(self, name: str) -> None:
        request = make_request("BYE", "sip:a@b", [(name, "99")], b"1")

        assert request.headers.get_all("Content-Length") == ["1"]

    @pytest.mark.parametrize("method", ["", "IN VITE", "INVITE\r\nX: y", "\xe9"])
    def test_method_that_is_no_token_is_our_error(self, method: str) -> None:
        with pytest.raises(ValueError, match="not a method"):
            make_request(method, "sip:a@b", [])

    @pytest.mark.parametrize("uri", ["", "sip:a b", "sip:a@b\r\nX: y", "sip:\x00", "sip:あ@b"])
    def test_uri_that_would_break_the_request_line_is_our_error(self, uri: str) -> None:
        with pytest.raises(ValueError, match="not a Request-URI"):
            make_request("BYE", uri, [])

    @pytest.mark.parametrize("value", ["x\r\nEvil: 1", "x\ny", "x\ry", "x\x00y"])
    def test_header_injection_is_our_error(self, value: str) -> None:
        with pytest.raises(ValueError, match="not fit for the header"):
            make_request("BYE", "sip:a@b", [("Subject", value)])


class TestMakeResponse:
    def test_what_a_response_must_echo_is_echoed_byte_for_byte(self) -> None:
        request = from_wire(
            "v:SIP/2.0/UDP a;branch=z9hG4bK%41,\r\n SIP/2.0/UDP b",
            'f : "\xff\\\x00" <sip:a@b>;tag=1',
            "X: dropped",
            "Via: SIP/2.0/TCP c",
            "t:<sip:c@d>",
            "i:id",
            "CSeq:0009  INVITE",
            "V  : SIP/2.0/TLS d",
        )

        assert make_response(request, 486).serialize() == (
            b"SIP/2.0 486 Busy Here\r\n"
            b"v:SIP/2.0/UDP a;branch=z9hG4bK%41,\r\n SIP/2.0/UDP b\r\n"
            b"Via: SIP/2.0/TCP c\r\n"
            b"V  : SIP/2.0/TLS d\r\n"
            b'f : "\xff\\\x00" <sip:a@b>;tag=1\r\n'
            b"t:<sip:c@d>\r\n"
            b"i:id\r\n"
            b"CSeq:0009  INVITE\r\n"
            b"Content-Length: 0\r\n\r\n"
        )

    def test_headers_body_and_reason_of_the_caller_are_added(self) -> None:
        response = make_response(
            invite(),
            200,
            reason="Fine",
            to_tag="ours",
            headers=[("Content-Type", "application/sdp"), ("l", "99")],
            body=b"v=0\r\n",
        )

        assert response.serialize() == (
            b"SIP/2.0 200 Fine\r\n"
            b"Via: SIP/2.0/UDP host.example.com;rport;branch=z9hG4bK1\r\n"
            b"From: <sip:+12025550123@example.com>;tag=from\r\n"
            b"To: <sip:+12025550199@example.com>;tag=ours\r\n"
            b"Call-ID: call@example.com\r\n"
            b"CSeq: 7 INVITE\r\n"
            b"Content-Type: application/sdp\r\n"
            b"Content-Length: 5\r\n\r\n"
            b"v=0\r\n"
        )

    def test_response_has_the_fields_of_its_headers(self) -> None:
        response = make_response(invite(), 180, to_tag="ours")

        assert (response.to.tag, response.from_.tag) == ("ours", "from")
        assert response.cseq == CSeq(7, "INVITE")

    def test_to_keeps_the_tag_it_has(self) -> None:
        request = from_wire("To: <sip:a@b>;TAG=theirs")

        assert make_response(request, 200, to_tag="ours").headers.get("To") == (
            "<sip:a@b>;TAG=theirs"
        )

    def test_parameter_named_tag_within_the_uri_is_no_tag(self) -> None:
        request = from_wire("To: <sip:a@b;tag=x>")

        assert make_response(request, 200, to_tag="ours").headers.get("To") == (
            "<sip:a@b;tag=x>;tag=ours"
        )

    @pytest.mark.parametrize(
        ("to", "expected"),
        [
            ('"Mr. J. User <sip:j@b>', '"Mr. J. User <sip:j@b>;tag=ours'),
            ('"Mr. J. User <sip:j@b> ; Tag = x', '"Mr. J. User <sip:j@b> ; Tag = x'),
        ],
    )
    def test_to_that_cannot_be_read_gets_a_tag_unless_it_seems_to_have_one(
        self, to: str, expected: str
    ) -> None:
        response = make_response(from_wire(f"To: {to}"), 400, to_tag="ours")

        assert response.headers.get("To") == expected

    @pytest.mark.parametrize(("status", "expected"), [(100, 0), (101, 2), (200, 2), (300, 0)])
    def test_record_routes_are_copied_into_what_may_make_a_dialog(
        self, status: int, expected: int
    ) -> None:
        request = invite(("Record-Route", "<sip:a;lr>"), ("Record-Route", "<sip:b;lr>"))

        assert len(make_response(request, status).record_routes) == expected

    @pytest.mark.parametrize(("status", "expected"), [(100, "54"), (200, None)])
    def test_timestamp_is_copied_into_the_100(self, status: int, expected: str | None) -> None:
        """RFC 3261 section 8.2.6.1."""
        request = invite(("Timestamp", "54"))

        assert make_response(request, status).headers.get("Timestamp") == expected

    def test_headers_that_came_twice_are_echoed_once(self) -> None:
        request = from_wire("To: <sip:a@b>", "To: <sip:c@d>", "CSeq: 1 INVITE", "CSeq: 2 INVITE")

        assert make_response(request, 400).headers.lines == [
            "To: <sip:a@b>",
            "CSeq: 1 INVITE",
            "Content-Length: 0",
        ]

    def test_what_is_missing_in_the_request_is_missing_in_the_response(self) -> None:
        assert make_response(from_wire("Via: x"), 400, to_tag="ours").headers.lines == [
            "Via: x",
            "Content-Length: 0",
        ]

    @pytest.mark.parametrize("status", [99, 700, 0])
    def test_status_out_of_range_is_our_error(self, status: int) -> None:
        with pytest.raises(ValueError, match="not a status code"):
            make_response(invite(), status)

    def test_reason_header_or_tag_that_would_break_the_message_is_our_error(self) -> None:
        with pytest.raises(ValueError, match="not a reason phrase"):
            make_response(invite(), 400, reason="x\r\nEvil: 1")
        with pytest.raises(ValueError, match="not fit for the header"):
            make_response(invite(), 400, headers=[("Warning", "x\r\nEvil: 1")])
        with pytest.raises(ValueError, match="not a tag"):
            make_response(invite(), 400, to_tag="x\r\nEvil: 1")


class TestEquality:
    def test_requests_are_equal_if_they_are_written_alike(self) -> None:
        assert invite() == invite()
        assert hash(invite()) == hash(invite())
        assert invite() != invite(body=b"x")
        assert invite() != make_response(invite(), 200)

    def test_responses_are_equal_if_they_are_written_alike(self) -> None:
        assert make_response(invite(), 200) == make_response(invite(), 200)
        assert hash(make_response(invite(), 200)) == hash(make_response(invite(), 200))
        assert make_response(invite(), 200) != make_response(invite(), 202)

    def test_messages_name_themselves(self) -> None:
        assert repr(invite()) == "<Request INVITE sip:+12025550199@192.0.2.1>"
        assert repr(make_response(invite(), 200)) == "<Response 200 OK>"

    def test_response_is_a_value_of_its_own(self) -> None:
        assert isinstance(make_response(invite(), 200), Response)
