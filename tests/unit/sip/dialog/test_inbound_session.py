"""The callee: RFC 3261 13.3, 9.2, 12.1.1, 15.1.2."""

from __future__ import annotations

import pytest
from support.messages import (
    ANSWER,
    OFFER,
    TCP_FLOW,
    UDP_FLOW,
    Caller,
    make_endpoint,
    methods,
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
    Event,
    InviteReceived,
    Noted,
    Send,
    SendTo,
    SessionEnded,
)
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.flow import NextHop, Transport


def incoming(caller: Caller, **values: object) -> Endpoint:
    """An endpoint that has just received an INVITE; its session is number 1."""
    endpoint = make_endpoint()
    effects = endpoint.receive_datagram(caller.invite(**values), caller.flow, 0.0)
    assert only(effects, InviteReceived).session == 1
    return endpoint


def answered(caller: Caller, **values: object) -> Endpoint:
    endpoint = incoming(caller, **values)
    assert statuses(endpoint.answer(1, ANSWER, 0.0)) == [200]
    return endpoint


def established(caller: Caller, **values: object) -> Endpoint:
    endpoint = answered(caller, **values)
    only(endpoint.receive_datagram(caller.ack(), caller.flow, 0.0), Acknowledged)
    return endpoint


def test_invite_gets_100_at_once_and_is_announced() -> None:
    effects = make_endpoint().receive_datagram(Caller().invite(), UDP_FLOW, 0.0)
    assert [type(effect) for effect in effects] == [Send, InviteReceived]
    assert statuses(effects) == [100]
    announced = only(effects, InviteReceived)
    assert (announced.session, announced.flow, announced.request.body) == (1, UDP_FLOW, OFFER)


def test_ringing_and_answer_bear_the_same_tag_and_contact() -> None:
    endpoint = incoming(Caller())
    [ringing] = responses(endpoint.ring(1, 0.1))
    [answer] = responses(endpoint.answer(1, ANSWER, 0.2))
    assert (ringing.status, answer.status) == (180, 200)
    assert ringing.to.tag == answer.to.tag == "edge-tag-1"
    assert ringing.headers.get("Contact") == "<sip:w0@203.0.113.10:5060>"
    assert answer.headers.get("Contact") == "<sip:w0@203.0.113.10:5060>"


def test_answer_carries_the_session_description_and_what_we_can_do() -> None:
    [answer] = responses(incoming(Caller()).answer(1, ANSWER, 0.2))
    assert answer.body == ANSWER
    assert answer.headers.get("Content-Type") == "application/sdp"
    assert answer.headers.get("Allow") == (
        "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY"
    )
    assert answer.headers.get("Supported") == "timer, 100rel"


def test_record_routes_are_copied_into_ringing_and_answer_in_order() -> None:
    routes = ["<sip:192.0.2.1;lr>", "<sip:10.0.0.1;lr>"]
    endpoint = incoming(Caller(), headers=[("Record-Route", route) for route in routes])
    for effects in (endpoint.ring(1, 0.1), endpoint.answer(1, ANSWER, 0.2)):
        assert responses(effects)[0].record_routes == routes


def test_contact_over_tcp_names_tcp() -> None:
    endpoint = incoming(Caller(flow=TCP_FLOW))
    [answer] = responses(endpoint.answer(1, ANSWER, 0.2))
    assert answer.headers.get("Contact") == "<sip:w0@203.0.113.10:5060;transport=tcp>"


def test_headers_of_the_application_are_sent_along() -> None:
    endpoint = incoming(Caller())
    [ringing] = responses(endpoint.ring(1, 0.1, headers=[("X-Stage", "one")]))
    assert ringing.headers.get("X-Stage") == "one"


def test_retransmitted_invite_is_one_call_and_gets_the_last_response_again() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.ring(1, 0.1)
    effects = endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.5)
    assert (statuses(effects), of_type(effects, InviteReceived)) == ([180], [])
    assert Noted(Event.RETRANSMISSION_RECEIVED) in effects


@pytest.mark.parametrize("at", [1.0, 31.9, 32.1, 500.0, 5000.0])
def test_retransmitted_invite_is_one_call_as_long_as_its_dialog_lives(at: float) -> None:
    caller = Caller()
    endpoint = established(caller)
    run_timers(endpoint, at)
    effects = endpoint.receive_datagram(caller.invite(), UDP_FLOW, at)
    assert effects == [Noted(Event.RETRANSMISSION_RECEIVED)]
    assert endpoint.sessions == 1


def test_retransmitted_invite_is_one_call_for_64_t1_after_its_dialog_ended() -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 1.0)
    effects = endpoint.receive_datagram(caller.invite(), UDP_FLOW, 31.0)
    assert effects == [Noted(Event.RETRANSMISSION_RECEIVED)]


def test_answer_is_repeated_until_the_ack_arrives() -> None:
    caller = Caller()
    endpoint = answered(caller)
    sent_at = [at for at, effect in run_timers(endpoint, 8.0) if isinstance(effect, Send)]
    assert sent_at == [0.5, 1.5, 3.5, 7.5]
    [acknowledged] = endpoint.receive_datagram(caller.ack(), UDP_FLOW, 8.0)
    assert isinstance(acknowledged, Acknowledged)
    assert [e for _, e in run_timers(endpoint, 100.0) if isinstance(e, Send)] == []


