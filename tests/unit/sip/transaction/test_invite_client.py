"""RFC 3261 17.1.1, figure 5, with RFC 6026's ACCEPTED."""

from __future__ import annotations

import itertools

import pytest
from support.messages import CALLER_HOP, TCP_FLOW, make_request_of, make_response_of

from sip_edge.sip.effects import Event, Noted, SendTo
from sip_edge.sip.flow import NextHop, Transport
from sip_edge.sip.message import Request, Response
from sip_edge.sip.parser import parse_message
from sip_edge.sip.timers import DEFAULT_TIMERS
from sip_edge.sip.transaction.effects import Failure, PassToUser, TransactionFailed
from sip_edge.sip.transaction.invite_client import InviteClientTransaction, State

INVITE = make_request_of(
    "INVITE", headers=[("Route", "<sip:192.0.2.1;lr>"), ("Route", "<sip:192.0.2.2;lr>")]
)
TCP_HOP = NextHop("198.51.100.7", 5060, Transport.TCP)


def response(status: int, to_tag: str = "callee") -> Response:
    return make_response_of(INVITE, status, to_tag=to_tag)


def transaction_in(state: State, hop: NextHop = CALLER_HOP) -> InviteClientTransaction:
    tx = InviteClientTransaction(
        request=INVITE, hop=hop, flow=None, settings=DEFAULT_TIMERS, session=1
    )
    tx.start(0.0)
    match state:
        case State.PROCEEDING:
            tx.receive_response(response(180), 0.0)
        case State.COMPLETED:
            tx.receive_response(response(486), 0.0)
        case State.ACCEPTED:
            tx.receive_response(response(200), 0.0)
        case State.TERMINATED:
            tx.transport_failed()
    assert tx.state is state
    return tx


INPUTS = {
    "1xx": lambda tx: tx.receive_response(response(180), 0.0),
    "2xx": lambda tx: tx.receive_response(response(200), 0.0),
    "300-699": lambda tx: tx.receive_response(response(486), 0.0),
    "transport error": lambda tx: tx.transport_failed(),
    "T1 passes": lambda tx: tx.handle_timer(0.5),
    "64*T1 pass": lambda tx: tx.handle_timer(32.0),
    "abandon": lambda tx: tx.abandon(),
}

S = State
TRANSITIONS = {
    (S.CALLING, "1xx"): S.PROCEEDING,
    (S.CALLING, "2xx"): S.ACCEPTED,
    (S.CALLING, "300-699"): S.COMPLETED,
    (S.CALLING, "transport error"): S.TERMINATED,
    (S.CALLING, "64*T1 pass"): S.TERMINATED,  # Timer B
    (S.PROCEEDING, "2xx"): S.ACCEPTED,
    (S.PROCEEDING, "300-699"): S.COMPLETED,
    (S.PROCEEDING, "transport error"): S.TERMINATED,
    (S.COMPLETED, "transport error"): S.TERMINATED,
    (S.COMPLETED, "64*T1 pass"): S.TERMINATED,  # Timer D
    (S.ACCEPTED, "64*T1 pass"): S.TERMINATED,  # Timer M
    **{(state, "abandon"): S.TERMINATED for state in State},
}


@pytest.mark.parametrize(("state", "name"), list(itertools.product(State, INPUTS)))
def test_every_input_in_every_state_goes_where_figure_5_says(state: State, name: str) -> None:
    tx = transaction_in(state)
    INPUTS[name](tx)
    assert tx.state is TRANSITIONS.get((state, name), state)


