"""Structured header values: RFC 3261 sections 20 and 25.1, RFC 3581."""

from __future__ import annotations

import pytest

from sip_edge.sip.fields import (
    CSeq,
    FieldError,
    NameAddr,
    Reason,
    Via,
    parse_cseq,
    parse_name_addr,
    parse_name_addr_leniently,
    parse_name_addr_list,
    parse_number,
    parse_params,
    parse_reasons,
    parse_via,
    quote,
    to_text,
    to_wire,
    unquote,
)
from sip_edge.sip.uri import OtherUri, SipUri, parse_uri


class TestVia:
    def test_all_parts_are_read(self) -> None:
        assert parse_via(
            "SIP/2.0/UDP 192.0.2.1:5080;rport;branch=z9hG4bK1;Received=1.2.3.4"
        ) == Via(
            "UDP",
            "192.0.2.1",
            5080,
            (("rport", None), ("branch", "z9hG4bK1"), ("Received", "1.2.3.4")),
        )

    def test_blanks_may_stand_wherever_the_grammar_has_them(self) -> None:
        """RFC 4475 section 3.1.1.1."""
        via = parse_via(
            "SIP  / 2.0\t/ tcp     spindle.example.com : 5070  ;  branch  =   z9hG4bK9 "
        )

        assert str(via) == "SIP/2.0/TCP spindle.example.com:5070;branch=z9hG4bK9"
        assert via.branch == "z9hG4bK9"

    def test_unknown_transport_is_kept(self) -> None:
        assert parse_via("SIP/2.0/UNKNOWN t4.example.com").transport == "UNKNOWN"

    def test_escapes_in_the_branch_are_kept_as_written(self) -> None:
        assert parse_via("SIP/2.0/TCP h;branch=z9hG4bK-.!%66*_+`'~").branch == "z9hG4bK-.!%66*_+`'~"

    def test_branch_is_none_from_an_rfc_2543_client(self) -> None:
        via = parse_via("SIP/2.0/UDP iftgw.example.com")

        assert (via.branch, via.received, via.rport, via.port) == (None, None, None, None)

    def test_rport_is_empty_when_asked_for_and_digits_when_answered(self) -> None:
        assert parse_via("SIP/2.0/UDP h;rport").rport == ""
        assert parse_via("SIP/2.0/UDP h;rport=5062").rport == "5062"

    @pytest.mark.parametrize("received", ["2001:db8::9:255", "[2001:db8::9:255]"])
    def test_received_ipv6_address_may_stand_with_and_without_brackets(self, received: str) -> None:
        """RFC 5118 section 4.5."""
        via = parse_via(f"SIP/2.0/UDP [2001:db8::9:1];received={received};branch=z9hG4bKas3")

        assert (via.host, via.received) == ("2001:db8::9:1", "2001:db8::9:255")

    def test_source_that_is_the_sent_by_is_not_noted_unless_asked_for(self) -> None:
        assert parse_via("SIP/2.0/UDP 192.0.2.1;branch=x").with_received("192.0.2.1", 5060) == Via(
            "UDP", "192.0.2.1", None, (("branch", "x"),)
        )

    def test_source_that_is_not_the_sent_by_is_noted(self) -> None:
        via = parse_via("SIP/2.0/UDP host.example.com;branch=x").with_received("192.0.2.1", 5070)

        assert str(via) == "SIP/2.0/UDP host.example.com;branch=x;received=192.0.2.1"

    def test_rport_is_filled_and_brings_received_along(self) -> None:
        """RFC 3581 section 4: received MUST be there as well."""
        via = parse_via("SIP/2.0/UDP 192.0.2.1;rport;branch=x").with_received("192.0.2.1", 5070)

        assert str(via) == "SIP/2.0/UDP 192.0.2.1;rport=5070;branch=x;received=192.0.2.1"

    def test_received_and_rport_that_a_client_invented_are_overwritten(self) -> None:
        via = parse_via("SIP/2.0/UDP h;Received=9.9.9.9;RPORT=9").with_received("192.0.2.1", 5070)

        assert str(via) == "SIP/2.0/UDP h;RPORT=5070;received=192.0.2.1"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "SIP/2.0/UDP",
            "SIP/2.0/UDP ",
            "SIP/2.0 host",
            "HTTP/1.1/TCP host",
            "SIP/2.0/U(P host",
            "SIP/2.0/UDP ho st",
            "SIP/2.0/UDP host:x",
            "SIP/2.0/UDP host:\xb2",
            "SIP/2.0/UDP 2001:db8::1",
            "SIP/2.0/UDP 192.0.2.15;;",
            "SIP/2.0/UDP host;branch=a b",
            'SIP/2.0/UDP host;x="a',
            "SIP/2.0/UDP host" + ";p" * 65,
        ],
    )
    def test_malformed_value_is_refused(self, text: str) -> None:
        with pytest.raises(FieldError):
            parse_via(text)


