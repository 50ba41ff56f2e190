"""The five methods: what goes in, what is counted, and that nothing stays behind."""

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
    make_request_of,
    methods,
    of_type,
    only,
    request_bytes,
    response_bytes,
    responses,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import (
    AnswerReceived,
    EndCause,
    Event,
    InviteReceived,
    Noted,
    Send,
    SendTo,
    SessionEnded,
)
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.sip.parser import ParseError


def established(caller: Caller) -> Endpoint:
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(), caller.flow, 0.0)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), caller.flow, 0.0)
    return endpoint


@pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n"])
def test_keep_alives_are_ignored(data: bytes) -> None:
    assert make_endpoint().receive_datagram(data, UDP_FLOW, 0.0) == []


@pytest.mark.parametrize(
    "data", [b"\x00\x01\x02", b"GET / HTTP/1.1\r\n\r\n", b"SIP/2.0 200 OK\r\n\r\n", b"\xff" * 99]
)
def test_what_is_no_request_that_could_be_answered_is_counted_and_dropped(data: bytes) -> None:
    effects = make_endpoint().receive_datagram(data, UDP_FLOW, 0.0)
    assert effects == [Noted(Event.PARSE_ERROR)]


def test_malformed_request_gets_400_with_a_phrase_that_says_what_was_wrong() -> None:
    data = request_bytes("OPTIONS").replace(b"CSeq: 1 OPTIONS", b"CSeq: 1 INVITE")
    effects = make_endpoint().receive_datagram(data, UDP_FLOW, 0.0)
    assert effects[0] == Noted(Event.PARSE_ERROR)
    send = only(effects, Send)
    assert send.status == 400
    assert send.data.startswith(b"SIP/2.0 400 CSeq Method Differs\r\n")
    assert send.flow == UDP_FLOW


def test_malformed_request_is_answered_where_its_via_says() -> None:
    source = Flow(Transport.UDP, EDGE, Address("198.51.100.7", 40000), 0)
    data = request_bytes("OPTIONS", sent_by="10.0.0.1:5080").replace(b"CSeq: 1 O", b"CSeq: x O")
    effects = make_endpoint().receive_datagram(data, source, 0.0)
    assert only(effects, Send).flow.remote == Address("198.51.100.7", 5080)


def test_request_whose_via_cannot_be_read_is_answered_where_it_came_from() -> None:
    source = Flow(Transport.UDP, EDGE, Address("198.51.100.7", 40000), 0)
    data = request_bytes("OPTIONS").replace(b"Via: SIP/2.0/UDP ", b"Via: SIP/2.0/UDP ;;")
    effects = make_endpoint().receive_datagram(data, source, 0.0)
    assert only(effects, Send).flow == source


def test_malformed_ack_is_never_answered() -> None:
    data = request_bytes("ACK").replace(b"CSeq: 1 ACK", b"CSeq: x ACK")
    assert make_endpoint().receive_datagram(data, UDP_FLOW, 0.0) == [Noted(Event.PARSE_ERROR)]
    error = ParseError(400, "Bad", make_request_of("ACK"))
    assert make_endpoint().receive_error(error, UDP_FLOW, 0.0) == [Noted(Event.PARSE_ERROR)]


def test_other_version_gets_505() -> None:
    data = request_bytes("OPTIONS").replace(b"SIP/2.0\r\n", b"SIP/7.0\r\n", 1)
    assert statuses(make_endpoint().receive_datagram(data, UDP_FLOW, 0.0)) == [505]


def test_error_from_a_stream_is_answered_on_it() -> None:
    error = ParseError(400, "Malformed Content-Length", make_request_of("INVITE"))
    effects = make_endpoint().receive_error(error, TCP_FLOW, 0.0)
    assert only(effects, Send).flow == TCP_FLOW


def test_stray_response_is_counted_and_ignored() -> None:
    data = response_bytes(make_request_of("OPTIONS"), 200)
    effects = make_endpoint().receive_datagram(data, UDP_FLOW, 0.0)
    assert effects == [Noted(Event.STRAY_RESPONSE)]


