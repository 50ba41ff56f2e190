"""RFC 3262: a provisional response that is repeated until its PRACK comes."""

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
    responses,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import (
    EndCause,
    OfferReceived,
    ProvisionalAcknowledged,
    Send,
    SessionEnded,
)
from sip_edge.sip.endpoint import Endpoint

REQUIRED = ("Require", "100rel")


def incoming(caller: Caller, **values: object) -> Endpoint:
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(headers=[REQUIRED], **values), UDP_FLOW, 0.0)
    return endpoint


def prack(endpoint: Endpoint, caller: Caller, at: float, rack: str, body: bytes = b"") -> list:  # type: ignore[type-arg]
    data = caller.request("PRACK", headers=[("RAck", rack)], body=body)
    return endpoint.receive_datagram(data, UDP_FLOW, at)


def test_ringing_is_reliable_where_the_caller_requires_it() -> None:
    [ringing] = responses(incoming(Caller()).ring(1, 0.0))
    assert (ringing.status, ringing.headers.get("Require")) == (180, "100rel")
    assert (ringing.headers.get("RSeq"), ringing.body) == ("2", b"")
    assert ringing.headers.get("Contact") == "<sip:w0@203.0.113.10:5060>"


def test_ringing_is_ordinary_for_a_caller_that_merely_supports_it() -> None:
    endpoint = make_endpoint()
    invite = Caller().invite(headers=[("Supported", "100rel")])
    endpoint.receive_datagram(invite, UDP_FLOW, 0.0)
    [ringing] = responses(endpoint.ring(1, 0.0))
    assert "RSeq" not in ringing.headers
    assert "Require" not in ringing.headers
    assert endpoint.next_timeout() is None


def test_it_is_repeated_at_doubling_intervals_and_the_invite_fails_with_504_at_the_end() -> None:
    endpoint = incoming(Caller())
    endpoint.ring(1, 0.0)
    happened = run_timers(endpoint, 32.0)
    repeated = [at for at, effect in happened if isinstance(effect, Send) and effect.status == 0]
    assert repeated == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert [at for at, e in happened if isinstance(e, Send) and e.status == 504] == [32.0]
    assert happened[-1] == (32.0, SessionEnded(1, EndCause.NO_ACK, None))
    settle(endpoint, 32.0)


def test_prack_gets_200_and_ends_the_repetition() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.ring(1, 0.0)
    assert statuses(prack(endpoint, caller, 0.2, "2 1 INVITE")) == [200]
    assert of_type([e for _, e in run_timers(endpoint, 31.0)], Send) == []


@pytest.mark.parametrize(
    "rack", ["3 1 INVITE", "2 2 INVITE", "2 1 UPDATE", "2 1", "two 1 INVITE", "2 1 INVITE x", ""]
)
def test_prack_for_anything_else_gets_481_and_changes_nothing(rack: str) -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.ring(1, 0.0)
    assert statuses(prack(endpoint, caller, 0.2, rack)) == [481]
    assert [at for at, _ in run_timers(endpoint, 0.6)] == [0.5, 0.5]


def test_second_prack_and_one_that_nobody_asked_for_get_481() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    assert statuses(prack(endpoint, caller, 0.0, "1 1 INVITE")) == [481]
    endpoint.ring(1, 0.1)
    prack(endpoint, caller, 0.2, "2 1 INVITE")
    assert statuses(prack(endpoint, caller, 0.3, "2 1 INVITE")) == [481]


def test_repeated_prack_gets_its_200_again() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.ring(1, 0.0)
    data = caller.request("PRACK", headers=[("RAck", "2 1 INVITE")])
    assert statuses(endpoint.receive_datagram(data, UDP_FLOW, 0.1)) == [200]
    assert statuses(endpoint.receive_datagram(data, UDP_FLOW, 0.6)) == [200]


def test_next_one_waits_for_the_prack_of_the_last_and_counts_on() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.ring(1, 0.0)
    assert endpoint.ring(1, 0.1) == []
    prack(endpoint, caller, 0.2, "2 1 INVITE")
    [ringing] = responses(endpoint.ring(1, 0.3))
    assert ringing.headers.get("RSeq") == "3"
    assert statuses(prack(endpoint, caller, 0.4, "3 1 INVITE")) == [200]


def test_answer_need_not_wait_for_a_ringing_without_a_description() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.ring(1, 0.0)
    [answer] = responses(endpoint.answer(1, ANSWER, 0.1))
    assert (answer.status, answer.body) == (200, ANSWER)
    assert [r.status for r in responses([e for _, e in run_timers(endpoint, 1.0)])] == [200]
    assert statuses(prack(endpoint, caller, 1.0, "2 1 INVITE")) == [200]


