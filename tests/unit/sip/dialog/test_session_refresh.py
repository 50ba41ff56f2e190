"""Refreshes on the wire: RFC 4028 sections 7.4 and 10, RFC 3261 14.1."""

from __future__ import annotations

import pytest
from support.messages import (
    ANSWER,
    CALLER_HOP,
    OFFER,
    UDP_FLOW,
    Caller,
    Headers,
    make_endpoint,
    methods,
    of_type,
    only,
    requests,
    response_bytes,
    responses,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import (
    EndCause,
    Event,
    Noted,
    RefreshAnswered,
    ResponseReceived,
    SendTo,
    SessionEnded,
)
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.message import Request
from sip_edge.sip.parser import parse_message

TIMER = ("Supported", "timer")
WITH_UPDATE = ("Allow", "INVITE, ACK, BYE, CANCEL, UPDATE")
AGREED = ("Session-Expires", "600;refresher=uac")


def established(caller: Caller, *headers: tuple[str, str]) -> Endpoint:
    """A call that was answered at 0 by an endpoint which has to refresh it every 300 s."""
    endpoint = make_endpoint()
    headers = headers or (TIMER, ("Session-Expires", "600"), WITH_UPDATE)
    endpoint.receive_datagram(caller.invite(headers=headers), UDP_FLOW, 0.0)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.0)
    return endpoint


def by_invite(caller: Caller) -> Endpoint:
    return established(caller, TIMER, ("Session-Expires", "600"))


def next_refresh(endpoint: Endpoint, until: float = 1000.0) -> tuple[float, Request]:
    """When the next INVITE or UPDATE that is no repetition goes out, and what it is."""
    seen: set[bytes] = set()
    while (instant := endpoint.next_timeout()) is not None and instant <= until:
        for effect in endpoint.handle_timer(instant):
            if isinstance(effect, SendTo) and effect.data not in seen:
                message = parse_message(effect.data)
                assert isinstance(message, Request)
                return instant, message
    raise AssertionError("no refresh")


def refresh_at(endpoint: Endpoint, instant: float) -> Request:
    """The request that goes out then, and none before."""
    sent_at, request = next_refresh(endpoint)
    assert sent_at == instant
    return request


def respond(
    endpoint: Endpoint, request: Request, status: int, at: float, *headers: tuple[str, str]
) -> list[object]:
    body = ANSWER if request.method == "INVITE" and status == 200 else b""
    data = response_bytes(request, status, headers=headers, body=body)
    return [*endpoint.receive_datagram(data, UDP_FLOW, at)]


def test_update_refreshes_where_the_peer_allows_it() -> None:
    endpoint = established(Caller())
    update = refresh_at(endpoint, 300.0)
    assert (update.method, update.body, update.cseq.number) == ("UPDATE", b"", 1)
    assert update.headers.get("Session-Expires") == "600;refresher=uac"
    assert update.headers.get("Supported") == "timer"
    assert update.headers.get("Contact") == "<sip:w0@203.0.113.10:5060>"
    effects = respond(endpoint, update, 200, 300.1, AGREED)
    assert of_type(effects, ResponseReceived) == []  # type: ignore[arg-type]
    assert next_refresh(endpoint)[0] == 600.1


def test_re_invite_refreshes_elsewhere_with_the_description_as_it_was() -> None:
    endpoint = by_invite(Caller())
    invite = refresh_at(endpoint, 300.0)
    assert (invite.method, invite.body) == ("INVITE", ANSWER)
    assert invite.headers.get("Content-Type") == "application/sdp"
    effects = respond(endpoint, invite, 200, 300.1, AGREED)
    [ack] = requests(effects)  # type: ignore[arg-type]
    assert (ack.method, ack.cseq.number) == ("ACK", invite.cseq.number)
    assert only(effects, RefreshAnswered).response.body == ANSWER  # type: ignore[arg-type]
    again = respond(endpoint, invite, 200, 300.6, AGREED)
    assert methods(again) == ["ACK"]  # type: ignore[arg-type]
    assert of_type(again, RefreshAnswered) == []  # type: ignore[arg-type]
    assert next_refresh(endpoint)[0] == 600.1


