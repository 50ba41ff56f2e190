"""The header section: RFC 3261 section 7.3."""

from __future__ import annotations

import pytest

from sip_edge.sip.headers import Headers, header_key, line_value, split_list


def test_names_ignore_case_and_know_their_compact_form() -> None:
    headers = Headers([("v", "SIP/2.0/UDP a"), ("CALL-ID", "x"), ("X-Twilio-CallSid", "CA1")])

    assert headers.get("Via") == "SIP/2.0/UDP a"
    assert headers.get("i") == "x"
    assert headers.get("x-twilio-callsid") == "CA1"


def test_absent_header_is_none_and_has_no_values() -> None:
    headers = Headers([("To", "a")])

    assert headers.get("From") is None
    assert headers.get_all("From") == []
    assert headers.split("From") == []
    assert "From" not in headers


def test_original_names_and_order_are_kept() -> None:
    headers = Headers([("v", "1"), ("To", "2"), ("Via", "3")])

    assert list(headers) == [("v", "1"), ("To", "2"), ("Via", "3")]
    assert len(headers) == 3


def test_long_and_short_names_make_one_list_in_order() -> None:
    headers = Headers([("v", "1, 2"), ("To", "x"), ("Via", "3")])

    assert headers.get_all("Via") == ["1, 2", "3"]
    assert headers.split("Via") == ["1", "2", "3"]


def test_lines_from_the_wire_are_kept_and_their_values_unfolded() -> None:
    headers = Headers.from_lines(["TO :\r\n sip:a@b ;\r\n\ttag = 1  ", "s :"])

    assert headers.lines == ["TO :\r\n sip:a@b ;\r\n\ttag = 1  ", "s :"]
    assert list(headers) == [("TO", "sip:a@b ; tag = 1"), ("s", "")]
    assert headers.lines_of("To") == ["TO :\r\n sip:a@b ;\r\n\ttag = 1  "]
    assert headers.get("subject") == ""


def test_bytes_that_unicode_takes_for_blanks_stay_in_the_value() -> None:
    assert line_value("Subject: \x85a\xa0") == "\x85a\xa0"


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("", []),
        ("a", ["a"]),
        ("a ,b\t, c", ["a", "b", "c"]),
        ("a,,b,", ["a", "b"]),
        ('"A, B" <sip:a,b@c>;x=1, <sip:d@e>', ['"A, B" <sip:a,b@c>;x=1', "<sip:d@e>"]),
    ],
)
def test_lists_are_split_at_their_own_commas(value: str, expected: list[str]) -> None:
    assert split_list(value) == expected


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\x00b", "あ"])
def test_value_that_would_break_the_message_cannot_be_built(value: str) -> None:
    with pytest.raises(ValueError, match="not fit for the header Subject"):
        Headers([("Subject", value)])


@pytest.mark.parametrize("name", ["", "A B", "A:", "A\r\nB", "\xe9"])
def test_name_that_is_no_token_cannot_be_built(name: str) -> None:
    with pytest.raises(ValueError, match="not a header name"):
        Headers([(name, "x")])


def test_adding_leaves_the_original_as_it_was() -> None:
    headers = Headers([("A", "1")])

    added = headers.with_added("B", "2")

    assert list(added) == [("A", "1"), ("B", "2")]
    assert list(headers) == [("A", "1")]


def test_replacing_the_first_line_leaves_the_others_and_the_original() -> None:
    headers = Headers([("To", "x"), ("Via", "1"), ("v", "2")])

    replaced = headers.with_first_line("Via", "Via: 9")

    assert list(replaced) == [("To", "x"), ("Via", "9"), ("v", "2")]
    assert replaced.get_all("Via") == ["9", "2"]
    assert headers.get_all("Via") == ["1", "2"]


def test_removing_takes_away_long_and_short_names() -> None:
    headers = Headers([("Via", "1"), ("To", "x"), ("v", "2")])

    assert list(headers.without("Via")) == [("To", "x")]


def test_headers_are_equal_if_their_lines_are() -> None:
    assert Headers([("A", "1")]) == Headers([("A", "1")])
    assert hash(Headers([("A", "1")])) == hash(Headers([("A", "1")]))
    assert Headers([("A", "1")]) != Headers([("a", "1")])
    assert Headers() != "A: 1"


def test_headers_show_what_they_hold() -> None:
    assert repr(Headers([("A", "1")])) == "Headers([('A', '1')])"


@pytest.mark.parametrize(
    ("name", "key"),
    [
        ("Via", "via"),
        ("v", "via"),
        ("V", "via"),
        ("VIA ", "via"),
        ("L\t", "content-length"),
        ("X-Any", "x-any"),
        ("C%6Fntact", "c%6fntact"),
    ],
)
def test_key_is_the_long_name_in_lower_case(name: str, key: str) -> None:
    assert header_key(name) == key
