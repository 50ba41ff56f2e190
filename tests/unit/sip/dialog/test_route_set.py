"""RFC 3261 12.2.1.1, 16.12.1; 18.2.2 and RFC 3263 for what is followed."""

from __future__ import annotations

import pytest

from sip_edge.sip.dialog.route_set import next_hop, route_request
from sip_edge.sip.flow import NextHop, Transport
from sip_edge.sip.uri import SipUri, parse_uri

TARGET = parse_uri("sip:caller@10.0.0.1:5060;transport=udp")


def sip_uri(text: str) -> SipUri:
    uri = parse_uri(text)
    assert isinstance(uri, SipUri)
    return uri


def test_without_routes_the_target_is_the_request_uri_and_the_next_hop() -> None:
    routing = route_request(TARGET, ())
    assert routing.request_uri == "sip:caller@10.0.0.1:5060;transport=udp"
    assert (routing.routes, routing.first_uri) == ((), TARGET)


def test_loose_routes_stand_before_the_target() -> None:
    routes = ("<sip:192.0.2.1;lr>", '"p" <sip:192.0.2.2:5080;lr=on>;x=1')
    routing = route_request(TARGET, routes)
    assert routing.request_uri == "sip:caller@10.0.0.1:5060;transport=udp"
    assert routing.routes == routes
    assert str(routing.first_uri) == "sip:192.0.2.1;lr"


def test_strict_first_route_becomes_the_request_uri_and_the_target_the_last_route() -> None:
    routing = route_request(TARGET, ("<sip:192.0.2.1;method=INVITE?a=b>", "<sip:192.0.2.2;lr>"))
    assert routing.request_uri == "sip:192.0.2.1"
    assert routing.routes == (
        "<sip:192.0.2.2;lr>",
        "<sip:caller@10.0.0.1:5060;transport=udp>",
    )
    assert routing.first_uri is not None
    assert routing.first_uri.host == "192.0.2.1"


def test_target_loses_what_may_not_stand_in_a_request_uri() -> None:
    target = parse_uri("sip:caller@10.0.0.1;method=INVITE;x=1?Route=%3Csip:evil%3E")
    assert route_request(target, ()).request_uri == "sip:caller@10.0.0.1;x=1"


@pytest.mark.parametrize("target", ["tel:+12025550123", "urn:service:sos"])
def test_target_that_is_no_sip_uri_tells_no_next_hop(target: str) -> None:
    routing = route_request(parse_uri(target), ())
    assert (routing.request_uri, routing.first_uri) == (target, None)


def test_route_that_cannot_be_read_is_kept_and_tells_no_next_hop() -> None:
    routing = route_request(TARGET, ("<<sip:x",))
    assert (routing.routes, routing.first_uri) == (("<<sip:x",), None)


@pytest.mark.parametrize(
    ("uri", "expected"),
    [
        ("sip:192.0.2.1", NextHop("192.0.2.1", None, Transport.UDP)),
        ("sip:192.0.2.1:5080;transport=tcp", NextHop("192.0.2.1", 5080, Transport.TCP)),
        ("sip:edge.example.com;transport=TLS", NextHop("edge.example.com", None, Transport.TLS)),
        ("sips:edge.example.com;transport=tcp", NextHop("edge.example.com", None, Transport.TLS)),
        ("sip:[2001:db8::1]:5060", NextHop("2001:db8::1", 5060, Transport.UDP)),
        ("sip:192.0.2.1;transport=sctp", NextHop("192.0.2.1", None, Transport.UDP)),
        ("sip:192.0.2.1;maddr=198.51.100.99", NextHop("192.0.2.1", None, Transport.UDP)),
    ],
)
def test_next_hop_is_the_uri_with_its_transport_and_never_its_maddr(
    uri: str, expected: NextHop
) -> None:
    assert next_hop(sip_uri(uri), Transport.UDP, named_by="198.51.100.7") == expected


def test_next_hop_without_a_transport_takes_the_other_one_given() -> None:
    hop = next_hop(sip_uri("sip:10.0.0.1"), Transport.TCP, named_by="198.51.100.7")
    assert (hop.transport, hop.named_by) == (Transport.TCP, "198.51.100.7")