def test_ack_is_announced_once_however_often_it_comes() -> None:
    caller = Caller()
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.6)
    assert effects == [Noted(Event.STRAY_ACK)]


def test_ack_with_the_branch_of_its_invite_is_taken_for_the_2xx_as_well() -> None:
    caller = Caller()
    endpoint = answered(caller)
    effects = endpoint.receive_datagram(caller.ack_error(), UDP_FLOW, 0.1)
    assert only(effects, Acknowledged).session == 1


def test_body_of_the_ack_is_handed_on() -> None:
    caller = Caller()
    endpoint = answered(caller, body=b"")
    effects = endpoint.receive_datagram(caller.ack(body=OFFER), UDP_FLOW, 0.1)
    assert only(effects, Acknowledged).request.body == OFFER


def test_missing_ack_ends_the_call_with_bye_after_64_t1() -> None:
    endpoint = answered(Caller())
    happened = run_timers(endpoint, 32.0)
    [bye_at] = [at for at, effect in happened if isinstance(effect, SendTo)]
    ended = [effect for _, effect in happened if isinstance(effect, SessionEnded)]
    assert bye_at == 32.0
    assert ended == [SessionEnded(1, EndCause.NO_ACK, None)]
    settle(endpoint, 32.0)


def test_rejection_bears_reason_and_headers_and_is_repeated_until_its_ack() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    effects = endpoint.reject(
        1, 404, 0.0, reason="No Such Number", headers=[("Reason", "Q.850;cause=1")]
    )
    [refusal] = responses(effects)
    assert (refusal.status, refusal.reason) == (404, "No Such Number")
    assert refusal.headers.get("Reason") == "Q.850;cause=1"
    assert endpoint.sessions == 0
    assert [at for at, e in run_timers(endpoint, 4.0) if isinstance(e, Send)] == [0.5, 1.5, 3.5]
    assert endpoint.receive_datagram(caller.ack_error(), UDP_FLOW, 4.0) == []
    settle(endpoint, 4.0)


@pytest.mark.parametrize("command", ["ring", "answer", "reject", "hang_up"])
def test_commands_after_a_rejection_do_nothing(command: str) -> None:
    endpoint = incoming(Caller())
    endpoint.reject(1, 486, 0.0)
    effects = {
        "ring": lambda: endpoint.ring(1, 0.1),
        "answer": lambda: endpoint.answer(1, ANSWER, 0.1),
        "reject": lambda: endpoint.reject(1, 480, 0.1),
        "hang_up": lambda: endpoint.hang_up(1, 0.1),
    }[command]()
    assert effects == []


def test_ring_answer_and_reject_after_the_answer_do_nothing() -> None:
    endpoint = established(Caller())
    assert endpoint.ring(1, 1.0) == []
    assert endpoint.answer(1, ANSWER, 1.0) == []
    assert endpoint.reject(1, 486, 1.0) == []


@pytest.mark.parametrize("is_ringing", [False, True])
def test_cancel_gets_200_and_the_invite_487(is_ringing: bool) -> None:
    caller = Caller()
    endpoint = incoming(caller)
    if is_ringing:
        endpoint.ring(1, 0.5)
    reason = 'SIP;cause=200;text="Call completed elsewhere"'
    cancel = caller.cancel(headers=[("Reason", reason)])
    effects = endpoint.receive_datagram(cancel, UDP_FLOW, 1.0)
    to_cancel, to_invite = responses(effects)
    assert (to_cancel.status, str(to_cancel.cseq)) == (200, "1 CANCEL")
    assert (to_invite.status, str(to_invite.cseq)) == (487, "1 INVITE")
    assert to_cancel.to.tag == to_invite.to.tag == "edge-tag-1"
    assert only(effects, SessionEnded) == SessionEnded(1, EndCause.CANCELLED, reason)
    endpoint.receive_datagram(caller.ack_error(), UDP_FLOW, 1.1)
    settle(endpoint, 1.1)


def test_repeated_cancel_is_answered_again_and_cancels_nothing_more() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.receive_datagram(caller.cancel(), UDP_FLOW, 1.0)
    effects = endpoint.receive_datagram(caller.cancel(), UDP_FLOW, 1.5)
    assert (statuses(effects), of_type(effects, SessionEnded)) == ([200], [])


@pytest.mark.parametrize("is_acknowledged", [False, True])
def test_cancel_after_the_answer_gets_200_and_changes_nothing(is_acknowledged: bool) -> None:
    caller = Caller()
    endpoint = established(caller) if is_acknowledged else answered(caller)
    effects = endpoint.receive_datagram(caller.cancel(), UDP_FLOW, 1.0)
    assert statuses(effects) == [200]
    assert of_type(effects, SessionEnded) == []
    assert endpoint.sessions == 1


