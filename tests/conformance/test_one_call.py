"""One INVITE is one call, and gets one final response (RFC 3261 8.2.2.2, 9, 13.3, 17.2.1).

However often it is repeated, within 64*T1 of the final response or as long as its dialog lives.
"""

from __future__ import annotations

import pytest
from support.messages import (
    ANSWER,
    TCP_FLOW,
    UDP_FLOW,
    Caller,
    make_endpoint,
    of_type,
    only,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import EndCause, Event, InviteReceived, Noted, SessionEnded
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.flow import Flow

REPETITION = Noted(Event.RETRANSMISSION_RECEIVED)
FLOWS = pytest.mark.parametrize("flow", [UDP_FLOW, TCP_FLOW], ids=["udp", "tcp"])


def called(caller: Caller) -> Endpoint:
    endpoint = make_endpoint()
    only(endpoint.receive_datagram(caller.invite(), caller.flow, 0.0), InviteReceived)
    return endpoint


@FLOWS
@pytest.mark.parametrize("at", [0.2, 4.9, 5.2, 20.0, 31.9])
def test_refused_and_acknowledged_invite_that_comes_again_is_no_new_call(
    flow: Flow, at: float
) -> None:
    caller = Caller(flow=flow)
    endpoint = called(caller)
    endpoint.reject(1, 486, 0.0)
    endpoint.receive_datagram(caller.ack_error(), flow, 0.1)
    run_timers(endpoint, at)
    assert endpoint.receive_datagram(caller.invite(), flow, at) == [REPETITION]


@FLOWS
def test_cancelled_invite_that_comes_again_is_no_new_call(flow: Flow) -> None:
    caller = Caller(flow=flow)
    endpoint = called(caller)
    assert statuses(endpoint.receive_datagram(caller.cancel(), flow, 1.0)) == [200, 487]
    endpoint.receive_datagram(caller.ack_error(), flow, 1.1)
    run_timers(endpoint, 20.0)
    assert endpoint.receive_datagram(caller.invite(), flow, 20.0) == [REPETITION]


@FLOWS
@pytest.mark.parametrize("at", [3.1, 31.9])
def test_answered_invite_that_comes_again_after_the_bye_is_no_new_call(
    flow: Flow, at: float
) -> None:
    caller = Caller(flow=flow)
    endpoint = called(caller)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), flow, 0.1)
    assert statuses(endpoint.receive_datagram(caller.request("BYE"), flow, 3.0)) == [200]
    run_timers(endpoint, at)
    assert endpoint.receive_datagram(caller.invite(), flow, at) == [REPETITION]


@FLOWS
def test_invite_that_comes_again_during_a_long_call_is_no_new_call(flow: Flow) -> None:
    caller = Caller(flow=flow)
    endpoint = called(caller)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), flow, 0.1)
    run_timers(endpoint, 3600.0)
    assert endpoint.receive_datagram(caller.invite(), flow, 3600.0) == [REPETITION]


def test_same_invite_is_a_new_call_once_nobody_can_remember_it() -> None:
    caller = Caller()
    endpoint = called(caller)
    endpoint.reject(1, 486, 0.0)
    endpoint.receive_datagram(caller.ack_error(), UDP_FLOW, 0.1)
    run_timers(endpoint, 32.0)
    effects = endpoint.receive_datagram(caller.invite(), UDP_FLOW, 32.0)
    assert only(effects, InviteReceived).session == 2


@FLOWS
def test_unacknowledged_answer_ends_in_bye_after_64_t1(flow: Flow) -> None:
    caller = Caller(flow=flow)
    endpoint = called(caller)
    endpoint.answer(1, ANSWER, 0.0)
    happened = run_timers(endpoint, 32.0)
    repeated = [at for at, effect in happened if effect != REPETITION and at < 32.0]
    # 13.3.1.4: over a stream as well, end to end.
    instants = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert sorted(set(repeated)) == instants
    assert happened[-1] == (32.0, SessionEnded(1, EndCause.NO_ACK, None))


CANCELS = {
    # What came before the CANCEL, and what it gets besides its 200.
    "proceeding": ([], [200, 487]),
    "ringing": (["ring"], [200, 487]),
    "answered": (["answer"], [200]),
    "confirmed": (["answer", "ack"], [200]),
    "refused": (["reject"], [200]),
    "refusal confirmed": (["reject", "ack_error"], [200]),
    "ended": (["answer", "ack", "bye"], [200]),
    "cancelled": (["cancel"], [200]),
}


@FLOWS
@pytest.mark.parametrize(("before", "expected"), CANCELS.values(), ids=CANCELS.keys())
def test_cancel_in_every_state(flow: Flow, before: list[str], expected: list[int]) -> None:
    caller = Caller(flow=flow)
    endpoint = called(caller)
    for step in before:
        match step:
            case "ring":
                endpoint.ring(1, 0.1)
            case "answer":
                endpoint.answer(1, ANSWER, 0.1)
            case "reject":
                endpoint.reject(1, 486, 0.1)
            case "ack":
                endpoint.receive_datagram(caller.ack(), flow, 0.2)
            case "ack_error":
                endpoint.receive_datagram(caller.ack_error(), flow, 0.2)
            case "bye":
                endpoint.receive_datagram(caller.request("BYE"), flow, 0.3)
            case _:
                endpoint.receive_datagram(caller.cancel(), flow, 0.2)
    cancel = caller.cancel(headers=[("Reason", 'SIP;cause=200;text="Call completed elsewhere"')])
    if flow is TCP_FLOW and before in (["reject", "ack_error"], ["cancel"]):
        expected = [481] if before[-1] == "ack_error" else [200]  # Timer I is zero over a stream.
    effects = endpoint.receive_datagram(cancel, flow, 0.4)
    assert statuses(effects) == expected
    ended = of_type(effects, SessionEnded)
    reason = 'SIP;cause=200;text="Call completed elsewhere"'
    was_open = expected == [200, 487]
    assert ended == ([SessionEnded(1, EndCause.CANCELLED, reason)] if was_open else [])
    run_timers(endpoint, 1000.0)
    endpoint.hang_up(1, 1000.0)
    settle(endpoint, 1000.0)
