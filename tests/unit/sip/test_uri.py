"""URIs: RFC 3261 section 19.1, RFC 3966, and the torture tests' special cases."""

from __future__ import annotations

import pytest

from sip_edge.sip.uri import (
    OtherUri,
    SipUri,
    TelUri,
    UriError,
    closing_quote,
    host_port,
    is_safe_value,
    is_token,
    parse_host_port,
    parse_uri,
    split_outside,
    unescape,
)


def sip_uri(text: str) -> SipUri:
    uri = parse_uri(text)
    assert isinstance(uri, SipUri)
    return uri


def test_all_parts_of_a_sip_uri_are_read() -> None:
    assert parse_uri("sips:alice:secret@example.com:5061;transport=tcp;lr?Subject=x") == SipUri(
        "sips",
        "alice",
        "secret",
        "example.com",
        5061,
        (("transport", "tcp"), ("lr", None)),
        "Subject=x",
    )


def test_parts_that_are_absent_are_none() -> None:
    assert parse_uri("sip:example.com") == SipUri("sip", None, None, "example.com", None, (), None)


@pytest.mark.parametrize(
    "text",
    [
        "sip:+12025550199@voice.example.com:5060",
        "sip:[2001:db8::10]:5070",
        "sip:user;par=u%40example.net@example.com",
        "sip:a@b;x=;y",
        "sip:a@b;x?Route=%3Csip:c%3E",
        "sip:user:@example.com",
        "sips:1_unusual.URI~(to-be!sure)&isn't+it$/crazy?,/;;*:&it+has=1,weird!*pas$wo~d@h",
        "tel:+1-202-555-0123;ext=4711",
        "tel:7042;phone-context=example.com",
        "soap.beep://192.0.2.103:3002",
        "isbn:2983792873",
    ],
)
def test_writing_what_was_read_gives_the_same_text(text: str) -> None:
    assert str(parse_uri(text)) == text


def test_scheme_is_compared_without_regard_to_case() -> None:
    assert parse_uri("SIP:a@b") == parse_uri("sip:a@b")


def test_semicolons_in_the_user_part_belong_to_the_user() -> None:
    uri = sip_uri("sip:user;par=u%40example.net@example.com")

    assert (uri.user, uri.host, uri.params) == ("user;par=u%40example.net", "example.com", ())
    assert uri.user_unescaped == "user;par=u@example.net"


def test_question_mark_in_the_user_part_begins_no_headers() -> None:
    uri = sip_uri("sip:what?@example.com?Route=x")

    assert (uri.user, uri.headers) == ("what?", "Route=x")


def test_ipv6_host_stands_without_its_brackets() -> None:
    assert (sip_uri("sip:[2001:db8::10]:5070").host, sip_uri("sip:[2001:db8::10]:5070").port) == (
        "2001:db8::10",
        5070,
    )


def test_last_group_of_an_ipv6_reference_is_no_port() -> None:
    """RFC 5118 section 4.3."""
    uri = sip_uri("sip:[2001:db8::10:5070]")

    assert (uri.host, uri.port) == ("2001:db8::10:5070", None)


def test_escapes_in_parameters_count_as_their_characters_once() -> None:
    """RFC 4475 section 3.1.1.3: `value%25%34%31` is `value%41`, not `valueA`."""
    uri = sip_uri("sip:cal%6Cer@host5.example.net;%6C%72;n%61me=v%61lue%25%34%31")

    assert uri.has_param("lr")
    assert uri.param("lr") is None
    assert uri.param("name") == "value%41"


def test_absent_parameter_is_none_and_not_there() -> None:
    uri = sip_uri("sip:a@b;ttl=1")

    assert uri.param("lr") is None
    assert not uri.has_param("lr")


def test_parameter_names_ignore_case() -> None:
    assert sip_uri("sip:a@b;Transport=TCP").param("transport") == "TCP"


def test_transport_is_given_in_capitals() -> None:
    assert sip_uri("sip:a@b;transport=tls").transport == "TLS"
    assert sip_uri("sip:a@b").transport is None


def test_user_is_none_unescaped_when_there_is_none() -> None:
    assert sip_uri("sip:b").user_unescaped is None


def test_telephone_number_keeps_its_separators() -> None:
    uri = parse_uri("tel:+1-(202)-555.0123;isub=1;EXT=5")

    assert uri == TelUri("+1-(202)-555.0123", (("isub", "1"), ("EXT", "5")))
    assert isinstance(uri, TelUri)
    assert uri.param("ext") == "5"
    assert uri.param("phone-context") is None


