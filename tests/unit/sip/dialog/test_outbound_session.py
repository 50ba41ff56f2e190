"""The caller: RFC 3261 13.2, 9.1, 12.1.2; RFC 6026 7.2."""

from __future__ import annotations

import pytest
from support.messages import (
    ANSWER,
    CALLER_HOP,
    OFFER,
    TCP_FLOW,
    UDP_FLOW,
    make_endpoint,
    methods,
    of_type,
    only,
    request_bytes,
    requests,
    response_bytes,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import (
    Acknowledged,
    AnswerReceived,
    EndCause,
    Noted,
    OfferReceived,
    ProgressReceived,
    Refused,
    Send,
    SendTo,
    SessionEnded,
)
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.flow import NextHop, Transport
from sip_edge.sip.message import Request

TCP_HOP = NextHop("198.51.100.7", 5060, Transport.TCP)


def calling(hop: NextHop = CALLER_HOP) -> tuple[Endpoint, Request]:
    """An endpoint that has just sent an INVITE, and that INVITE; its session is number 1."""
    endpoint = make_endpoint()
    number, effects = endpoint.invite(
        uri="sip:+12025550142@198.51.100.7",
        from_='"Edge" <sip:edge@203.0.113.10>',
        to="<sip:+12025550142@198.51.100.7>",
        hop=hop,
        sdp=OFFER,
        headers=[("X-Test", "yes")],
        now=0.0,
    )
    assert number == 1
    [invite] = requests(effects)
    return endpoint, invite


def ringing() -> tuple[Endpoint, Request]:
    endpoint, invite = calling()
    endpoint.receive_datagram(response_bytes(invite, 180), UDP_FLOW, 0.1)
    return endpoint, invite


def answered(**values: object) -> tuple[Endpoint, Request]:
    endpoint, invite = ringing()
    answer = response_bytes(invite, 200, body=ANSWER, **values)  # type: ignore[arg-type]
    effects = endpoint.receive_datagram(answer, UDP_FLOW, 0.2)
    only(effects, AnswerReceived)
    return endpoint, invite


def from_callee(method: str, invite: Request, cseq: int, body: bytes = b"") -> bytes:
    """A request of the callee's within the dialog."""
    return request_bytes(
        method,
        uri="sip:w0@203.0.113.10:5060",
        branch=f"z9hG4bK-callee-{method}-{cseq}",
        call_id=invite.call_id,
        from_tag="callee",
        to_tag=invite.from_.tag,
        cseq=cseq,
        body=body,
    )


def test_invite_has_all_that_section_8_1_1_asks_for() -> None:
    _, invite = calling()
    assert [f"{name}: {value}" for name, value in invite.headers] == [
        "Via: SIP/2.0/UDP 203.0.113.10:5060;rport;branch=z9hG4bK-edge-1",
        "Max-Forwards: 70",
        'From: "Edge" <sip:edge@203.0.113.10>;tag=edge-tag-1',
        "To: <sip:+12025550142@198.51.100.7>",
        "Call-ID: call-edge-1",
        "CSeq: 2 INVITE",
        "Contact: <sip:w0@203.0.113.10:5060>",
        "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY",
        "Supported: timer",
        "User-Agent: edge",
        "X-Test: yes",
        "Content-Type: application/sdp",
        "Content-Length: 39",
    ]
    assert (invite.uri, invite.body) == ("sip:+12025550142@198.51.100.7", OFFER)


def test_progress_is_handed_on_100_included() -> None:
    endpoint, invite = calling()
    for status in (100, 180, 183):
        effects = endpoint.receive_datagram(response_bytes(invite, status), UDP_FLOW, 0.1)
        assert only(effects, ProgressReceived).response.status == status


def test_answer_is_acknowledged_and_handed_on() -> None:
    endpoint, invite = ringing()
    answer = response_bytes(
        invite,
        200,
        contact="<sip:callee@10.0.0.1:5060>",
        headers=[("Record-Route", "<sip:198.51.100.7;lr>")],
        body=ANSWER,
    )
    effects = endpoint.receive_datagram(answer, UDP_FLOW, 0.2)
    assert [type(effect) for effect in effects] == [SendTo, AnswerReceived]
    assert only(effects, AnswerReceived).response.body == ANSWER
    [ack] = requests(effects)
    assert (ack.method, ack.uri, str(ack.cseq)) == ("ACK", "sip:callee@10.0.0.1:5060", "2 ACK")
    assert ack.routes == ["<sip:198.51.100.7;lr>"]
    assert ack.to.tag == "callee"
    assert ack.top_via.branch != invite.top_via.branch
    assert only(effects, SendTo).hop == NextHop("198.51.100.7", None, Transport.UDP)


def test_repeated_answer_gets_the_same_ack_and_is_not_handed_on_again() -> None:
    endpoint, invite = ringing()
    answer = response_bytes(invite, 200)
    first = only(endpoint.receive_datagram(answer, UDP_FLOW, 0.2), SendTo)
    assert endpoint.receive_datagram(answer, UDP_FLOW, 0.7) == [first]


def test_answer_that_is_repeated_after_our_bye_is_still_acknowledged() -> None:
    endpoint, invite = answered()
    [bye] = requests(endpoint.hang_up(1, 1.0))
    endpoint.receive_datagram(response_bytes(bye, 200), UDP_FLOW, 1.1)
    assert endpoint.sessions == 0
    effects = endpoint.receive_datagram(response_bytes(invite, 200), UDP_FLOW, 1.7)
    assert methods(effects) == ["ACK"]
    settle(endpoint, 1.7)


def test_refusal_is_acknowledged_and_handed_on() -> None:
    endpoint, invite = ringing()
    effects = endpoint.receive_datagram(response_bytes(invite, 486), UDP_FLOW, 0.2)
    [ack] = requests(effects)
    assert (ack.method, ack.top_via.branch) == ("ACK", invite.top_via.branch)
    refused = only(effects, Refused)
    assert refused.response is not None
    assert (refused.session, refused.response.status) == (1, 486)
    assert endpoint.sessions == 0
    settle(endpoint, 0.2)


def test_invite_without_any_response_is_refused_after_64_t1() -> None:
    endpoint, _ = calling()
    happened = run_timers(endpoint, 32.0)
    sent_at = [at for at, effect in happened if isinstance(effect, SendTo)]
    assert sent_at == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert happened[-1] == (32.0, Refused(1, None))
    settle(endpoint, 32.0)


def test_invite_that_cannot_be_sent_is_refused() -> None:
    endpoint, invite = calling(TCP_HOP)
    key = f"{invite.top_via.branch} INVITE"
    assert endpoint.send_failed(key, 0.1) == [Refused(1, None)]
    settle(endpoint, 0.1)


def test_invite_that_was_refused_is_not_refused_again_when_its_ack_cannot_be_sent() -> None:
    endpoint, invite = ringing()
    effects = endpoint.receive_datagram(response_bytes(invite, 486), UDP_FLOW, 0.2)
    assert endpoint.send_failed(only(effects, SendTo).key, 0.3) == []
    settle(endpoint, 0.3)


def test_invite_over_tcp_is_sent_once() -> None:
    endpoint, invite = calling(TCP_HOP)
    assert invite.top_via.transport == "TCP"
    assert invite.headers.get("Contact") == "<sip:w0@203.0.113.10:5060;transport=tcp>"
    assert of_type([e for _, e in run_timers(endpoint, 31.9)], SendTo) == []


def test_hang_up_while_ringing_sends_cancel_and_the_487_ends_it() -> None:
    endpoint, invite = ringing()
    effects = endpoint.hang_up(1, 1.0, headers=[("Reason", "SIP;cause=200")])
    [cancel] = requests(effects)
    assert (cancel.method, str(cancel.cseq)) == ("CANCEL", "2 CANCEL")
    assert cancel.top_via == invite.top_via
    assert cancel.headers.get("Reason") == "SIP;cause=200"
    assert endpoint.receive_datagram(response_bytes(cancel, 200), UDP_FLOW, 1.1) == []
    effects = endpoint.receive_datagram(response_bytes(invite, 487), UDP_FLOW, 1.1)
    assert methods(effects) == ["ACK"]
    refused = only(effects, Refused)
    assert refused.response is not None
    assert refused.response.status == 487
    settle(endpoint, 1.1)


def test_second_hang_up_sends_no_second_cancel() -> None:
    endpoint, _ = ringing()
    endpoint.hang_up(1, 1.0)
    assert endpoint.hang_up(1, 1.1) == []


def test_cancel_is_held_back_until_a_provisional_response() -> None:
    endpoint, invite = calling()
    assert endpoint.hang_up(1, 0.1) == []
    assert endpoint.hang_up(1, 0.2) == []
    effects = endpoint.receive_datagram(response_bytes(invite, 100, to_tag=None), UDP_FLOW, 0.3)
    assert methods(effects) == ["CANCEL"]


@pytest.mark.parametrize("is_ringing", [False, True])
def test_200_crossing_our_cancel_is_acked_and_ended_with_bye(is_ringing: bool) -> None:
    endpoint, invite = ringing() if is_ringing else calling()
    endpoint.hang_up(1, 1.0, headers=[("Reason", "SIP;cause=200")])
    effects = endpoint.receive_datagram(response_bytes(invite, 200), UDP_FLOW, 1.1)
    ack, bye = requests(effects)
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert bye.headers.get("Reason") == "SIP;cause=200"
    assert of_type(effects, AnswerReceived) == []
    assert only(effects, SessionEnded) == SessionEnded(1, EndCause.HUNG_UP, None)
    settle(endpoint, 1.1)


def test_cancelled_invite_without_a_final_response_is_given_up_after_64_t1() -> None:
    endpoint, invite = ringing()
    [cancel] = requests(endpoint.hang_up(1, 1.0))
    endpoint.receive_datagram(response_bytes(cancel, 200), UDP_FLOW, 1.1)
    happened = run_timers(endpoint, 33.0)
    assert happened[-1] == (33.0, Refused(1, None))
    effects = endpoint.receive_datagram(response_bytes(invite, 487), UDP_FLOW, 33.1)
    assert [type(effect) for effect in effects] == [Noted]
    settle(endpoint, 33.1)


def test_cancel_that_cannot_be_sent_changes_nothing_yet() -> None:
    endpoint, _ = ringing()
    key = only(endpoint.hang_up(1, 1.0), SendTo).key
    assert endpoint.send_failed(key, 1.1) == []
    assert endpoint.sessions == 1


def test_call_that_rings_for_ever_is_cancelled_after_timer_c() -> None:
    endpoint, invite = ringing()
    endpoint.receive_datagram(response_bytes(invite, 180), UDP_FLOW, 60.0)
    happened = run_timers(endpoint, 240.0)
    assert [(at, methods([e])) for at, e in happened] == [(240.0, ["CANCEL"])]


def test_answer_of_another_fork_is_acknowledged_and_ended() -> None:
    endpoint, _ = answered()
    [invite_again] = [calling()[1]]
    fork = response_bytes(invite_again, 200, to_tag="other", contact="<sip:other@198.51.100.8>")
    effects = endpoint.receive_datagram(fork, UDP_FLOW, 0.3)
    ack, bye = requests(effects)
    assert (ack.method, ack.uri, ack.to.tag) == ("ACK", "sip:other@198.51.100.8", "other")
    assert (bye.method, bye.uri, bye.to.tag) == ("BYE", "sip:other@198.51.100.8", "other")
    assert of_type(effects, AnswerReceived) == []
    assert methods(endpoint.receive_datagram(fork, UDP_FLOW, 0.8)) == ["ACK"]
    assert endpoint.receive_datagram(response_bytes(bye, 200), UDP_FLOW, 0.9) == []
    assert endpoint.sessions == 1


def test_forks_without_end_are_not_all_answered() -> None:
    endpoint, invite = answered()
    for number in range(20):
        fork = response_bytes(invite, 200, to_tag=f"fork-{number}")
        effects = endpoint.receive_datagram(fork, UDP_FLOW, 0.3)
        assert methods(effects) == (["ACK", "BYE"] if number < 7 else [])


def test_early_dialog_does_not_decide_on_the_route() -> None:
    endpoint, invite = calling()
    early = response_bytes(invite, 180, headers=[("Record-Route", "<sip:192.0.2.1;lr>")])
    endpoint.receive_datagram(early, UDP_FLOW, 0.1)
    endpoint.receive_datagram(response_bytes(invite, 200), UDP_FLOW, 0.2)
    assert requests(endpoint.hang_up(1, 1.0))[0].routes == []


def test_bye_of_the_callee_ends_the_call() -> None:
    endpoint, invite = answered()
    effects = endpoint.receive_datagram(from_callee("BYE", invite, 1), UDP_FLOW, 1.0)
    assert statuses(effects) == [200]
    assert only(effects, SessionEnded).cause is EndCause.BYE_RECEIVED
    settle(endpoint, 1.0)


def test_bye_of_the_callee_before_its_answer_gets_481() -> None:
    endpoint, invite = ringing()
    effects = endpoint.receive_datagram(from_callee("BYE", invite, 1), UDP_FLOW, 1.0)
    assert statuses(effects) == [481]
    assert endpoint.sessions == 1


@pytest.mark.parametrize("method", ["INVITE", "UPDATE"])
def test_offer_while_our_invite_is_in_progress_gets_491(method: str) -> None:
    endpoint, invite = ringing()
    effects = endpoint.receive_datagram(from_callee(method, invite, 1, OFFER), UDP_FLOW, 1.0)
    assert statuses(effects) == [491]


def test_request_on_an_early_dialog_is_processed() -> None:
    endpoint, invite = ringing()
    effects = endpoint.receive_datagram(from_callee("INFO", invite, 1), UDP_FLOW, 1.0)
    assert statuses(effects) == [200]
    endpoint.receive_datagram(response_bytes(invite, 200), UDP_FLOW, 1.1)
    effects = endpoint.receive_datagram(from_callee("OPTIONS", invite, 1), UDP_FLOW, 1.2)
    assert statuses(effects) == [500]


def test_request_on_an_early_dialog_that_was_refused_gets_481() -> None:
    endpoint, invite = ringing()
    endpoint.receive_datagram(response_bytes(invite, 486), UDP_FLOW, 1.0)
    effects = endpoint.receive_datagram(from_callee("INFO", invite, 1), UDP_FLOW, 1.1)
    assert statuses(effects) == [481]


def test_offer_of_the_callee_is_announced_answered_and_acknowledged() -> None:
    endpoint, invite = answered()
    effects = endpoint.receive_datagram(from_callee("INVITE", invite, 1, OFFER), UDP_FLOW, 1.0)
    only(effects, OfferReceived)
    assert statuses(endpoint.accept_offer(1, ANSWER, 1.0)) == [200]
    effects = endpoint.receive_datagram(from_callee("ACK", invite, 1), UDP_FLOW, 1.1)
    only(effects, Acknowledged)


def test_answer_to_an_offer_of_the_callee_is_repeated_until_its_ack() -> None:
    endpoint, invite = answered()
    endpoint.receive_datagram(from_callee("INVITE", invite, 1, OFFER), UDP_FLOW, 1.0)
    endpoint.accept_offer(1, ANSWER, 1.0)
    assert [(at, statuses([e])) for at, e in run_timers(endpoint, 2.0) if isinstance(e, Send)] == [
        (1.5, [200])
    ]


def test_offer_of_the_callee_can_be_refused_or_cancelled() -> None:
    endpoint, invite = answered()
    endpoint.receive_datagram(from_callee("INVITE", invite, 1, OFFER), UDP_FLOW, 1.0)
    assert statuses(endpoint.reject_offer(1, 488, 1.0)) == [488]
    endpoint.receive_datagram(from_callee("INVITE", invite, 2, OFFER), UDP_FLOW, 2.0)
    cancel = from_callee("CANCEL", invite, 2).replace(b"callee-CANCEL-2", b"callee-INVITE-2")
    assert statuses(endpoint.receive_datagram(cancel, UDP_FLOW, 2.1)) == [200, 487]
    assert endpoint.sessions == 1


def test_callee_is_reached_by_the_connection_that_the_call_took() -> None:
    endpoint, invite = calling(TCP_HOP)
    answer = response_bytes(invite, 200, contact="<sip:callee@10.0.0.1>")
    endpoint.receive_datagram(answer, TCP_FLOW, 0.2)
    assert only(endpoint.hang_up(1, 1.0), SendTo).flow == TCP_FLOW


@pytest.mark.parametrize("command", ["answer", "accept_offer", "reject_offer", "send_request"])
def test_commands_that_make_no_sense_yet_do_nothing(command: str) -> None:
    endpoint, _ = calling()
    effects = {
        "answer": lambda: endpoint.answer(1, ANSWER, 0.1),
        "accept_offer": lambda: endpoint.accept_offer(1, ANSWER, 0.1),
        "reject_offer": lambda: endpoint.reject_offer(1, 488, 0.1),
        "send_request": lambda: endpoint.send_request(1, "INFO", 0.1),
    }[command]()
    assert effects == []


def test_application_may_send_requests_once_the_call_is_answered() -> None:
    endpoint, invite = answered()
    [info] = requests(endpoint.send_request(1, "INFO", 1.0))
    assert (info.method, info.cseq.number) == ("INFO", invite.cseq.number + 1)
    effects = endpoint.receive_datagram(response_bytes(info, 481), UDP_FLOW, 1.1)
    assert only(effects, SessionEnded).cause is EndCause.PEER_GONE


def test_request_of_ours_that_gets_no_response_ends_the_call() -> None:
    endpoint, _ = answered()
    endpoint.send_request(1, "INFO", 1.0)
    assert run_timers(endpoint, 33.0)[-1] == (33.0, SessionEnded(1, EndCause.PEER_GONE, None))