def test_call_over_a_stream_outlives_its_connection() -> None:
    caller = Caller(flow=TCP_FLOW)
    endpoint = established(caller)
    assert endpoint.flow_closed(TCP_FLOW, 1.0) == []
    assert endpoint.sessions == 1
    newer = Flow(Transport.TCP, EDGE, Address("198.51.100.7", 50001), 12)
    effects = endpoint.receive_message(
        make_request_of("BYE", to_tag="edge-tag-1", cseq=2, branch="z9hG4bK-bye"), newer, 2.0
    )
    assert statuses(effects) == [200]
    assert only(effects, Send).flow == newer


def test_bye_on_a_connection_that_is_already_gone_goes_out_again() -> None:
    endpoint = established(Caller(flow=TCP_FLOW))
    bye = only(endpoint.hang_up(1, 1.0), SendTo)
    again = only(endpoint.flow_closed(TCP_FLOW, 1.1), SendTo)
    assert (bye.flow, again.flow) == (TCP_FLOW, None)
    assert (bye.data, bye.hop, bye.key) == (again.data, again.hop, again.key)


def test_failure_of_a_request_that_nobody_waits_for_is_ignored() -> None:
    assert make_endpoint().send_failed("z9hG4bK-unknown BYE", 0.0) == []


def test_commands_for_sessions_that_do_not_exist_do_nothing() -> None:
    endpoint = make_endpoint()
    assert endpoint.ring(9, 0.0) == []
    assert endpoint.answer(9, ANSWER, 0.0) == []
    assert endpoint.reject(9, 486, 0.0) == []
    assert endpoint.accept_offer(9, ANSWER, 0.0) == []
    assert endpoint.reject_offer(9, 488, 0.0) == []
    assert endpoint.hang_up(9, 0.0) == []
    assert endpoint.send_request(9, "INFO", 0.0) == []


def test_new_endpoint_waits_for_nothing() -> None:
    endpoint = make_endpoint()
    assert (endpoint.sessions, endpoint.transactions, endpoint.next_timeout()) == (0, 0, None)
    assert endpoint.handle_timer(100.0) == []


def test_next_timeout_is_the_nearest_of_transactions_and_sessions() -> None:
    endpoint = make_endpoint()
    endpoint.receive_datagram(request_bytes("OPTIONS", call_id="o"), UDP_FLOW, 0.0)
    assert endpoint.next_timeout() == 32.0
    endpoint.receive_datagram(Caller().invite(), UDP_FLOW, 1.0)
    endpoint.answer(1, ANSWER, 1.0)
    assert endpoint.next_timeout() == 1.5
    assert endpoint.handle_timer(1.4) == []


def test_sessions_are_numbered_and_never_twice_with_the_same_number() -> None:
    endpoint = make_endpoint()
    numbers = []
    for number in range(3):
        caller = Caller(call_id=f"call-{number}")
        data = caller.invite(branch=f"z9hG4bK-{number}")
        announced = only(endpoint.receive_datagram(data, UDP_FLOW, 0.0), InviteReceived)
        numbers.append(announced.session)
        endpoint.reject(announced.session, 486, 0.0)
    assert numbers == [1, 2, 3]


def test_a_thousand_calls_leave_nothing_behind() -> None:
    endpoint = make_endpoint()
    for number in range(1000):
        now = number * 0.01
        caller = Caller(call_id=f"call-{number}", to_tag=f"edge-tag-{number + 1}")
        invite = caller.invite(branch=f"z9hG4bK-{number}")
        endpoint.receive_datagram(invite, UDP_FLOW, now)
        endpoint.answer(number + 1, ANSWER, now)
        endpoint.receive_datagram(caller.ack(), UDP_FLOW, now)
        ended = endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, now)
        assert only(ended, SessionEnded).cause is EndCause.BYE_RECEIVED
    assert endpoint.sessions == 0
    settle(endpoint, 10.0)


