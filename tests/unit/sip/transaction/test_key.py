"""RFC 3261 17.1.3, 17.2.3, 18.2.2; RFC 3581 section 4."""

from __future__ import annotations

import pytest
from support.messages import EDGE, TCP_FLOW, make_request_of, make_response_of

from sip_edge.sip.fields import parse_via
from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.sip.transaction.key import client_key, origin_key, own_key, reply_flow, server_key


def key(method: str = "INVITE", **values: object) -> tuple[str, str, str, int]:
    return server_key(make_request_of(method, **values), method)


def test_same_branch_sent_by_and_method_are_one_transaction() -> None:
    assert key() == key(headers=[("Subject", "again")], uri="sip:other@203.0.113.10")


def test_sent_by_without_a_port_is_the_one_with_the_default_port() -> None:
    assert key(sent_by="198.51.100.7") == key(sent_by="198.51.100.7:5060")


def test_host_of_the_sent_by_ignores_case() -> None:
    assert key(sent_by="Proxy.Example.com") == key(sent_by="proxy.example.com")


@pytest.mark.parametrize(
    "other",
    [{"branch": "z9hG4bK-2"}, {"sent_by": "198.51.100.8:5060"}, {"sent_by": "198.51.100.7:5070"}],
)
def test_other_branch_host_or_port_is_another_transaction(other: dict[str, str]) -> None:
    assert key() != key(**other)


def test_cancel_with_the_same_branch_is_a_transaction_of_its_own() -> None:
    assert key("CANCEL") != key("INVITE")


def test_ack_is_looked_up_as_the_invite_that_it_ends() -> None:
    ack = make_request_of("ACK", to_tag="edge")
    assert server_key(ack, "INVITE") == key("INVITE")


@pytest.mark.parametrize("branch", [None, "1", "z9hG4bk-lower-case"])
def test_branch_without_the_cookie_is_matched_by_rfc_2543(branch: str | None) -> None:
    same = key(branch=branch)
    assert same == key(branch=branch)
    assert same != key(branch=branch, call_id="call-2")
    assert same != key(branch=branch, cseq=2)
    assert same != key(branch=branch, from_tag="somebody")
    assert same != key(branch=branch, uri="sip:else@203.0.113.10")


def test_rfc_2543_ack_matches_its_invite_although_its_to_has_a_tag() -> None:
    ack = make_request_of("ACK", branch=None, to_tag="edge")
    assert server_key(ack, "INVITE") == key("INVITE", branch=None)


def test_response_belongs_to_the_request_with_its_branch_and_method() -> None:
    bye = make_request_of("BYE", to_tag="callee")
    assert client_key(make_response_of(bye, 200)) == own_key(bye)


def test_response_to_a_cancel_does_not_belong_to_the_invite() -> None:
    cancel, invite = make_request_of("CANCEL"), make_request_of("INVITE")
    assert client_key(make_response_of(cancel, 200)) != own_key(invite)


def test_request_that_came_by_two_ways_has_one_origin() -> None:
    first = make_request_of("INVITE", branch="z9hG4bK-1", sent_by="192.0.2.1")
    second = make_request_of("INVITE", branch="z9hG4bK-2", sent_by="192.0.2.2")
    assert origin_key(first) == origin_key(second)


@pytest.mark.parametrize(
    ("via", "port"),
    [
        ("SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bK-1", 5080),
        ("SIP/2.0/UDP 192.0.2.1;branch=z9hG4bK-1", 5060),
        ("SIP/2.0/UDP 192.0.2.1:5080;branch=z9hG4bK-1;rport", 40000),
        ("SIP/2.0/UDP 192.0.2.1:5080;rport=40000;received=198.51.100.7", 40000),
        ("SIP/2.0/UDP 192.0.2.1;maddr=224.2.0.1;ttl=1;branch=z9hG4bK-1", 5060),
    ],
)
def test_response_over_udp_goes_to_the_source_host_at_the_port_that_via_wants(
    via: str, port: int
) -> None:
    flow = Flow(Transport.UDP, EDGE, Address("198.51.100.7", 40000), 0)
    assert reply_flow(parse_via(via), flow) == Flow(
        Transport.UDP, EDGE, Address("198.51.100.7", port), 0
    )


def test_response_over_a_stream_goes_back_on_it() -> None:
    via = parse_via("SIP/2.0/TCP 192.0.2.1:5080;branch=z9hG4bK-1")
    assert reply_flow(via, TCP_FLOW) is TCP_FLOW
