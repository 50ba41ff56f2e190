"""RFC 3261 9.1 and 17.1.1.3."""

from __future__ import annotations

from support.messages import OFFER, make_request_of, make_response_of

from sip_edge.sip.transaction.hop_by_hop import ack_for_failure, cancel_for

INVITE = make_request_of(
    "INVITE", headers=[("Route", "<sip:192.0.2.1;lr>"), ("Require", "something")], body=OFFER
)


def test_cancel_copies_what_names_the_invite_and_nothing_else() -> None:
    cancel = cancel_for(INVITE, [("Reason", "SIP;cause=200")])
    assert [f"{name}: {value}" for name, value in cancel.headers] == [
        "Via: SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-1",
        "Max-Forwards: 70",
        "Route: <sip:192.0.2.1;lr>",
        "From: <sip:+12025550123@198.51.100.7>;tag=caller",
        "To: <sip:+12025550199@203.0.113.10>",
        "Call-ID: call-1",
        "CSeq: 1 CANCEL",
        "Reason: SIP;cause=200",
        "Content-Length: 0",
    ]
    assert (cancel.method, cancel.uri) == ("CANCEL", INVITE.uri)


def test_ack_for_an_error_has_the_to_of_the_response() -> None:
    ack = ack_for_failure(INVITE, make_response_of(INVITE, 404, to_tag="nobody"))
    assert ack.headers.get("To") == "<sip:+12025550199@203.0.113.10>;tag=nobody"
    assert (ack.method, str(ack.cseq), ack.uri) == ("ACK", "1 ACK", INVITE.uri)
