"""RFC 3261 8.2.1 to 8.2.3."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.messages import OFFER, make_request_of

from sip_edge.sip.inspection import (
    Rejection,
    inspect_accept,
    inspect_content,
    inspect_extensions,
    inspect_hops,
    inspect_method,
)
from sip_edge.sip.settings import EndpointSettings

SETTINGS = EndpointSettings(
    public_host="203.0.113.10", public_port=5060, contact_user="w0", user_agent="edge"
)
ALLOW = ("Allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY")


@pytest.mark.parametrize("method", SETTINGS.allow)
def test_allowed_methods_pass(method: str) -> None:
    assert inspect_method(make_request_of(method), SETTINGS) is None


@pytest.mark.parametrize("method", ["REGISTER", "MESSAGE", "SUBSCRIBE", "PUBLISH", "REFER"])
def test_methods_that_we_know_but_do_not_have_get_405_with_allow(method: str) -> None:
    assert inspect_method(make_request_of(method), SETTINGS) == Rejection(405, (ALLOW,))


@pytest.mark.parametrize("method", ["NEWMETHOD", "invite", "RE%47IST%45R"])
def test_methods_that_nobody_knows_get_501_with_allow(method: str) -> None:
    assert inspect_method(make_request_of(method), SETTINGS) == Rejection(501, (ALLOW,))


def test_unknown_scheme_gets_416() -> None:
    request = make_request_of("OPTIONS", uri="soap.beep://192.0.2.103:3002")
    assert inspect_method(request, SETTINGS) == Rejection(416)


@pytest.mark.parametrize("uri", ["sips:+12025550199@203.0.113.10", "tel:+12025550199"])
def test_schemes_of_telephone_calls_pass(uri: str) -> None:
    assert inspect_method(make_request_of("INVITE", uri=uri), SETTINGS) is None


@pytest.mark.parametrize("uri", ["sips:+12025550199@203.0.113.10", "SIPS:w0@203.0.113.10:5061"])
def test_sips_gets_416_where_there_is_no_tls(uri: str) -> None:
    settings = replace(SETTINGS, has_tls=False)
    assert inspect_method(make_request_of("INVITE", uri=uri), settings) == Rejection(416)
    assert inspect_method(make_request_of("INVITE"), settings) is None


def test_method_is_inspected_before_the_scheme() -> None:
    request = make_request_of("REGISTER", uri="soap.beep://192.0.2.103:3002")
    assert inspect_method(request, SETTINGS) == Rejection(405, (ALLOW,))


def test_request_without_a_hop_left_gets_483() -> None:
    assert inspect_hops(make_request_of("INVITE", max_forwards=0)) == Rejection(483)
    assert inspect_hops(make_request_of("INVITE", max_forwards=1)) is None


def test_required_options_that_we_lack_get_420_and_are_listed() -> None:
    request = make_request_of(
        "OPTIONS", headers=[("Require", "foo, bar"), ("Require", "TIMER"), ("Proxy-Require", "x")]
    )
    settings = EndpointSettings(
        public_host="203.0.113.10",
        public_port=5060,
        contact_user="w0",
        user_agent="edge",
        supported=("timer",),
    )
    expected = Rejection(420, (("Unsupported", "foo, bar"),))
    assert inspect_extensions(request, settings) == expected


def test_nothing_required_passes() -> None:
    assert inspect_extensions(make_request_of("INVITE"), SETTINGS) is None


@pytest.mark.parametrize(
    "content_type", ["application/sdp", "Application/SDP; charset=utf-8", "multipart/mixed;b=x"]
)
def test_session_descriptions_pass(content_type: str) -> None:
    request = make_request_of("INVITE", content_type=content_type, body=OFFER)
    assert inspect_content(request, SETTINGS) is None


def test_request_without_a_body_passes_whatever_its_content_type() -> None:
    request = make_request_of("INVITE", headers=[("Content-Type", "text/plain")])
    assert inspect_content(request, SETTINGS) is None


@pytest.mark.parametrize("content_type", ["application/unknownformat", None])
def test_other_bodies_get_415_with_accept(content_type: str | None) -> None:
    request = make_request_of("INVITE", content_type=content_type, body=OFFER)
    expected = Rejection(415, (("Accept", "application/sdp, multipart/mixed"),))
    assert inspect_content(request, SETTINGS) == expected


def test_body_that_may_be_ignored_passes() -> None:
    request = make_request_of(
        "INVITE",
        content_type="application/isup",
        body=b"\x01",
        headers=[("Content-Disposition", "signal ; handling=optional")],
    )
    assert inspect_content(request, SETTINGS) is None


def test_encoded_body_gets_415_with_accept_encoding() -> None:
    request = make_request_of("INVITE", body=OFFER, headers=[("Content-Encoding", "gzip")])
    expected = Rejection(415, (("Accept-Encoding", "identity"),))
    assert inspect_content(request, SETTINGS) == expected


def test_identity_is_no_encoding() -> None:
    request = make_request_of("INVITE", body=OFFER, headers=[("Content-Encoding", "Identity")])
    assert inspect_content(request, SETTINGS) is None


@pytest.mark.parametrize(
    "accept", ["application/sdp", "text/plain, application/SDP;level=1", "*/*", "application/*"]
)
def test_caller_that_reads_session_descriptions_passes(accept: str) -> None:
    assert inspect_accept(make_request_of("INVITE", headers=[("Accept", accept)])) is None


def test_caller_that_says_nothing_about_what_it_reads_passes() -> None:
    assert inspect_accept(make_request_of("INVITE")) is None


@pytest.mark.parametrize("accept", ["text/nobodyKnowsThis", ""])
def test_caller_that_reads_no_session_descriptions_gets_406(accept: str) -> None:
    request = make_request_of("INVITE", headers=[("Accept", accept)])
    assert inspect_accept(request) == Rejection(406)