def test_invite_is_repeated_at_doubling_intervals_until_64_t1() -> None:
    tx = transaction_in(S.CALLING)
    sent_at, failed_at = [], []
    while (deadline := tx.next_timeout()) is not None:
        for effect in tx.handle_timer(deadline):
            if isinstance(effect, SendTo):
                sent_at.append(deadline)
            if effect == TransactionFailed(Failure.TIMEOUT):
                failed_at.append(deadline)
    assert sent_at == [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert failed_at == [32.0]


def test_invite_is_not_repeated_over_a_reliable_transport() -> None:
    assert transaction_in(S.CALLING, TCP_HOP).next_timeout() == 32.0


def test_provisional_response_stops_the_repetition_and_the_clock() -> None:
    tx = transaction_in(S.PROCEEDING)
    assert tx.next_timeout() is None


@pytest.mark.parametrize("state", [S.CALLING, S.PROCEEDING])
@pytest.mark.parametrize("status", [180, 200])
def test_responses_below_300_are_passed_to_the_user(state: State, status: int) -> None:
    received = response(status)
    assert transaction_in(state).receive_response(received, 0.1) == [PassToUser(received)]


def test_final_error_is_acknowledged_and_passed_to_the_user() -> None:
    received = response(486)
    send, passed = transaction_in(S.PROCEEDING).receive_response(received, 0.1)
    assert isinstance(send, SendTo)
    assert (send.hop, send.key) == (CALLER_HOP, "z9hG4bK-1 INVITE")
    assert passed == PassToUser(received)


def test_ack_for_an_error_is_built_from_the_invite_and_the_response() -> None:
    send, _ = transaction_in(S.CALLING).receive_response(response(486, "busy"), 0.1)
    assert isinstance(send, SendTo)
    ack = parse_message(send.data)
    assert isinstance(ack, Request)
    assert (ack.method, ack.uri, str(ack.cseq)) == ("ACK", INVITE.uri, "1 ACK")
    assert ack.headers.get_all("Via") == INVITE.headers.get_all("Via")
    assert ack.headers.get("From") == INVITE.headers.get("From")
    assert ack.to.tag == "busy"
    assert ack.routes == ["<sip:192.0.2.1;lr>", "<sip:192.0.2.2;lr>"]
    assert ack.body == b""


def test_repeated_error_gets_the_same_ack_again_and_is_not_passed_up() -> None:
    tx = transaction_in(S.CALLING)
    first, _ = tx.receive_response(response(486), 0.1)
    assert tx.receive_response(response(486), 0.6) == [
        Noted(Event.RETRANSMISSION_RECEIVED),
        first,
    ]


def test_error_over_a_reliable_transport_ends_the_transaction_at_once() -> None:
    tx = transaction_in(S.CALLING, TCP_HOP)
    tx.receive_response(response(486), 0.1)
    assert (tx.is_terminated, tx.next_timeout()) == (True, None)


def test_errors_are_absorbed_for_32_seconds_over_udp() -> None:
    assert transaction_in(S.COMPLETED).next_timeout() == 32.0


def test_each_2xx_is_passed_to_the_user_for_64_t1() -> None:
    tx = transaction_in(S.ACCEPTED)
    other = response(200, "other-fork")
    assert tx.receive_response(other, 5.0) == [PassToUser(other)]
    assert tx.next_timeout() == 32.0


@pytest.mark.parametrize("status", [180, 486])
def test_other_responses_after_a_2xx_are_ignored(status: int) -> None:
    assert transaction_in(S.ACCEPTED).receive_response(response(status), 5.0) == []


def test_request_that_cannot_be_sent_fails_the_transaction() -> None:
    assert transaction_in(S.CALLING).transport_failed() == [TransactionFailed(Failure.TRANSPORT)]


def test_invite_goes_out_again_once_when_its_connection_is_gone_without_a_word() -> None:
    tx = InviteClientTransaction(
        request=INVITE, hop=TCP_HOP, flow=TCP_FLOW, settings=DEFAULT_TIMERS, session=1
    )
    [first] = tx.start(0.0)
    assert tx.flow_closed(TCP_FLOW) == [SendTo(first.data, TCP_HOP, None, first.key)]
    assert tx.flow_closed(TCP_FLOW) == []


def test_invite_that_has_arrived_does_not_care_for_its_connection() -> None:
    tx = InviteClientTransaction(
        request=INVITE, hop=TCP_HOP, flow=TCP_FLOW, settings=DEFAULT_TIMERS, session=1
    )
    tx.start(0.0)
    tx.receive_response(response(100), 0.1)
    assert tx.flow_closed(TCP_FLOW) == []
