"""RFC 3261 8.2, 9.2, 11.2, 12.2.2: which answer a request gets, and whether it becomes a call."""

from __future__ import annotations

import pytest
from support.messages import (
    ANSWER,
    CALLER_HOP,
    EDGE,
    OFFER,
    TCP_FLOW,
    UDP_FLOW,
    Caller,
    make_endpoint,
    of_type,
    only,
    request_bytes,
    requests,
    responses,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import Acknowledged, Event, InviteReceived, Noted, Send
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.sip.message import Response


def ask(endpoint: Endpoint, method: str, **values: object) -> Response:
    """The one response to a request outside any dialog."""
    data = request_bytes(method, **values)  # type: ignore[arg-type]
    [response] = responses(endpoint.receive_datagram(data, UDP_FLOW, 0.0))
    return response


def test_options_say_what_we_can_do() -> None:
    response = ask(make_endpoint(), "OPTIONS")
    assert response.status == 200
    assert response.headers.get("Accept") == "application/sdp, multipart/mixed"
    assert response.headers.get("Supported") == "timer, 100rel"
    assert response.headers.get("Allow") == (
        "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY"
    )
    assert response.to.tag == "edge-tag-1"


def test_options_over_tcp_leave_nothing_behind() -> None:
    endpoint = make_endpoint()
    endpoint.receive_datagram(request_bytes("OPTIONS", transport="TCP"), TCP_FLOW, 0.0)
    assert (endpoint.transactions, endpoint.next_timeout()) == (0, None)


def test_unavailable_endpoint_tells_options_so_without_retry_after() -> None:
    endpoint = make_endpoint()
    endpoint.unavailable = True
    response = ask(endpoint, "OPTIONS")
    assert response.status == 503
    assert "Retry-After" not in response.headers


class OnlyOnce:
    """Lets one new thing begin and remembers who asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def __call__(self, host: str, now: float) -> bool:
        self.asked.append(host)
        return len(self.asked) == 1


def test_request_that_begins_one_thing_too_many_gets_503_and_leaves_nothing_behind() -> None:
    endpoint = make_endpoint()
    endpoint.limit(OnlyOnce())
    endpoint.receive_datagram(request_bytes("INVITE", body=OFFER), UDP_FLOW, 0.0)
    before = (endpoint.transactions, endpoint.sessions)
    for method in ("INVITE", "OPTIONS"):
        data = request_bytes(method, branch=f"z9hG4bK-{method}", call_id=method, body=OFFER)
        effects = endpoint.receive_datagram(data, UDP_FLOW, 0.1)
        assert statuses(effects) == [503]
        assert Noted(Event.RATE_LIMIT) in effects
    assert (endpoint.transactions, endpoint.sessions) == before


def test_nothing_that_belongs_to_a_call_is_asked_whether_it_may_begin() -> None:
    caller, once = Caller(), OnlyOnce()
    endpoint = make_endpoint()
    endpoint.limit(once)
    invite = caller.invite()
    endpoint.receive_datagram(invite, UDP_FLOW, 0.0)
    assert statuses(endpoint.receive_datagram(invite, UDP_FLOW, 0.1)) == [100]
    assert statuses(endpoint.answer(1, ANSWER, 0.2)) == [200]
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.3)
    assert statuses(endpoint.receive_datagram(caller.request("INFO"), UDP_FLOW, 0.4)) == [200]
    assert statuses(endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 0.5)) == [200]
    assert once.asked == ["198.51.100.7"]


def test_cancel_is_never_one_too_many() -> None:
    caller, once = Caller(), OnlyOnce()
    endpoint = make_endpoint()
    endpoint.limit(once)
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    assert statuses(endpoint.receive_datagram(caller.cancel(), UDP_FLOW, 0.1)) == [200, 487]
    assert len(once.asked) == 1


def test_call_to_an_unavailable_endpoint_is_the_applications_to_refuse() -> None:
    endpoint = make_endpoint()
    endpoint.unavailable = True
    effects = endpoint.receive_datagram(request_bytes("INVITE", body=OFFER), UDP_FLOW, 0.0)
    assert any(isinstance(effect, InviteReceived) for effect in effects)


def test_unavailable_endpoint_goes_on_with_the_calls_that_it_has() -> None:
    caller = Caller()
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.unavailable = True
    assert endpoint.unavailable
    assert statuses(endpoint.answer(1, ANSWER, 0.1)) == [200]
    effects = endpoint.receive_datagram(caller.request("OPTIONS"), UDP_FLOW, 0.2)
    assert statuses(effects) == [200]


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "NOTIFY"])
def test_requests_that_need_a_dialog_get_481_without_one(method: str) -> None:
    assert ask(make_endpoint(), method).status == 481


@pytest.mark.parametrize("method", ["INVITE", "BYE", "INFO", "UPDATE", "OPTIONS", "NOTIFY"])
def test_request_of_an_unknown_dialog_gets_481_and_is_no_new_call(method: str) -> None:
    endpoint = make_endpoint()
    data = request_bytes(method, to_tag="nobody")
    effects = endpoint.receive_datagram(data, UDP_FLOW, 0.0)
    assert statuses(effects) == [481]
    assert Noted(Event.UNKNOWN_DIALOG) in effects
    assert responses(effects)[0].to.tag == "nobody"
    settle(endpoint, 0.0)


@pytest.mark.parametrize(("method", "status"), [("REGISTER", 405), ("FOO", 501)])
def test_method_is_inspected_before_the_dialog(method: str, status: int) -> None:
    response = ask(make_endpoint(), method, to_tag="nobody")
    assert response.status == status
    assert "Allow" in response.headers


@pytest.mark.parametrize(
    ("values", "status"),
    [
        ({"uri": "nobodyKnowsThis:x"}, 416),
        ({"max_forwards": 0}, 483),
        ({"headers": [("Require", "foo")]}, 420),
        ({"content_type": "text/plain", "body": b"x"}, 415),
        ({"headers": [("Accept", "text/plain")]}, 406),
    ],
)
def test_invite_that_fails_an_inspection_is_no_call(values: dict[str, object], status: int) -> None:
    endpoint = make_endpoint()
    effects = endpoint.receive_datagram(
        request_bytes("INVITE", **values),  # type: ignore[arg-type]
        UDP_FLOW,
        0.0,
    )
    assert statuses(effects) == [status]
    assert of_type(effects, InviteReceived) == []
    settle(endpoint, 0.0)


@pytest.mark.parametrize(
    ("worse", "better", "status"),
    [
        ({"uri": "foo:x"}, {"max_forwards": 0}, 416),
        ({"max_forwards": 0}, {"headers": [("Require", "foo")]}, 483),
        ({"headers": [("Require", "foo")]}, {"content_type": "a/b", "body": b"x"}, 420),
        ({"content_type": "a/b", "body": b"x"}, {"headers": [("Accept", "a/b")]}, 415),
    ],
)
def test_inspections_come_in_the_order_of_the_rfc(
    worse: dict[str, object], better: dict[str, object], status: int
) -> None:
    assert ask(make_endpoint(), "INVITE", **{**better, **worse}).status == status


def test_options_with_a_body_that_we_cannot_read_are_answered_all_the_same() -> None:
    assert ask(make_endpoint(), "OPTIONS", content_type="a/b", body=b"x").status == 200


def test_request_that_comes_by_two_ways_is_one_call_and_gets_482() -> None:
    endpoint = make_endpoint()
    first = request_bytes("INVITE", branch="z9hG4bK-way-1", sent_by="192.0.2.1")
    second = request_bytes("INVITE", branch="z9hG4bK-way-2", sent_by="192.0.2.2")
    endpoint.receive_datagram(first, UDP_FLOW, 0.0)
    effects = endpoint.receive_datagram(second, UDP_FLOW, 0.1)
    assert statuses(effects) == [482]
    assert Noted(Event.MERGED_REQUEST) in effects
    assert endpoint.sessions == 1


def test_merged_request_is_told_even_long_after_the_answer() -> None:
    caller = Caller()
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.0)
    run_timers(endpoint, 100.0)
    effects = endpoint.receive_datagram(caller.invite(branch="z9hG4bK-else"), UDP_FLOW, 100.0)
    assert statuses(effects) == [482]


def test_proxy_that_tries_its_next_route_after_a_refusal_makes_a_new_attempt() -> None:
    caller = Caller()
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.reject(1, 503, 0.1)
    endpoint.receive_datagram(caller.ack_error(), UDP_FLOW, 0.2)
    effects = endpoint.receive_datagram(caller.invite(branch="z9hG4bK-next"), UDP_FLOW, 0.3)
    assert only(effects, InviteReceived).session == 2
    run_timers(endpoint, 10.0)
    effects = endpoint.receive_datagram(caller.invite(branch="z9hG4bK-third"), UDP_FLOW, 10.0)
    assert statuses(effects) == [482]


def test_merged_options_get_482_while_the_first_is_remembered() -> None:
    endpoint = make_endpoint()
    assert ask(endpoint, "OPTIONS", branch="z9hG4bK-way-1").status == 200
    assert ask(endpoint, "OPTIONS", branch="z9hG4bK-way-2").status == 482
    run_timers(endpoint, 40.0)
    assert ask(endpoint, "OPTIONS", branch="z9hG4bK-way-3").status == 200


def test_same_call_id_from_another_caller_is_another_call() -> None:
    endpoint = make_endpoint()
    endpoint.receive_datagram(Caller().invite(branch="z9hG4bK-1"), UDP_FLOW, 0.0)
    other = Caller(from_tag="somebody-else").invite(branch="z9hG4bK-2")
    only(endpoint.receive_datagram(other, UDP_FLOW, 0.1), InviteReceived)
    assert endpoint.sessions == 2


def test_request_of_ours_that_comes_back_gets_482() -> None:
    endpoint = make_endpoint()
    _, effects = endpoint.invite(
        uri="sip:x@198.51.100.7",
        from_="<sip:edge@203.0.113.10>",
        to="<sip:x@198.51.100.7>",
        hop=CALLER_HOP,
        sdp=OFFER,
        now=0.0,
    )
    [invite] = requests(effects)
    looped = request_bytes("INVITE", headers=[("Via", invite.headers.get("Via") or "")])
    response_effects = endpoint.receive_datagram(looped, UDP_FLOW, 0.1)
    assert statuses(response_effects) == [482]
    assert endpoint.sessions == 1


def test_vias_that_cannot_be_read_are_no_loop() -> None:
    endpoint = make_endpoint()
    endpoint.invite(
        uri="sip:x@198.51.100.7",
        from_="<sip:edge@203.0.113.10>",
        to="<sip:x@198.51.100.7>",
        hop=CALLER_HOP,
        sdp=OFFER,
        now=0.0,
    )
    odd = request_bytes("INVITE", headers=[("Via", "nonsense")])
    only(endpoint.receive_datagram(odd, UDP_FLOW, 0.1), InviteReceived)


def test_cancel_without_its_invite_gets_481() -> None:
    assert ask(make_endpoint(), "CANCEL").status == 481


def test_cancel_of_an_invite_that_was_refused_gets_200_and_its_tag() -> None:
    endpoint = make_endpoint(max_sessions=0)
    refused = ask(endpoint, "INVITE")
    cancelled = ask(endpoint, "CANCEL")
    assert (refused.status, cancelled.status) == (503, 200)
    assert refused.to.tag == cancelled.to.tag == "edge-tag-1"


def test_cancel_of_another_request_than_invite_gets_481() -> None:
    endpoint = make_endpoint()
    assert ask(endpoint, "OPTIONS").status == 200
    assert ask(endpoint, "CANCEL").status == 481


def test_ack_that_belongs_to_nothing_is_noted_and_not_answered() -> None:
    effects = make_endpoint().receive_datagram(request_bytes("ACK", to_tag="nobody"), UDP_FLOW, 0.0)
    assert effects == [Noted(Event.STRAY_ACK)]


@pytest.mark.parametrize("method", ["INVITE", "INFO", "FOO"])
def test_request_of_an_unknown_dialog_takes_no_transaction(method: str) -> None:
    endpoint = make_endpoint()
    ask(endpoint, method, to_tag="nobody")
    ack = request_bytes("ACK", to_tag="nobody")
    assert of_type(endpoint.receive_datagram(ack, UDP_FLOW, 0.1), Send) == []
    assert (endpoint.transactions, endpoint.next_timeout()) == (0, None)


def test_response_goes_to_the_source_at_the_port_of_the_via_without_rport() -> None:
    source = Flow(Transport.UDP, EDGE, Address("198.51.100.7", 40000), 0)
    effects = make_endpoint().receive_datagram(
        request_bytes("OPTIONS", sent_by="10.0.0.1:5080"), source, 0.0
    )
    assert only(effects, Send).flow.remote == Address("198.51.100.7", 5080)


def test_response_goes_to_the_source_port_with_rport_and_says_what_it_saw() -> None:
    source = Flow(Transport.UDP, EDGE, Address("198.51.100.7", 40000), 0)
    data = request_bytes("OPTIONS", sent_by="10.0.0.1:5080", via_params=";rport")
    effects = make_endpoint().receive_datagram(data, source, 0.0)
    assert only(effects, Send).flow.remote == Address("198.51.100.7", 40000)
    via = responses(effects)[0].top_via
    assert (via.received, via.rport) == ("198.51.100.7", "40000")


def test_maddr_is_never_followed() -> None:
    data = request_bytes("OPTIONS", via_params=";maddr=239.255.255.1;ttl=16")
    effects = make_endpoint().receive_datagram(data, UDP_FLOW, 0.0)
    assert only(effects, Send).flow == UDP_FLOW


def test_response_over_tcp_goes_back_on_the_connection() -> None:
    data = request_bytes("OPTIONS", transport="TCP", sent_by="10.0.0.1:5080")
    effects = make_endpoint().receive_datagram(data, TCP_FLOW, 0.0)
    assert only(effects, Send).flow == TCP_FLOW


def test_vias_are_echoed_in_their_order() -> None:
    data = request_bytes("OPTIONS", headers=[("v", "SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK-b")])
    [response] = responses(make_endpoint().receive_datagram(data, UDP_FLOW, 0.0))
    assert response.headers.get_all("Via") == [
        "SIP/2.0/UDP 198.51.100.7:5060;branch=z9hG4bK-1",
        "SIP/2.0/UDP 10.0.0.2;branch=z9hG4bK-b",
    ]


def test_rfc_2543_call_without_branch_and_tag_is_set_up_and_torn_down() -> None:
    endpoint = make_endpoint()
    old = {"branch": None, "from_tag": None, "contact": None}
    invite = request_bytes("INVITE", body=OFFER, **old)  # type: ignore[arg-type]
    endpoint.receive_datagram(invite, UDP_FLOW, 0.0)
    assert statuses(endpoint.receive_datagram(invite, UDP_FLOW, 0.5)) == [100]
    endpoint.answer(1, ANSWER, 1.0)
    ack = request_bytes("ACK", to_tag="edge-tag-1", **old)  # type: ignore[arg-type]
    only(endpoint.receive_datagram(ack, UDP_FLOW, 1.1), Acknowledged)
    assert requests(endpoint.hang_up(1, 2.0))[0].uri == "sip:+12025550123@198.51.100.7"


def test_caller_over_the_session_limit_gets_503_and_nobody_else_notices() -> None:
    endpoint = make_endpoint(max_sessions=1)
    endpoint.receive_datagram(Caller().invite(), UDP_FLOW, 0.0)
    second = Caller(call_id="call-2").invite(branch="z9hG4bK-second")
    effects = endpoint.receive_datagram(second, UDP_FLOW, 0.1)
    assert statuses(effects) == [503]
    assert Noted(Event.SESSION_LIMIT) in effects
    assert statuses(endpoint.answer(1, ANSWER, 0.2)) == [200]


def test_request_over_the_transaction_limit_gets_503_without_a_transaction() -> None:
    endpoint = make_endpoint(max_transactions=1)
    ask(endpoint, "OPTIONS")
    data = request_bytes("INVITE", branch="z9hG4bK-2", call_id="call-2")
    effects = endpoint.receive_datagram(data, UDP_FLOW, 0.1)
    assert statuses(effects) == [503]
    assert Noted(Event.TRANSACTION_LIMIT) in effects
    assert endpoint.transactions == 1


def test_bye_is_taken_beyond_the_transaction_limit() -> None:
    caller = Caller()
    endpoint = make_endpoint(max_transactions=4)
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.0)
    for number in range(3):
        ask(endpoint, "OPTIONS", branch=f"z9hG4bK-o{number}", call_id=f"options-{number}")
    assert statuses(endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 1.0)) == [200]


def test_at_a_quarter_over_the_limit_nothing_is_taken_but_what_ends_a_call() -> None:
    caller = Caller()
    endpoint = make_endpoint(max_transactions=4)
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.answer(1, ANSWER, 0.0)
    for _ in range(4):
        endpoint.receive_datagram(caller.request("INFO"), UDP_FLOW, 0.0)
    assert endpoint.transactions == 5
    for data, status in ((caller.request("INFO"), 503), (caller.request("BYE"), 200)):
        assert statuses(endpoint.receive_datagram(data, UDP_FLOW, 1.0)) == [status]
    assert (endpoint.sessions, endpoint.transactions) == (0, 6)
