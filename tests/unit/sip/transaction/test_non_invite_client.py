"""RFC 3261 17.1.2, figure 6."""

from __future__ import annotations

import itertools

import pytest
from support.messages import CALLER_HOP, TCP_FLOW, TLS_FLOW, make_request_of, make_response_of

from sip_edge.sip.effects import Event, Noted, SendTo
from sip_edge.sip.flow import NextHop, Transport
from sip_edge.sip.message import Response
from sip_edge.sip.timers import DEFAULT_TIMERS
from sip_edge.sip.transaction.effects import Failure, PassToUser, TransactionFailed
from sip_edge.sip.transaction.non_invite_client import ClientTransaction, State

BYE = make_request_of("BYE", to_tag="callee")
TCP_HOP = NextHop("198.51.100.7", 5060, Transport.TCP)


def response(status: int) -> Response:
    return make_response_of(BYE, status)


def transaction_in(state: State, hop: NextHop = CALLER_HOP) -> ClientTransaction:
    tx = ClientTransaction(request=BYE, hop=hop, flow=None, settings=DEFAULT_TIMERS, session=1)
    tx.start(0.0)
    match state:
        case State.PROCEEDING:
            tx.receive_response(response(100), 0.0)
        case State.COMPLETED:
            tx.receive_response(response(200), 0.0)
        case State.TERMINATED:
            tx.transport_failed()
    assert tx.state is state
    return tx


INPUTS = {
    "1xx": lambda tx: tx.receive_response(response(100), 0.0),
    "200-699": lambda tx: tx.receive_response(response(200), 0.0),
    "transport error": lambda tx: tx.transport_failed(),
    "T1 passes": lambda tx: tx.handle_timer(0.5),
    "T4 passes": lambda tx: tx.handle_timer(5.0),
    "64*T1 pass": lambda tx: tx.handle_timer(32.0),
}

S = State
TRANSITIONS = {
    (S.TRYING, "1xx"): S.PROCEEDING,
    (S.TRYING, "200-699"): S.COMPLETED,
    (S.TRYING, "transport error"): S.TERMINATED,
    (S.TRYING, "64*T1 pass"): S.TERMINATED,  # Timer F
    (S.PROCEEDING, "200-699"): S.COMPLETED,
    (S.PROCEEDING, "transport error"): S.TERMINATED,
    (S.PROCEEDING, "64*T1 pass"): S.TERMINATED,  # Timer F
    (S.COMPLETED, "T4 passes"): S.TERMINATED,  # Timer K
    (S.COMPLETED, "64*T1 pass"): S.TERMINATED,
}


@pytest.mark.parametrize(("state", "name"), list(itertools.product(State, INPUTS)))
def test_every_input_in_every_state_goes_where_figure_6_says(state: State, name: str) -> None:
    tx = transaction_in(state)
    INPUTS[name](tx)
    assert tx.state is TRANSITIONS.get((state, name), state)


def test_request_is_repeated_at_doubling_intervals_capped_by_t2_until_64_t1() -> None:
    tx = transaction_in(S.TRYING)
    sent_at, failed_at = [], []
    while (deadline := tx.next_timeout()) is not None:
        for effect in tx.handle_timer(deadline):
            if isinstance(effect, SendTo):
                sent_at.append(deadline)
            if effect == TransactionFailed(Failure.TIMEOUT):
                failed_at.append(deadline)
    assert sent_at == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert failed_at == [32.0]


def test_request_is_repeated_every_t2_once_a_provisional_response_came() -> None:
    tx = transaction_in(S.PROCEEDING)
    assert tx.next_timeout() == 0.5
    tx.handle_timer(0.5)
    assert tx.next_timeout() == 4.5


def test_request_is_not_repeated_over_a_reliable_transport() -> None:
    assert transaction_in(S.TRYING, TCP_HOP).next_timeout() == 32.0


@pytest.mark.parametrize("state", [S.TRYING, S.PROCEEDING])
@pytest.mark.parametrize("status", [100, 200, 481])
def test_responses_are_passed_to_the_user(state: State, status: int) -> None:
    received = response(status)
    assert transaction_in(state).receive_response(received, 0.1) == [PassToUser(received)]


def test_repeated_final_response_is_absorbed_for_t4() -> None:
    tx = transaction_in(S.COMPLETED)
    assert tx.receive_response(response(200), 1.0) == [Noted(Event.RETRANSMISSION_RECEIVED)]
    assert tx.next_timeout() == 5.0


def test_final_response_over_a_reliable_transport_ends_the_transaction_at_once() -> None:
    tx = transaction_in(S.TRYING, TCP_HOP)
    tx.receive_response(response(200), 0.1)
    assert (tx.is_terminated, tx.next_timeout()) == (True, None)


@pytest.mark.parametrize("state", [S.TRYING, S.PROCEEDING])
def test_request_that_cannot_be_sent_fails_the_transaction(state: State) -> None:
    assert transaction_in(state).transport_failed() == [TransactionFailed(Failure.TRANSPORT)]


def test_request_goes_out_again_once_when_its_connection_is_gone_without_an_answer() -> None:
    tx = ClientTransaction(
        request=BYE, hop=TCP_HOP, flow=TCP_FLOW, settings=DEFAULT_TIMERS, session=1
    )
    [first] = tx.start(0.0)
    assert tx.flow_closed(TLS_FLOW) == []
    assert tx.flow_closed(TCP_FLOW) == [SendTo(first.data, TCP_HOP, None, first.key)]
    assert tx.flow_closed(TCP_FLOW) == []


def test_answered_request_does_not_care_for_its_connection() -> None:
    tx = ClientTransaction(
        request=BYE, hop=TCP_HOP, flow=TCP_FLOW, settings=DEFAULT_TIMERS, session=1
    )
    tx.start(0.0)
    tx.receive_response(response(200), 0.1)
    assert tx.flow_closed(TCP_FLOW) == []