def test_description_of_the_last_agreement_is_the_one_that_is_offered() -> None:
    caller = Caller()
    endpoint = by_invite(caller)
    hold = caller.request("INVITE", body=OFFER, headers=[TIMER, ("Session-Expires", "600")])
    endpoint.receive_datagram(hold, UDP_FLOW, 10.0)
    endpoint.accept_offer(1, b"v=0 held", 10.0)
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 10.1)
    assert refresh_at(endpoint, 310.0).body == b"v=0 held"


def test_allow_of_a_later_request_counts() -> None:
    caller = Caller()
    endpoint = by_invite(caller)
    info = caller.request("INFO", headers=[("Allow", "INVITE, ACK"), WITH_UPDATE])
    endpoint.receive_datagram(info, UDP_FLOW, 5.0)
    assert refresh_at(endpoint, 300.0).method == "UPDATE"


@pytest.mark.parametrize("status", [405, 501])
def test_update_that_is_not_taken_after_all_is_replaced_by_a_re_invite(status: int) -> None:
    endpoint = established(Caller())
    update = refresh_at(endpoint, 300.0)
    respond(endpoint, update, status, 300.1)
    assert refresh_at(endpoint, 300.1).method == "INVITE"


def test_422_is_followed_by_a_longer_interval_at_once() -> None:
    endpoint = established(Caller())
    respond(endpoint, refresh_at(endpoint, 300.0), 422, 300.1, ("Min-SE", "1200"))
    update = refresh_at(endpoint, 300.1)
    assert update.headers.get("Session-Expires") == "1200;refresher=uac"
    assert update.headers.get("Min-SE") == "1200"
    respond(endpoint, update, 200, 300.2, ("Session-Expires", "1200;refresher=uac"))
    assert next_refresh(endpoint)[0] == 900.2


@pytest.mark.parametrize(
    ("headers", "instant"),
    [([], 310.5), ([("Retry-After", "4 (busy)")], 304.5), ([("Retry-After", "999")], 360.5)],
)
def test_other_refusals_are_followed_by_another_try(headers: Headers, instant: float) -> None:
    endpoint = established(Caller())
    respond(endpoint, refresh_at(endpoint, 300.0), 503, 300.5, *headers)
    assert next_refresh(endpoint)[0] == instant


@pytest.mark.parametrize("make", [established, by_invite])
def test_refresh_that_meets_an_offer_is_repeated_within_two_seconds(make: object) -> None:
    endpoint = make(Caller())  # type: ignore[operator]
    first = refresh_at(endpoint, 300.0)
    respond(endpoint, first, 491, 300.1)
    instant, second = next_refresh(endpoint)
    assert (second.method, second.cseq.number) == (first.method, first.cseq.number + 1)
    assert 300.1 <= instant <= 302.1


def test_caller_waits_longer_than_its_callee_after_a_491() -> None:
    endpoint = make_endpoint()
    invite = placed_call(endpoint, ("Session-Expires", "600;refresher=uac"))
    first = refresh_at(endpoint, 300.0)
    assert first.cseq.number == invite.cseq.number + 1
    respond(endpoint, first, 491, 300.1)
    instant, _ = next_refresh(endpoint)
    assert 302.2 <= instant <= 304.1


def test_re_invite_of_the_peer_meets_ours_and_gets_491() -> None:
    caller = Caller()
    endpoint = by_invite(caller)
    ours = refresh_at(endpoint, 300.0)
    offer = caller.request("INVITE", body=OFFER)
    assert statuses(endpoint.receive_datagram(offer, UDP_FLOW, 300.1)) == [491]
    respond(endpoint, ours, 200, 300.2, AGREED)
    offer = caller.request("INVITE", body=OFFER)
    assert statuses(endpoint.receive_datagram(offer, UDP_FLOW, 301.0)) == [100]


