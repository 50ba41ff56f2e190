"""RFC 3261 17.2.1, figure 7, with RFC 6026's ACCEPTED."""

from __future__ import annotations

import itertools

import pytest
from support.messages import TCP_FLOW, UDP_FLOW, make_request_of

from sip_edge.sip.effects import Event, Noted, Send
from sip_edge.sip.flow import Flow
from sip_edge.sip.message import make_response
from sip_edge.sip.timers import DEFAULT_TIMERS
from sip_edge.sip.transaction.effects import Failure, PassToUser, TransactionFailed
from sip_edge.sip.transaction.invite_server import InviteServerTransaction, State

INVITE = make_request_of("INVITE")
ACK = make_request_of("ACK", to_tag="edge")
REPEATED = Noted(Event.RETRANSMISSION_RECEIVED)


def transaction_in(state: State, flow: Flow = UDP_FLOW) -> InviteServerTransaction:
    tx = InviteServerTransaction(
        key=("INVITE", "z9hG4bK-1", "198.51.100.7", 5060),
        flow=flow,
        settings=DEFAULT_TIMERS,
        local_tag="edge",
        origin=None,
        session=1,
    )
    if state in (State.COMPLETED, State.CONFIRMED, State.TERMINATED):
        respond(tx, 486)
    if state in (State.CONFIRMED, State.TERMINATED):
        tx.receive_request(ACK, 0.0)
    if state is State.ACCEPTED:
        respond(tx, 200)
    if state is State.TERMINATED:
        tx.handle_timer(100.0)
    assert tx.state is state
    return tx


def respond(tx: InviteServerTransaction, status: int, now: float = 0.0) -> list[int]:
    sent = tx.send_response(make_response(INVITE, status, to_tag="edge"), now)
    return [int(send.data.split()[1]) for send in sent]


INPUTS = {
    "INVITE": lambda tx: tx.receive_request(INVITE, 0.0),
    "ACK": lambda tx: tx.receive_request(ACK, 0.0),
    "send 101-199": lambda tx: respond(tx, 180),
    "send 2xx": lambda tx: respond(tx, 200),
    "send 300-699": lambda tx: respond(tx, 486),
    "T1 passes": lambda tx: tx.handle_timer(0.5),
    "64*T1 pass": lambda tx: tx.handle_timer(32.0),
}

S = State
TRANSITIONS = {
    (S.PROCEEDING, "send 2xx"): S.ACCEPTED,
    (S.PROCEEDING, "send 300-699"): S.COMPLETED,
    (S.COMPLETED, "ACK"): S.CONFIRMED,
    (S.COMPLETED, "64*T1 pass"): S.TERMINATED,  # Timer H
    (S.CONFIRMED, "64*T1 pass"): S.TERMINATED,  # Timer I
    (S.ACCEPTED, "64*T1 pass"): S.TERMINATED,  # Timer L
}


@pytest.mark.parametrize(("state", "name"), list(itertools.product(State, INPUTS)))
def test_every_input_in_every_state_goes_where_figure_7_says(state: State, name: str) -> None:
    tx = transaction_in(state)
    INPUTS[name](tx)
    assert tx.state is TRANSITIONS.get((state, name), state)


def test_first_response_bears_its_status_and_goes_to_the_flow() -> None:
    [send] = transaction_in(S.PROCEEDING).send_response(make_response(INVITE, 180), 0.0)
    assert (send.flow, send.status) == (UDP_FLOW, 180)


def test_retransmitted_invite_before_any_response_is_absorbed() -> None:
    assert transaction_in(S.PROCEEDING).receive_request(INVITE, 0.1) == [REPEATED]


def test_retransmitted_invite_is_answered_with_the_last_provisional_response() -> None:
    tx = transaction_in(S.PROCEEDING)
    respond(tx, 100)
    respond(tx, 180)
    noted, send = tx.receive_request(INVITE, 0.5)
    assert noted == REPEATED
    assert isinstance(send, Send)
    assert send.data.startswith(b"SIP/2.0 180 ")
    assert send.status == 0


def test_retransmitted_invite_is_answered_with_the_final_error() -> None:
    _, send = transaction_in(S.COMPLETED).receive_request(INVITE, 0.2)
    assert isinstance(send, Send)
    assert send.data.startswith(b"SIP/2.0 486 ")


def test_retransmitted_invite_after_a_2xx_is_absorbed() -> None:
    assert transaction_in(S.ACCEPTED).receive_request(INVITE, 0.2) == [REPEATED]


def test_ack_for_a_2xx_is_passed_to_the_user_not_absorbed() -> None:
    assert transaction_in(S.ACCEPTED).receive_request(ACK, 0.2) == [PassToUser(ACK)]


def test_user_may_send_the_2xx_again_while_accepted() -> None:
    assert respond(transaction_in(S.ACCEPTED), 200) == [200]


@pytest.mark.parametrize("state", [S.COMPLETED, S.CONFIRMED, S.ACCEPTED, S.TERMINATED])
def test_second_final_response_is_not_sent(state: State) -> None:
    assert respond(transaction_in(state), 603) == []


def test_final_error_is_retransmitted_at_doubling_intervals_capped_by_t2() -> None:
    tx = transaction_in(S.COMPLETED)
    sent_at = []
    while (deadline := tx.next_timeout()) is not None:
        if any(isinstance(effect, Send) for effect in tx.handle_timer(deadline)):
            sent_at.append(deadline)
    assert sent_at == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]


def test_final_error_is_not_retransmitted_over_a_reliable_transport() -> None:
    assert transaction_in(S.COMPLETED, TCP_FLOW).next_timeout() == 32.0


def test_missing_ack_ends_the_transaction_after_64_t1() -> None:
    tx = transaction_in(S.COMPLETED)
    assert tx.handle_timer(32.0) == [TransactionFailed(Failure.TIMEOUT)]
    assert (tx.is_terminated, tx.next_timeout()) == (True, None)


def test_late_timer_repeats_the_error_once_and_not_for_each_missed_instant() -> None:
    tx = transaction_in(S.COMPLETED)
    assert len([e for e in tx.handle_timer(20.0) if isinstance(e, Send)]) == 1
    assert tx.next_timeout() == 21.0


def test_ack_stops_the_error_and_is_absorbed_for_t4() -> None:
    tx = transaction_in(S.COMPLETED)
    assert tx.receive_request(ACK, 1.0) == []
    assert tx.next_timeout() == 6.0
    assert tx.receive_request(ACK, 1.1) == [REPEATED]


def test_ack_over_a_reliable_transport_ends_the_transaction_at_once() -> None:
    tx = transaction_in(S.COMPLETED, TCP_FLOW)
    tx.receive_request(ACK, 1.0)
    assert (tx.is_terminated, tx.next_timeout()) == (True, None)


def test_accepted_transaction_absorbs_invites_for_64_t1_over_any_transport() -> None:
    assert transaction_in(S.ACCEPTED).next_timeout() == 32.0
    assert transaction_in(S.ACCEPTED, TCP_FLOW).next_timeout() == 32.0


def test_proceeding_transaction_has_no_timer() -> None:
    assert transaction_in(S.PROCEEDING).next_timeout() is None