class TestNameAddr:
    def test_all_parts_are_read(self) -> None:
        assert parse_name_addr('"Al \\"A\\" B" <sip:a@b;lr>;tag=1;x="y;z"') == NameAddr(
            'Al "A" B',
            SipUri("sip", "a", None, "b", None, (("lr", None),), None),
            (("tag", "1"), ("x", '"y;z"')),
        )

    @pytest.mark.parametrize(
        ("text", "display_name"),
        [
            ("<sip:a@b>", None),
            ("sip:a@b", None),
            ('"" <sip:a@b>', ""),
            ("caller<sip:a@b>", "caller"),
            ("token1~` token2'+_ token3*%!.- <sip:a@b>", "token1~` token2'+_ token3*%!.-"),
            ('"J Rosenberg \\\\\\""       <sip:a@b>', 'J Rosenberg \\"'),
            ('"%Z%45" <sip:a@b>', "%Z%45"),
            ('"NUL:\\\x00"<sip:a@b>', "NUL:\x00"),
            ('"\xe5\x91\xbc" <sip:a@b>', "呼"),
            ('"\xff" <sip:a@b>', "\ufffd"),
            ('"<sip:x@y>" <sip:a@b>', "<sip:x@y>"),
        ],
    )
    def test_display_name_is_human_text(self, text: str, display_name: str | None) -> None:
        value = parse_name_addr(text)

        assert value.display_name == display_name
        assert str(value.uri) == "sip:a@b"

    def test_parameters_of_a_bare_uri_belong_to_the_header(self) -> None:
        """RFC 3261 section 20.10."""
        value = parse_name_addr("sip:+16505552222@ss1.example.net;user=phone;tag=a")

        assert str(value.uri) == "sip:+16505552222@ss1.example.net"
        assert (value.param("user"), value.tag) == ("phone", "a")

    def test_quoted_parameter_of_a_bare_uri_may_hold_brackets(self) -> None:
        value = parse_name_addr('sip:a@b;x="<sip:c@d>";tag=1')

        assert (str(value.uri), value.param("x")) == ("sip:a@b", '"<sip:c@d>"')

    def test_uri_parameters_and_header_parameters_are_kept_apart(self) -> None:
        value = parse_name_addr("<sip:a@b;tag=uri>;tag=header")

        assert value.tag == "header"

    def test_blanks_around_parameters_are_dropped(self) -> None:
        value = parse_name_addr("<sip:a@b>  ;\ttag = 98asjd8 ; q\t=0.33")

        assert value.params == (("tag", "98asjd8"), ("q", "0.33"))

    def test_uris_of_other_schemes_are_taken(self) -> None:
        """RFC 4475 section 3.3.4."""
        assert parse_name_addr("<http://www.example.com>;tag=3").uri == OtherUri(
            "http", "//www.example.com"
        )

    def test_tag_is_none_if_there_is_none(self) -> None:
        assert parse_name_addr("<sip:a@b>").tag is None

    def test_tag_can_be_given_or_replaced(self) -> None:
        assert str(parse_name_addr("<sip:a@b>;x").with_tag("t")) == "<sip:a@b>;x;tag=t"
        assert str(parse_name_addr("<sip:a@b>;Tag=1;x").with_tag("t")) == "<sip:a@b>;x;tag=t"

    def test_value_is_written_with_its_name_quoted(self) -> None:
        assert str(NameAddr('é "x" \\', parse_uri("sip:a@b"), (("tag", "1"),))) == (
            '"\xc3\xa9 \\"x\\" \\\\" <sip:a@b>;tag=1'
        )

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "<",
            "<>",
            "a@b",
            "<sip:a@b",
            '"Mr. J. User <sip:j.user@example.com>',
            '"x" sip:a@b',
            '"x" y <sip:a@b>',
            "Watson, Thomas <sip:t.watson@example.org>",
            'a "b" <sip:a@b>',
            "< sip:t.watson@example.org >",
            "<sip:a@b> x",
            "<sip:a@b>xtag=1",
            "<sip:a@b>;",
            "<sip:a@b>;;tag=1",
            "<sip:a@b>;tag=a b",
            '<sip:a@b>;x="a"b',
            "sip:user@example.com?Route=%3Csip:sip.example.com%3E",
            "sip:a,b@example.com",
        ],
    )
    def test_malformed_value_is_refused(self, text: str) -> None:
        with pytest.raises(FieldError):
            parse_name_addr(text)

    def test_list_is_split_at_its_own_commas(self) -> None:
        values = parse_name_addr_list('"A, B" <sip:a,x@b>;q=1 , sip:c@d')

        assert [(value.display_name, str(value.uri)) for value in values] == [
            ("A, B", "sip:a,x@b"),
            (None, "sip:c@d"),
        ]

    def test_list_of_one_needs_no_comma(self) -> None:
        assert [str(value) for value in parse_name_addr_list("<sip:a@b;lr>")] == ["<sip:a@b;lr>"]