def test_refresh_waits_while_an_offer_of_the_peer_is_pending() -> None:
    caller = Caller()
    endpoint = by_invite(caller)
    endpoint.receive_datagram(caller.request("INVITE", body=OFFER), UDP_FLOW, 299.0)
    assert requests(endpoint.handle_timer(300.0)) == []
    endpoint.reject_offer(1, 488, 300.5)
    endpoint.receive_datagram(caller.ack(branch="z9hG4bK-call-1-2"), UDP_FLOW, 300.6)
    assert next_refresh(endpoint)[0] == 302.0


def test_peers_refresh_puts_ours_off() -> None:
    caller = Caller()
    endpoint = established(caller)
    update = caller.request("UPDATE", headers=[TIMER, ("Session-Expires", "600")])
    [answer] = responses(endpoint.receive_datagram(update, UDP_FLOW, 200.0))
    assert answer.headers.get("Session-Expires") == "600;refresher=uas"
    assert next_refresh(endpoint)[0] == 500.0


@pytest.mark.parametrize("make", [established, by_invite])
@pytest.mark.parametrize(("status", "bye"), [(481, []), (408, ["BYE"])])
def test_peer_that_lost_the_call_ends_it(make: object, status: int, bye: list[str]) -> None:
    endpoint = make(Caller())  # type: ignore[operator]
    effects = respond(endpoint, refresh_at(endpoint, 300.0), status, 300.1)
    sent = [request.method for request in requests(effects)]  # type: ignore[arg-type]
    assert [method for method in sent if method != "ACK"] == bye
    assert only(effects, SessionEnded).cause is EndCause.PEER_GONE  # type: ignore[arg-type]
    settle(endpoint, 300.1)


@pytest.mark.parametrize("make", [established, by_invite])
def test_refresh_that_nobody_answers_ends_the_call_with_bye(make: object) -> None:
    endpoint = make(Caller())  # type: ignore[operator]
    refresh_at(endpoint, 300.0)
    happened = run_timers(endpoint, 332.0)
    [bye] = [message for message in requests([e for _, e in happened]) if message.method == "BYE"]
    assert bye.headers.get("Reason") == 'Q.850;cause=102;text="No response"'
    assert happened[-1] == (332.0, SessionEnded(1, EndCause.PEER_GONE, None))
    settle(endpoint, 332.0)


def test_re_invite_that_rings_for_ever_ends_with_the_session_and_is_forgotten() -> None:
    endpoint = by_invite(Caller())
    invite = refresh_at(endpoint, 300.0)
    respond(endpoint, invite, 180, 300.1)
    happened = run_timers(endpoint, 568.0)
    assert happened[-1] == (568.0, SessionEnded(1, EndCause.SESSION_EXPIRED, None))
    settle(endpoint, 568.0)


def test_call_that_ends_during_a_re_invite_leaves_nothing() -> None:
    caller = Caller()
    endpoint = by_invite(caller)
    invite = refresh_at(endpoint, 300.0)
    respond(endpoint, invite, 100, 300.1)
    effects = endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 301.0)
    assert statuses(effects) == [200]
    assert endpoint.sessions == 0
    settle(endpoint, 301.0)


@pytest.mark.parametrize("make", [established, by_invite])
def test_answer_to_a_refresh_that_crosses_our_bye_begins_nothing(make: object) -> None:
    endpoint = make(Caller())  # type: ignore[operator]
    refresh = refresh_at(endpoint, 300.0)
    assert methods(endpoint.hang_up(1, 300.1)) == ["BYE"]
    effects = respond(endpoint, refresh, 200, 300.2, AGREED)
    assert methods(effects) == (["ACK"] if refresh.method == "INVITE" else [])  # type: ignore[arg-type]
    assert of_type(effects, RefreshAnswered) == []  # type: ignore[arg-type]
    happened = [effect for _, effect in run_timers(endpoint, 2000.0)]
    assert of_type(happened, SessionEnded) == []
    settle(endpoint, 2000.0)


