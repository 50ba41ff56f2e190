"""Reading telephone numbers out of URIs, as carriers write them."""

from __future__ import annotations

import pytest

from sip_edge.routing.number import called_number, caller_number, normalise
from sip_edge.sip.uri import parse_uri


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        pytest.param("+12025550199", None, "+12025550199", id="E.164"),
        pytest.param("+12025550199", "DE", "+12025550199", id="E.164 whatever the country"),
        pytest.param("12025550199", "US", "+12025550199", id="E.164 without plus"),
        pytest.param("12025550199", None, "+12025550199", id="without plus, without country"),
        pytest.param("2025550199", "US", "+12025550199", id="national"),
        pytest.param("2025550199", "us", "+12025550199", id="country in small letters"),
        pytest.param("%2B12025550199", "US", "+12025550199", id="escaped plus"),
        pytest.param("%2b1%32025550199", None, "+12025550199", id="escaped digit"),
        pytest.param("+1-202-555-0199", None, "+12025550199", id="hyphens"),
        pytest.param("+1.202.555.0199", None, "+12025550199", id="dots"),
        pytest.param("(202) 555-0199", "US", "+12025550199", id="as people write it"),
        pytest.param("+1 (202) 555-0199", None, "+12025550199", id="as people write it, with plus"),
        pytest.param(" +12025550199 ", None, "+12025550199", id="blanks around"),
        pytest.param("+12025550199;npdi", None, "+12025550199", id="parameter"),
        pytest.param("12025550199;rn=+12025550100;npdi", "US", "+12025550199", id="ported"),
        pytest.param("tel:+1-202-555-0199", None, "+12025550199", id="tel URI as text"),
        pytest.param("5550199;phone-context=+1202", "US", "+12025550199", id="local with context"),
        pytest.param("2025550199;phone-context=+1", None, "+12025550199", id="national, context"),
        pytest.param("2025550199;phone-context=example.com", "US", "+12025550199", id="domain"),
        pytest.param("011442079460000", "US", "+442079460000", id="international prefix of US"),
        pytest.param("00442079460000", "DE", "+442079460000", id="international prefix of DE"),
        pytest.param("+44 (0)20 7946 0000", None, "+442079460000", id="zero for callers inside"),
        pytest.param("02079460000", "GB", "+442079460000", id="national prefix"),
        pytest.param("2079460000", "GB", "+442079460000", id="national prefix left out"),
        pytest.param("0612345678", "IT", "+390612345678", id="a zero that belongs to the number"),
        pytest.param("89161234567", "RU", "+79161234567", id="national prefix other than zero"),
    ],
)
def test_all_ways_of_writing_a_number_become_e164(
    text: str, country: str | None, number: str
) -> None:
    assert normalise(text, country) == number


@pytest.mark.parametrize(
    ("text", "country", "number"),
    [
        pytest.param("442079460000", "US", "+442079460000", id="too long for the country"),
        pytest.param("6561234567", "US", "+6561234567", id="invalid here, valid in Singapore"),
        pytest.param("2025550199", "US", "+12025550199", id="valid here, invalid in Egypt"),
        pytest.param("4930123456", "DE", "+4930123456", id="calling code before anything else"),
        pytest.param("030123456", "DE", "+4930123456", id="prefix makes it national"),
        pytest.param("04941123456", "DE", "+494941123456", id="prefix guards an ambiguous one"),
        pytest.param("15551234567", "US", "+15551234567", id="possible is enough"),
        pytest.param("1234567", "DE", "+491234567", id="possible only as a national number"),
        pytest.param("12025550199", "XX", "+12025550199", id="a country that does not exist"),
    ],
)
def test_ambiguous_numbers_are_read_by_the_documented_order(
    text: str, country: str, number: str
) -> None:
    assert normalise(text, country) == number


@pytest.mark.parametrize(
    "text",
    [
        "",
        "+",
        ";",
        "anonymous",
        "sip",
        "agent7",
        "100",
        "911",
        "112",
        "5550199",
        "+100",
        "+0123456789",
        "+1234567890123456",
        "1" * 21,
        "1" * 1000,
        "+1" * 40,
        "*72",
        "12025550199#",
        "1202555019A",
        "+1202555019x",
        "++12025550199",
        "1+2025550199",
        "\uff12\uff10\uff12\uff15\uff15\uff15\uff10\uff11\uff19\uff19",
        "+1\u0662\u0660\u0662\u0665\u0665\u0665\u0660\u0661\u0669\u0669",
        "%",
        "%FF%FE",
        "12025550199@host",
        "-.()",
        "00000000000",
    ],
)
def test_what_is_no_telephone_number_is_none(text: str) -> None:
    assert normalise(text, "US") is None


def test_without_a_country_a_national_number_is_not_guessed_at() -> None:
    assert normalise("0302345678", None) is None


@pytest.mark.parametrize(
    ("uris", "number"),
    [
        pytest.param(["sip:+12025550199@voice.example.com:5060"], "+12025550199", id="twilio"),
        pytest.param(["sip:12025550199@203.0.113.10;transport=tcp"], "+12025550199", id="telnyx"),
        pytest.param(["sip:2025550199@203.0.113.10;user=phone"], "+12025550199", id="user=phone"),
        pytest.param(["sips:%2B12025550199@voice.example.com"], "+12025550199", id="escaped"),
        pytest.param(["sip:+12025550199;npdi;rn=+12025550100@gw"], "+12025550199", id="ported"),
        pytest.param(["sip:+12025550199:secret@gw"], "+12025550199", id="password"),
        pytest.param(["tel:+1-202-555-0199"], "+12025550199", id="tel"),
        pytest.param(["tel:555-0199;phone-context=+1202"], "+12025550199", id="local tel"),
        pytest.param(
            ["tel:2025550199;phone-context=example.com"], "+12025550199", id="tel, domain"
        ),
        pytest.param(
            ["sip:edge@voice.example.com", "sip:+12025550199@voice.example.com"],
            "+12025550199",
            id="fixed user, number in To",
        ),
        pytest.param(
            ["sip:voice.example.com", "sip:edge@voice.example.com", "sip:+12025550199@twilio.com"],
            "+12025550199",
            id="number in Diversion only",
        ),
        pytest.param(
            ["sip:+12025550199@edge", "sip:+12025550100@edge", "sip:+12025550101@edge"],
            "+12025550199",
            id="the first wins",
        ),
        pytest.param(["sip:100@edge", "sip:+12025550199@edge"], "+12025550199", id="extension"),
        pytest.param(["mailto:12025550199@example.com"], None, id="another scheme"),
        pytest.param(["sip:anonymous@anonymous.invalid"], None, id="no number at all"),
        pytest.param([], None, id="nothing"),
    ],
)
def test_called_number_is_the_first_that_is_a_telephone_number(
    uris: list[str], number: str | None
) -> None:
    assert called_number([parse_uri(uri) for uri in uris], "US") == number


@pytest.mark.parametrize(
    "uri",
    [
        "sip:anonymous@anonymous.invalid",
        "sip:Unavailable@203.0.113.10",
        "sip:+266696687@example.pstn.twilio.com",
        "sip:+86282452253@example.pstn.twilio.com",
        "tel:+7378742883",
    ],
)
def test_withheld_callers_have_no_number(uri: str) -> None:
    assert caller_number([parse_uri(uri)], "US") is None


def test_caller_number_is_read_as_a_called_one_is() -> None:
    assert caller_number([parse_uri("sip:2025550123@sip.telnyx.com")], "US") == "+12025550123"