def test_refused_and_cancelled_calls_leave_nothing_behind() -> None:
    endpoint = make_endpoint()
    refused, cancelled = Caller(), Caller(call_id="call-2")
    endpoint.receive_datagram(refused.invite(branch="z9hG4bK-r"), UDP_FLOW, 0.0)
    endpoint.reject(1, 404, 0.0)
    endpoint.receive_datagram(cancelled.invite(branch="z9hG4bK-c"), UDP_FLOW, 0.0)
    endpoint.receive_datagram(cancelled.cancel(branch="z9hG4bK-c"), UDP_FLOW, 0.0)
    assert endpoint.sessions == 0
    settle(endpoint, 0.0)


def test_both_sides_of_a_call_may_be_endpoints() -> None:
    caller_flow = Flow(Transport.UDP, Address("198.51.100.7", 5060), EDGE, 0)
    callee = make_endpoint()
    caller = make_endpoint(public_host="198.51.100.7", contact_user="phone")
    number, effects = caller.invite(
        uri="sip:+12025550199@203.0.113.10",
        from_="<sip:+12025550123@198.51.100.7>",
        to="<sip:+12025550199@203.0.113.10>",
        hop=CALLER_HOP,
        sdp=OFFER,
        now=0.0,
    )
    received = callee.receive_datagram(effects[0].data, UDP_FLOW, 0.0)  # type: ignore[union-attr]
    session = only(received, InviteReceived).session
    answer = only(callee.answer(session, ANSWER, 0.1), Send)
    effects = caller.receive_datagram(answer.data, caller_flow, 0.1)
    assert only(effects, AnswerReceived).session == number
    assert methods(effects) == ["ACK"]


def test_response_counts_as_sent_once_however_often_it_is_repeated() -> None:
    caller = Caller()
    endpoint = make_endpoint()
    effects = endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    effects += endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.5)
    effects += endpoint.reject(1, 486, 1.0)
    effects += [effect for _, effect in run_timers(endpoint, 5.0)]
    assert [s.status for s in of_type(effects, Send) if s.status] == [100, 486]
    assert len(responses(effects)) > 4


@pytest.mark.parametrize("bound", ["rate", "transactions"])
def test_repetition_of_a_call_that_found_no_room_is_no_call_when_there_is_room(bound: str) -> None:
    room: list[str] = []
    endpoint = make_endpoint(max_transactions=1 if bound == "transactions" else 100)
    if bound == "rate":
        endpoint.limit(lambda host, now: bool(room))
    else:
        endpoint.receive_datagram(request_bytes("OPTIONS", call_id="other"), UDP_FLOW, 0.0)
    invite = request_bytes("INVITE", branch="z9hG4bK-first", body=OFFER)
    assert statuses(endpoint.receive_datagram(invite, UDP_FLOW, 1.0)) == [503]
    room.append("now there is")
    run_timers(endpoint, 32.5)
    assert statuses(endpoint.receive_datagram(invite, UDP_FLOW, 32.6)) == [503]
    again = request_bytes("INVITE", branch="z9hG4bK-second", cseq=2, body=OFFER)
    assert statuses(endpoint.receive_datagram(again, UDP_FLOW, 32.7)) == [100]


def test_call_that_asks_without_end_leaves_transactions_to_the_others() -> None:
    greedy, other = Caller(), Caller(call_id="call-2")
    endpoint = make_endpoint(max_transactions=600)
    for number, caller in enumerate((greedy, other), start=1):
        invite = caller.invite(branch=f"z9hG4bK-invite-{number}")
        endpoint.receive_datagram(invite, caller.flow, 0.0)
        caller.to_tag = responses(endpoint.answer(number, ANSWER, 0.0))[0].to.tag or ""
        endpoint.receive_datagram(caller.ack(), caller.flow, 0.0)
    answers = [
        statuses(endpoint.receive_datagram(greedy.request("INFO"), UDP_FLOW, 1.0))[0]
        for _ in range(800)
    ]
    assert [answers.count(status) for status in (200, 503)] == [512, 288]
    assert statuses(endpoint.receive_datagram(other.request("INFO"), UDP_FLOW, 1.0)) == [200]
    assert statuses(endpoint.receive_datagram(greedy.request("BYE"), UDP_FLOW, 1.0)) == [200]
