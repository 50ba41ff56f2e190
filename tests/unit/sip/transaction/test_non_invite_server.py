"""RFC 3261 17.2.2, figure 8."""

from __future__ import annotations

import itertools

import pytest
from support.messages import TCP_FLOW, UDP_FLOW, make_request_of

from sip_edge.sip.effects import Event, Noted, Send
from sip_edge.sip.flow import Flow
from sip_edge.sip.message import make_response
from sip_edge.sip.timers import DEFAULT_TIMERS
from sip_edge.sip.transaction.non_invite_server import ServerTransaction, State

BYE = make_request_of("BYE", to_tag="edge")
REPEATED = Noted(Event.RETRANSMISSION_RECEIVED)


def transaction_in(state: State, flow: Flow = UDP_FLOW) -> ServerTransaction:
    tx = ServerTransaction(
        key=("BYE", "z9hG4bK-1", "198.51.100.7", 5060),
        flow=flow,
        settings=DEFAULT_TIMERS,
        origin=None,
    )
    if state is State.PROCEEDING:
        respond(tx, 100)
    if state in (State.COMPLETED, State.TERMINATED):
        respond(tx, 200)
    if state is State.TERMINATED:
        tx.handle_timer(32.0)
    assert tx.state is state
    return tx


def respond(tx: ServerTransaction, status: int, now: float = 0.0) -> list[int]:
    return [int(s.data.split()[1]) for s in tx.send_response(make_response(BYE, status), now)]


INPUTS = {
    "request": lambda tx: tx.receive_request(BYE, 0.0),
    "send 1xx": lambda tx: respond(tx, 100),
    "send 200-699": lambda tx: respond(tx, 481),
    "64*T1 pass": lambda tx: tx.handle_timer(32.0),
}

S = State
TRANSITIONS = {
    (S.TRYING, "send 1xx"): S.PROCEEDING,
    (S.TRYING, "send 200-699"): S.COMPLETED,
    (S.PROCEEDING, "send 200-699"): S.COMPLETED,
    (S.COMPLETED, "64*T1 pass"): S.TERMINATED,  # Timer J
}


@pytest.mark.parametrize(("state", "name"), list(itertools.product(State, INPUTS)))
def test_every_input_in_every_state_goes_where_figure_8_says(state: State, name: str) -> None:
    tx = transaction_in(state)
    INPUTS[name](tx)
    assert tx.state is TRANSITIONS.get((state, name), state)


def test_repeated_request_before_any_response_is_absorbed() -> None:
    assert transaction_in(S.TRYING).receive_request(BYE, 0.1) == [REPEATED]


@pytest.mark.parametrize(
    ("state", "start"), [(S.PROCEEDING, b"SIP/2.0 100 "), (S.COMPLETED, b"SIP/2.0 200 ")]
)
def test_repeated_request_gets_the_last_response_again(state: State, start: bytes) -> None:
    noted, send = transaction_in(state).receive_request(BYE, 0.5)
    assert noted == REPEATED
    assert isinstance(send, Send)
    assert (send.data[:12], send.flow, send.status) == (start, UDP_FLOW, 0)


def test_second_final_response_is_discarded() -> None:
    assert respond(transaction_in(S.COMPLETED), 500) == []


def test_completed_transaction_answers_repetitions_for_64_t1() -> None:
    tx = transaction_in(S.COMPLETED)
    assert tx.next_timeout() == 32.0
    assert tx.handle_timer(32.0) == []
    assert (tx.is_terminated, tx.next_timeout()) == (True, None)


def test_reliable_transport_ends_the_transaction_with_the_final_response() -> None:
    tx = transaction_in(S.TRYING, TCP_FLOW)
    respond(tx, 200)
    assert (tx.is_terminated, tx.next_timeout()) == (True, None)