def test_refused_refresh_is_not_repeated_once_the_peer_refreshes() -> None:
    caller = Caller()
    endpoint = established(caller)
    ours = refresh_at(endpoint, 300.0)
    headers = [TIMER, ("Session-Expires", "600;refresher=uac")]
    endpoint.receive_datagram(caller.request("UPDATE", headers=headers), UDP_FLOW, 300.1)
    respond(endpoint, ours, 503, 300.2)
    happened = run_timers(endpoint, 868.1)
    assert methods([effect for _, effect in happened][:-1]) == ["BYE"]
    assert happened[-1] == (868.1, SessionEnded(1, EndCause.SESSION_EXPIRED, None))


def test_session_that_its_refresher_forgets_ends_with_bye_and_its_reason() -> None:
    endpoint = established(Caller(), TIMER, ("Session-Expires", "600;refresher=uac"))
    assert endpoint.next_timeout() == 32.0  # The transaction of the INVITE, and no refresh.
    happened = run_timers(endpoint, 567.9)
    assert requests([e for _, e in happened]) == []
    effects = endpoint.handle_timer(568.0)
    [bye] = requests(effects)
    assert bye.headers.get("Reason") == 'Q.850;cause=102;text="Session timer expired"'
    assert only(effects, SessionEnded).cause is EndCause.SESSION_EXPIRED
    assert Noted(Event.SESSION_EXPIRED) in effects
    respond(endpoint, bye, 200, 568.1)
    settle(endpoint, 568.1)


def test_refused_refreshes_end_the_session_when_its_time_is_over() -> None:
    endpoint = established(Caller())
    instant = 0.0
    while instant < 558.0:
        instant, update = next_refresh(endpoint)
        respond(endpoint, update, 500, instant)
    happened = run_timers(endpoint, 568.0)
    assert happened[-1] == (568.0, SessionEnded(1, EndCause.SESSION_EXPIRED, None))


def test_2xx_without_an_interval_ends_the_timer() -> None:
    endpoint = established(Caller())
    respond(endpoint, refresh_at(endpoint, 300.0), 200, 300.1)
    run_timers(endpoint, 5000.0)
    assert endpoint.next_timeout() is None
    assert endpoint.sessions == 1


def placed_call(endpoint: Endpoint, *headers: tuple[str, str]) -> Request:
    """A call of ours, answered at 0."""
    _, effects = endpoint.invite(
        uri="sip:x@198.51.100.7",
        from_="<sip:edge@203.0.113.10>",
        to="<sip:x@198.51.100.7>",
        hop=CALLER_HOP,
        sdp=OFFER,
        now=0.0,
    )
    [invite] = requests(effects)
    respond(endpoint, invite, 200, 0.0, *headers)
    return invite


def test_callee_may_make_the_caller_its_refresher() -> None:
    endpoint = make_endpoint()
    placed_call(endpoint, ("Session-Expires", "600;refresher=uac"))
    invite = refresh_at(endpoint, 300.0)
    assert (invite.method, invite.body) == ("INVITE", OFFER)
    effects = respond(endpoint, invite, 200, 300.1, AGREED)
    assert only(effects, RefreshAnswered).session == 1  # type: ignore[arg-type]


def test_target_and_allow_of_the_answer_count_from_then_on() -> None:
    endpoint = by_invite(Caller())
    invite = refresh_at(endpoint, 300.0)
    data = response_bytes(
        invite, 200, contact="<sip:new@198.51.100.7>", headers=[AGREED, WITH_UPDATE], body=ANSWER
    )
    endpoint.receive_datagram(data, UDP_FLOW, 300.0)
    update = refresh_at(endpoint, 600.0)
    assert (update.method, update.uri) == ("UPDATE", "sip:new@198.51.100.7")