def test_offer_goes_out_with_the_ringing_if_the_invite_had_none() -> None:
    caller = Caller()
    endpoint = incoming(caller, body=b"")
    [ringing] = responses(endpoint.ring(1, 0.0, offer=OFFER))
    assert (ringing.body, ringing.headers.get("Content-Type")) == (OFFER, "application/sdp")
    effects = prack(endpoint, caller, 0.2, "2 1 INVITE", ANSWER)
    assert statuses(effects) == [200]
    assert only(effects, ProvisionalAcknowledged).request.body == ANSWER
    [answer] = responses(endpoint.answer(1, OFFER, 0.3))
    assert (answer.status, answer.body) == (200, b"")
    assert "Content-Type" not in answer.headers
    update = caller.request("UPDATE", body=OFFER)
    assert only(endpoint.receive_datagram(update, UDP_FLOW, 0.4), OfferReceived).session == 1


def test_caller_that_offered_nothing_hears_no_ringing_without_an_offer() -> None:
    endpoint = incoming(Caller(), body=b"")
    assert endpoint.ring(1, 0.0) == []
    [answer] = responses(endpoint.answer(1, OFFER, 0.1))
    assert answer.body == OFFER


def test_answer_waits_for_the_prack_that_brings_the_callers_description() -> None:
    caller = Caller()
    endpoint = incoming(caller, body=b"")
    endpoint.ring(1, 0.0, offer=OFFER)
    assert endpoint.answer(1, OFFER, 0.1) == []
    assert endpoint.answer(1, OFFER, 0.1) == endpoint.ring(1, 0.1) == []
    assert statuses(prack(endpoint, caller, 0.2, "2 1 INVITE", ANSWER)) == [200, 200]
    repeated = responses([effect for _, effect in run_timers(endpoint, 0.8)])
    assert [str(response.cseq) for response in repeated] == ["1 INVITE"]


@pytest.mark.parametrize("how", ["cancel", "hang_up", "no_prack"])
def test_answer_that_waits_is_never_sent_once_the_call_is_over(how: str) -> None:
    caller = Caller()
    endpoint = incoming(caller, body=b"")
    endpoint.ring(1, 0.0, offer=OFFER)
    endpoint.answer(1, OFFER, 0.1)
    if how == "cancel":
        effects = endpoint.receive_datagram(caller.cancel(), UDP_FLOW, 0.2)
    elif how == "hang_up":
        effects = endpoint.hang_up(1, 0.2)
    else:
        effects = [effect for _, effect in run_timers(endpoint, 32.0)]
    expected = {"cancel": [200, 487], "hang_up": [480], "no_prack": [504]}[how]
    assert statuses(effects)[-len(expected) :] == expected
    assert len(of_type(effects, SessionEnded)) == 1
    assert statuses(prack(endpoint, caller, 32.1, "2 1 INVITE", ANSWER)) == [481]
    settle(endpoint, 32.1)


def test_another_offer_in_a_prack_is_answered_in_its_200() -> None:
    caller = Caller()
    endpoint = incoming(caller, body=b"")
    endpoint.ring(1, 0.0, offer=OFFER)
    prack(endpoint, caller, 0.1, "2 1 INVITE", ANSWER)
    endpoint.ring(1, 0.2)
    effects = prack(endpoint, caller, 0.3, "3 1 INVITE", OFFER)
    assert statuses(effects) == []
    assert only(effects, OfferReceived).request.method == "PRACK"
    [response] = responses(endpoint.accept_offer(1, ANSWER, 0.4))
    assert (response.status, response.cseq.method, response.body) == (200, "PRACK", ANSWER)
    assert "Session-Expires" not in response.headers


def test_offer_in_a_prack_before_the_first_is_answered_has_to_wait() -> None:
    caller = Caller()
    endpoint = incoming(caller)
    endpoint.ring(1, 0.0)
    [response] = responses(prack(endpoint, caller, 0.1, "2 1 INVITE", OFFER))
    assert response.status == 500
    assert 0 <= int(response.headers.get("Retry-After") or "-1") <= 10
    assert of_type([e for _, e in run_timers(endpoint, 31.0)], Send) == []


def test_update_with_an_offer_meets_the_one_of_the_ringing() -> None:
    caller = Caller()
    endpoint = incoming(caller, body=b"")
    endpoint.ring(1, 0.0, offer=OFFER)
    update = caller.request("UPDATE", body=OFFER)
    assert statuses(endpoint.receive_datagram(update, UDP_FLOW, 0.1)) == [491]
    prack(endpoint, caller, 0.2, "2 1 INVITE", ANSWER)
    update = caller.request("UPDATE", body=OFFER)
    only(endpoint.receive_datagram(update, UDP_FLOW, 0.3), OfferReceived)
    [response] = responses(endpoint.accept_offer(1, ANSWER, 0.3))
    assert (response.status, response.cseq.method) == (200, "UPDATE")


def test_invite_that_expires_first_gets_487() -> None:
    endpoint = make_endpoint()
    invite = Caller().invite(headers=[REQUIRED, ("Expires", "3")])
    endpoint.receive_datagram(invite, UDP_FLOW, 0.0)
    endpoint.ring(1, 0.0)
    happened = run_timers(endpoint, 3.0)
    assert statuses([effect for _, effect in happened]) == [180, 180, 487]