def test_uri_of_another_scheme_is_kept_whole() -> None:
    assert parse_uri("nobodyKnowsThisScheme:totallyopaquecontent") == OtherUri(
        "nobodyknowsthisscheme", "totallyopaquecontent"
    )


@pytest.mark.parametrize(
    "text",
    [
        "",
        "sip",
        "sip:",
        ":x",
        "4sip:a@b",
        "s ip:a@b",
        "s_ip:a",
        "<sip:user@example.com>",
        "sip:@b",
        "sip:a@b@c",
        "sip:a@b;x=c@d",
        "sip:a@",
        "sip:a@b c",
        "sip:a@b\x00",
        "sip:a@b\xe9",
        'sip:a"b@c',
        "sip:a\\b@c",
        "sip:a@b:",
        "sip:a@b:x",
        "sip:a@b:0",
        "sip:a@b:65536",
        "sip:a@b:123456",
        "sip:a@b!c",
        "sip:2001:db8::10",
        "sip:[2001:db8::10",
        "sip:[1.2.3.4]",
        "sip:[2001:db8::x]",
        "sip:[2001:db8::10]5060",
        "sip:a@b;",
        "sip:a@b;;lr",
        "sip:a@b" + ";p" * 33,
        "tel:",
        "tel:hello",
        "tel:;ext=1",
    ],
)
def test_what_is_no_uri_raises_uri_error(text: str) -> None:
    with pytest.raises(UriError):
        parse_uri(text)


def test_host_may_have_an_underscore_as_private_networks_have() -> None:
    assert sip_uri("sip:agent_1").host == "agent_1"


@pytest.mark.parametrize("text", ["example.com", "example.com:5060", "[::1]", "[::1]:5060"])
def test_sent_by_is_written_as_it_was_read(text: str) -> None:
    assert host_port(*parse_host_port(text)) == text


def test_port_of_other_digits_than_ascii_is_refused() -> None:
    with pytest.raises(UriError):
        parse_host_port("example.com:\xb2")


def test_three_colons_in_an_ipv6_reference_are_tolerated() -> None:
    """RFC 5118 section 4.10: the grammar of RFC 3261 produced them."""
    assert parse_host_port("[2001:db8:::192.0.2.1]") == ("2001:db8:::192.0.2.1", None)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("plain", "plain"),
        ("%61%2B", "a+"),
        ("null-%00-null", "null-\x00-null"),
        ("%E3%81%82", "あ"),
        ("\xe3\x81\x82", "あ"),
        ("%ff", "\ufffd"),
        ("100%", "100%"),
        ("%Z%45", "%ZE"),
    ],
)
def test_unescaping_decodes_utf_8_and_leaves_what_is_no_escape(text: str, expected: str) -> None:
    assert unescape(text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a,b", ["a", "b"]),
        ("", [""]),
        ('"a,b",c', ['"a,b"', "c"]),
        (r'"a\",b",c', [r'"a\",b"', "c"]),
        (r'"a\\",b,c', [r'"a\\"', "b", "c"]),
        ("<a,b>,c", ["<a,b>", "c"]),
        ('"a,b', ['"a,b']),
        ("x,<a,b", ["x", "<a,b"]),
    ],
)
def test_splitting_respects_quotes_and_brackets(text: str, expected: list[str]) -> None:
    assert split_outside(text, ",") == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [('"ab"', 3), (r'"a\"b"', 5), (r'"a\\"b"', 4), (r'"a\"', -1), ('"', -1), (r'"\\\\"', 5)],
)
def test_closing_quote_is_not_an_escaped_one(text: str, expected: int) -> None:
    assert closing_quote(text, 0) == expected


def test_many_escapes_before_a_distant_quote_are_read_in_linear_time() -> None:
    assert closing_quote('"' + "\\a" * 500_000 + '"', 0) == 1_000_001


@pytest.mark.parametrize("text", ["INVITE", "-.!%*_+`'~", "a1"])
def test_tokens_are_recognised(text: str) -> None:
    assert is_token(text)


@pytest.mark.parametrize("text", ["", " ", "a b", "a/b", "a@b", "\xe9", "a\x00", "a:"])
def test_other_texts_are_no_tokens(text: str) -> None:
    assert not is_token(text)


@pytest.mark.parametrize("value", ["", "a b", "a\tb", "\xff", "a\\\x00b"])
def test_values_that_stay_in_their_line_are_safe(value: str) -> None:
    assert is_safe_value(value)


@pytest.mark.parametrize("value", ["a\rb", "a\nb", "a\r\nX: y", "a\x00b", "あ", "\u0100"])
def test_values_that_would_break_their_line_or_its_encoding_are_not_safe(value: str) -> None:
    assert not is_safe_value(value)