def test_cancel_after_a_rejection_gets_200_and_changes_nothing() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.reject(1, 486, 0.0)
    effects = endpoint.receive_datagram(caller.cancel(), UDP_FLOW, 0.1)
    assert (statuses(effects), of_type(effects, SessionEnded)) == ([200], [])


def test_cancel_of_a_second_invite_that_was_refused_does_not_end_the_first() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    second = caller.request("INVITE", branch="z9hG4bK-second", body=OFFER)
    assert statuses(endpoint.receive_datagram(second, UDP_FLOW, 0.1)) == [500]
    cancel = caller.cancel(branch="z9hG4bK-second", to_tag="edge-tag-1")
    effects = endpoint.receive_datagram(cancel, UDP_FLOW, 0.2)
    assert (statuses(effects), endpoint.sessions) == ([200], 1)


def test_commands_after_a_cancel_do_nothing() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.receive_datagram(caller.cancel(), UDP_FLOW, 1.0)
    assert endpoint.answer(1, ANSWER, 1.1) == []
    assert endpoint.hang_up(1, 1.1) == []


def test_bye_before_the_answer_ends_the_call_and_the_invite_gets_487() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.ring(1, 0.1)
    effects = endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 1.0)
    assert [(r.status, r.cseq.method) for r in responses(effects)] == [
        (200, "BYE"),
        (487, "INVITE"),
    ]
    assert only(effects, SessionEnded).cause is EndCause.BYE_RECEIVED
    assert endpoint.sessions == 0


def test_invitation_that_expires_is_ended_with_487() -> None:
    endpoint = incoming(Caller(), headers=[("Expires", "3")])
    [(_, send), (at, ended)] = run_timers(endpoint, 3.0)
    assert statuses([send]) == [487]
    assert (at, ended) == (3.0, SessionEnded(1, EndCause.CANCELLED, None))


@pytest.mark.parametrize("expires", ["soon", "-1", "99999999999999999999"])
def test_expires_that_is_no_number_is_ignored(expires: str) -> None:
    assert incoming(Caller(), headers=[("Expires", expires)]).next_timeout() is None


def test_answered_call_does_not_expire() -> None:
    caller = Caller()
    endpoint = established(caller, headers=[("Expires", "3")])
    assert of_type([e for _, e in run_timers(endpoint, 10.0)], SessionEnded) == []


def test_hang_up_of_an_answered_call_sends_bye_along_the_route() -> None:
    caller = Caller()
    endpoint = established(
        caller,
        contact="<sip:caller@172.25.75.240:5060;transport=udp>",
        headers=[("Record-Route", "<sip:198.51.100.7;lr>")],
    )
    effects = endpoint.hang_up(1, 5.0, headers=[("Reason", "Q.850;cause=16")])
    send_to, ended = effects
    assert isinstance(send_to, SendTo)
    assert send_to.hop == NextHop("198.51.100.7", None, Transport.UDP)
    [bye] = requests(effects)
    assert (bye.method, bye.uri) == ("BYE", "sip:caller@172.25.75.240:5060;transport=udp")
    assert bye.routes == ["<sip:198.51.100.7;lr>"]
    assert bye.headers.get("Reason") == "Q.850;cause=16"
    assert ended == SessionEnded(1, EndCause.HUNG_UP, None)


def test_hang_up_before_the_ack_waits_for_it() -> None:
    caller = Caller()
    endpoint = answered(caller)
    assert endpoint.hang_up(1, 0.1, headers=[("Reason", "Q.850;cause=16")]) == []
    effects = endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.2)
    assert [type(effect) for effect in effects] == [Acknowledged, SendTo, SessionEnded]
    assert requests(effects)[0].headers.get("Reason") == "Q.850;cause=16"


@pytest.mark.parametrize("method", ["INVITE", "UPDATE", "INFO"])
def test_call_that_only_waits_for_its_ack_to_end_takes_no_more_requests(method: str) -> None:
    caller = Caller()
    endpoint = answered(caller)
    endpoint.hang_up(1, 0.1)
    effects = endpoint.receive_datagram(caller.request(method, body=OFFER), UDP_FLOW, 0.2)
    assert statuses(effects) == [481]


def test_hang_up_before_an_ack_that_never_comes_is_done_after_64_t1() -> None:
    endpoint = answered(Caller())
    endpoint.hang_up(1, 0.1)
    happened = run_timers(endpoint, 32.0)
    assert [at for at, effect in happened if isinstance(effect, SendTo)] == [32.0]
    assert happened[-1] == (32.0, SessionEnded(1, EndCause.HUNG_UP, None))


def test_hang_up_before_the_answer_refuses_the_invite() -> None:
    endpoint = incoming(Caller())
    effects = endpoint.hang_up(1, 0.1)
    assert statuses(effects) == [480]
    assert only(effects, SessionEnded).cause is EndCause.HUNG_UP


def test_second_hang_up_does_nothing() -> None:
    caller = Caller()
    endpoint = established(caller)
    assert methods(endpoint.hang_up(1, 1.0)) == ["BYE"]
    assert endpoint.hang_up(1, 1.1) == []
