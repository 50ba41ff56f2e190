"""Offers of the peer: RFC 3261 14.2, RFC 3311 5.2, RFC 5407 3.1.4, RFC 6141 4.3."""

from __future__ import annotations

import pytest
from support.messages import (
    ANSWER,
    OFFER,
    UDP_FLOW,
    Caller,
    make_endpoint,
    of_type,
    only,
    requests,
    responses,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import (
    Acknowledged,
    EndCause,
    OfferReceived,
    Send,
    SendTo,
    SessionEnded,
)
from sip_edge.sip.endpoint import Endpoint


def incoming(caller: Caller, **values: object) -> Endpoint:
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(**values), UDP_FLOW, 0.0)
    return endpoint


def established(caller: Caller, **values: object) -> Endpoint:
    endpoint = incoming(caller, **values)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.0)
    return endpoint


def test_re_invite_is_announced_and_answered_with_what_the_application_gives() -> None:
    caller = Caller()
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.0)
    assert statuses(effects) == [100]
    assert only(effects, OfferReceived).request.body == OFFER
    [answer] = responses(endpoint.accept_offer(1, ANSWER, 5.1))
    assert (answer.status, answer.body, str(answer.cseq)) == (200, ANSWER, "2 INVITE")
    assert answer.headers.get("Contact") == "<sip:w0@203.0.113.10:5060>"
    assert answer.to.tag == "edge-tag-1"


def test_answer_to_a_re_invite_is_repeated_until_its_ack() -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.0)
    endpoint.accept_offer(1, ANSWER, 5.0)
    assert [at for at, e in run_timers(endpoint, 9.0) if isinstance(e, Send)] == [5.5, 6.5, 8.5]
    effects = endpoint.receive_datagram(caller.ack(), UDP_FLOW, 9.0)
    assert only(effects, Acknowledged).request.cseq.number == 2
    assert of_type([e for _, e in run_timers(endpoint, 60.0)], Send) == []


def test_missing_ack_of_a_re_invite_ends_the_call() -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.0)
    endpoint.accept_offer(1, ANSWER, 5.0)
    happened = run_timers(endpoint, 37.0)
    assert happened[-1] == (37.0, SessionEnded(1, EndCause.NO_ACK, None))


def test_re_invite_without_a_body_asks_for_an_offer_that_the_ack_answers() -> None:
    caller = Caller()
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request("INVITE"), UDP_FLOW, 5.0)
    assert only(effects, OfferReceived).request.body == b""
    endpoint.accept_offer(1, OFFER, 5.0)
    effects = endpoint.receive_datagram(caller.ack(body=ANSWER), UDP_FLOW, 5.1)
    assert only(effects, Acknowledged).request.body == ANSWER


def test_refused_re_invite_leaves_the_call_as_it_was() -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.0)
    warning = '304 203.0.113.10 "No codec"'
    [refusal] = responses(endpoint.reject_offer(1, 488, 5.0, headers=[("Warning", warning)]))
    assert (refusal.status, refusal.headers.get("Warning")) == (488, warning)
    assert endpoint.sessions == 1


def test_retransmitted_re_invite_is_one_offer() -> None:
    caller = Caller()
    endpoint = established(caller)
    invite = caller.request("INVITE", body=OFFER)
    endpoint.receive_datagram(invite, UDP_FLOW, 5.0)
    effects = endpoint.receive_datagram(invite, UDP_FLOW, 5.5)
    assert (statuses(effects), of_type(effects, OfferReceived)) == ([100], [])


def test_second_invite_while_one_is_pending_gets_500_with_retry_after() -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.0)
    effects = endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.1)
    [refusal] = responses(effects)
    assert (refusal.status, refusal.headers.get("Retry-After")) == (500, "1")
    assert statuses(endpoint.accept_offer(1, ANSWER, 5.2)) == [200]


def test_second_invite_before_the_answer_to_the_first_gets_500_with_retry_after() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    effects = endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 0.1)
    [refusal] = responses(effects)
    assert refusal.status == 500
    assert "Retry-After" in refusal.headers
    assert statuses(endpoint.answer(1, ANSWER, 0.2)) == [200]


def test_re_invite_that_overtakes_the_ack_is_an_offer_like_any_other() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.answer(1, ANSWER, 0.0)
    effects = endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 0.1)
    only(effects, OfferReceived)


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_offer_while_ours_waits_for_its_answer_gets_491(method: str) -> None:
    caller = Caller()
    endpoint = incoming(caller, body=b"")
    endpoint.answer(1, OFFER, 0.0)
    effects = endpoint.receive_datagram(caller.request(method, body=OFFER), UDP_FLOW, 0.1)
    assert statuses(effects) == [491]
    assert of_type(effects, OfferReceived) == []