class TestLenientReading:
    """No caller is refused because of a strange name or number."""

    def test_well_formed_value_is_read_as_usual(self) -> None:
        text = '"A" <sip:+12025550123@b>;tag=1'

        assert parse_name_addr_leniently(text) == parse_name_addr(text)

    @pytest.mark.parametrize(
        ("text", "uri", "tag"),
        [
            ('"John "Johnny" Smith" <sip:+12025550123@b>;tag=t', "sip:+12025550123@b", "t"),
            ('"Smith <sip:+12025550123@b>; TAG = t', "sip:+12025550123@b", "t"),
            ("Smith, John <sip:a@b>;tag=t", "sip:a@b", "t"),
            ("<sip:Restricted Number@b>;tag=t", "sip:Restricted_Number@b", "t"),
            ("<sip:@198.51.100.1>;tag=t", "sip:@198.51.100.1", "t"),
            ("<sip:\xe9@b>;tag=t", "sip:_@b", "t"),
            ("anonymous;tag=t", "anonymous:", "t"),
            ("", ":", None),
            ("<sip:a b@c>;tag=x y", "sip:a_b@c", None),
        ],
    )
    def test_strange_value_still_has_a_uri_and_its_tag(
        self, text: str, uri: str, tag: str | None
    ) -> None:
        value = parse_name_addr_leniently(text)

        assert (str(value.uri), value.tag, value.display_name) == (uri, tag, None)


class TestCSeq:
    @pytest.mark.parametrize(
        ("text", "expected"),
        [
            ("4711 INVITE", CSeq(4711, "INVITE")),
            ("0009 \t INVITE", CSeq(9, "INVITE")),
            ("1\tBYE", CSeq(1, "BYE")),
            ("4294967295 RE%47IST%45R", CSeq(4294967295, "RE%47IST%45R")),
        ],
    )
    def test_number_and_method_are_read(self, text: str, expected: CSeq) -> None:
        assert parse_cseq(text) == expected

    def test_it_is_written_with_one_space(self) -> None:
        assert str(CSeq(7, "ACK")) == "7 ACK"

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "1",
            "INVITE",
            "1 IN VITE",
            "-1 INVITE",
            "1.5 INVITE",
            "\xb2 INVITE",
            "4294967296 INVITE",
            "36893488147419103232 REGISTER",
            "0" * 5000 + " INVITE",
        ],
    )
    def test_malformed_value_is_refused(self, text: str) -> None:
        with pytest.raises(FieldError):
            parse_cseq(text)


@pytest.mark.parametrize(("text", "number"), [("0", 0), ("0068", 68), ("255", 255)])
def test_number_may_have_leading_zeros(text: str, number: int) -> None:
    assert parse_number(text, 255) == number


@pytest.mark.parametrize("text", ["", "-1", "+1", " 1", "256", "1e2", "\xb9", "1_0"])
def test_what_is_no_number_in_range_is_refused(text: str) -> None:
    with pytest.raises(FieldError):
        parse_number(text, 255)


def test_parameters_keep_their_quotes_and_escapes() -> None:
    assert parse_params('a="x;\\"y",b=%41'.replace(",", ";")) == (("a", '"x;\\"y"'), ("b", "%41"))


def test_many_quoted_parameters_are_refused() -> None:
    with pytest.raises(FieldError):
        parse_params(";".join(['p="x"'] * 65))


@pytest.mark.parametrize(
    ("value", "text"),
    [("plain", "plain"), ('"a\\\\\\"b"', 'a\\"b'), ('"', '"'), ('"\xe3\x81\x82"', "あ")],
)
def test_unquoting_undoes_quoted_pairs(value: str, text: str) -> None:
    assert unquote(value) == text


def test_quoting_escapes_what_would_end_the_string() -> None:
    assert quote('a"\\\x00é') == '"a\\"\\\\\\\x00\xc3\xa9"'


def test_human_text_and_wire_text_translate_both_ways() -> None:
    assert to_wire("あ") == "\xe3\x81\x82"
    assert to_text("\xe3\x81\x82") == "あ"
    assert to_text("\xff") == "\ufffd"


def test_reasons_are_protocol_and_cause_of_each_value() -> None:
    text = 'SIP;cause=487;text="a, \\"b\\"; c", Q.850 ; cause = 16'
    assert parse_reasons(text) == [Reason("SIP", 487), Reason("Q.850", 16)]
    assert [str(reason) for reason in parse_reasons("preemption ;cause=1")] == [
        "preemption;cause=1"
    ]
    assert len(parse_reasons(",".join(["SIP;cause=200"] * 50))) == 4