def test_peer_that_never_acknowledges_is_told_to_wait() -> None:
    caller = Caller()
    endpoint = established(caller)
    for _ in range(4):
        endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.0)
        endpoint.accept_offer(1, ANSWER, 5.0)
    effects = endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.1)
    assert statuses(effects) == [491]


def test_update_with_an_offer_is_announced_and_answered() -> None:
    caller = Caller()
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request("UPDATE", body=OFFER), UDP_FLOW, 5.0)
    assert statuses(effects) == []
    assert only(effects, OfferReceived).request.method == "UPDATE"
    [answer] = responses(endpoint.accept_offer(1, ANSWER, 5.0))
    assert (answer.status, answer.body) == (200, ANSWER)
    assert answer.headers.get("Content-Type") == "application/sdp"
    assert of_type([e for _, e in run_timers(endpoint, 100.0)], Send) == []


def test_update_without_a_body_is_a_refresh() -> None:
    caller = Caller()
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request("UPDATE"), UDP_FLOW, 5.0)
    [answer] = responses(effects)
    assert (answer.status, answer.body) == (200, b"")
    assert answer.headers.get("Contact") == "<sip:w0@203.0.113.10:5060>"
    assert "Content-Type" not in answer.headers
    assert of_type(effects, OfferReceived) == []


@pytest.mark.parametrize("first", ["UPDATE", "INVITE"])
def test_update_while_an_offer_is_pending_gets_500_with_retry_after(first: str) -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request(first, body=OFFER), UDP_FLOW, 5.0)
    effects = endpoint.receive_datagram(caller.request("UPDATE", body=OFFER), UDP_FLOW, 5.1)
    [refusal] = responses(effects)
    assert refusal.status == 500
    assert "Retry-After" in refusal.headers


def test_update_with_an_offer_before_the_answer_gets_500_with_retry_after() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    effects = endpoint.receive_datagram(caller.request("UPDATE", body=OFFER), UDP_FLOW, 0.1)
    assert statuses(effects) == [500]


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_accepted_offer_moves_the_remote_target(method: str) -> None:
    caller = Caller()
    endpoint = established(caller)
    moved = caller.request(method, body=OFFER, contact="<sip:caller@198.51.100.99:5062>")
    endpoint.receive_datagram(moved, UDP_FLOW, 5.0)
    endpoint.accept_offer(1, ANSWER, 5.0)
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 5.1)
    effects = endpoint.hang_up(1, 6.0)
    assert requests(effects)[0].uri == "sip:caller@198.51.100.99:5062"
    assert only(effects, SendTo).hop.host == "198.51.100.99"


def test_refresh_moves_the_remote_target() -> None:
    caller = Caller()
    endpoint = established(caller)
    moved = caller.request("UPDATE", contact="<sip:caller@198.51.100.99>")
    endpoint.receive_datagram(moved, UDP_FLOW, 5.0)
    assert requests(endpoint.hang_up(1, 6.0))[0].uri == "sip:caller@198.51.100.99"


def test_refused_offer_does_not_move_the_remote_target() -> None:
    caller = Caller()
    endpoint = established(caller)
    moved = caller.request("INVITE", body=OFFER, contact="<sip:caller@198.51.100.99>")
    endpoint.receive_datagram(moved, UDP_FLOW, 5.0)
    endpoint.reject_offer(1, 488, 5.0)
    assert requests(endpoint.hang_up(1, 6.0))[0].uri == "sip:caller@198.51.100.7:5060"


def test_cancel_of_a_re_invite_ends_it_and_not_the_call() -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(
        caller.request("INVITE", body=OFFER, branch="z9hG4bK-re"), UDP_FLOW, 5.0
    )
    cancel = caller.cancel(branch="z9hG4bK-re", to_tag="edge-tag-1")
    effects = endpoint.receive_datagram(cancel, UDP_FLOW, 5.1)
    assert [(r.status, r.cseq.method) for r in responses(effects)] == [
        (200, "CANCEL"),
        (487, "INVITE"),
    ]
    assert endpoint.sessions == 1
    assert endpoint.accept_offer(1, ANSWER, 5.2) == []


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_bye_while_an_offer_is_pending_ends_that_with_487(method: str) -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request(method, body=OFFER), UDP_FLOW, 5.0)
    effects = endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 5.1)
    assert [(r.status, r.cseq.method) for r in responses(effects)] == [
        (200, "BYE"),
        (487, method),
    ]
    settle(endpoint, 5.1)


def test_our_bye_while_an_offer_is_pending_ends_that_with_487() -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 5.0)
    effects = endpoint.hang_up(1, 5.1)
    assert statuses(effects) == [487]
    assert [request.method for request in requests(effects)] == ["BYE"]
    settle(endpoint, 5.1)


def test_answering_an_offer_that_nobody_made_does_nothing() -> None:
    endpoint = established(Caller())
    assert endpoint.accept_offer(1, ANSWER, 5.0) == []
    assert endpoint.reject_offer(1, 488, 5.0) == []
