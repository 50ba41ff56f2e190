"""Transactions are found, timed and forgotten."""

from __future__ import annotations

from support.messages import (
    CALLER_HOP,
    TCP_FLOW,
    UDP_FLOW,
    make_request_of,
    make_response_of,
)

from sip_edge.sip.effects import SendTo
from sip_edge.sip.message import make_response
from sip_edge.sip.timers import DEFAULT_TIMERS
from sip_edge.sip.transaction.effects import Failure, PassToUser, TransactionFailed
from sip_edge.sip.transaction.key import ServerKey, origin_key, own_key, server_key
from sip_edge.sip.transaction.layer import TransactionLayer

OPTIONS = make_request_of("OPTIONS")
OPTIONS_KEY = server_key(OPTIONS, "OPTIONS")
INVITE = make_request_of("INVITE")
INVITE_KEY = server_key(INVITE, "INVITE")


def make_layer(limit: int = 100) -> TransactionLayer:
    return TransactionLayer(settings=DEFAULT_TIMERS, limit=limit)


def test_open_transaction_is_found_by_its_key_and_by_its_origin() -> None:
    layer = make_layer()
    tx = layer.open(OPTIONS_KEY, UDP_FLOW, origin=origin_key(OPTIONS))
    assert layer.find_server(OPTIONS_KEY) is tx
    assert layer.find_origin(origin_key(OPTIONS)) == OPTIONS_KEY
    assert len(layer) == 1


def test_transaction_is_forgotten_when_its_timer_has_ended_it() -> None:
    layer = make_layer()
    tx = layer.open(OPTIONS_KEY, UDP_FLOW, origin=origin_key(OPTIONS))
    layer.respond(tx, make_response(OPTIONS, 200), 1.0)
    assert layer.next_timeout() == 33.0
    assert layer.pop_due(32.9) is None
    assert layer.pop_due(33.0) is tx
    layer.handle_timer(tx, 33.0)
    assert (len(layer), layer.next_timeout()) == (0, None)
    assert layer.find_server(OPTIONS_KEY) is None
    assert layer.find_origin(origin_key(OPTIONS)) is None


def test_transaction_over_a_stream_is_forgotten_with_its_final_response() -> None:
    layer = make_layer()
    tx = layer.open(OPTIONS_KEY, TCP_FLOW, origin=None)
    layer.respond(tx, make_response(OPTIONS, 200), 1.0)
    assert (len(layer), layer.next_timeout()) == (0, None)


def test_ack_moves_the_deadline_of_an_invite() -> None:
    layer = make_layer()
    tx = layer.open_invite(INVITE_KEY, UDP_FLOW, local_tag="edge", origin=None, session=0)
    layer.respond(tx, make_response(INVITE, 486), 0.0)
    assert layer.next_timeout() == 0.5
    layer.receive_request(tx, make_request_of("ACK", to_tag="edge"), 0.1)
    assert layer.next_timeout() == 5.1


def test_nearest_deadline_of_all_transactions_comes_first() -> None:
    layer = make_layer()
    other = make_request_of("OPTIONS", branch="z9hG4bK-2")
    for at, request in [(2.0, OPTIONS), (1.0, other)]:
        tx = layer.open(server_key(request, "OPTIONS"), UDP_FLOW, origin=None)
        layer.respond(tx, make_response(request, 200), at)
    assert layer.next_timeout() == 33.0


def test_response_is_given_to_the_transaction_of_its_request() -> None:
    layer = make_layer()
    [send] = layer.start(OPTIONS, CALLER_HOP, None, session=3, now=0.0)
    assert isinstance(send, SendTo)
    assert (send.hop, send.flow, send.key) == (CALLER_HOP, None, "z9hG4bK-1 OPTIONS")
    tx = layer.find_client(own_key(OPTIONS))
    assert tx is not None
    assert tx.session == 3
    response = make_response_of(OPTIONS, 200)
    assert layer.receive_response(tx, response, 0.1) == [PassToUser(response)]
    assert layer.next_timeout() == 5.1


def test_invite_of_ours_is_forgotten_when_it_could_not_be_sent() -> None:
    layer = make_layer()
    tx, _ = layer.start_invite(INVITE, CALLER_HOP, None, session=1, now=0.0)
    assert layer.has_clients
    assert layer.transport_failed(tx) == [TransactionFailed(Failure.TRANSPORT)]
    assert (len(layer), layer.next_timeout(), layer.has_clients) == (0, None, False)


def test_abandoned_invite_is_forgotten_in_silence() -> None:
    layer = make_layer()
    tx, _ = layer.start_invite(INVITE, CALLER_HOP, None, session=1, now=0.0)
    layer.abandon(tx)
    assert (len(layer), layer.next_timeout()) == (0, None)


def test_layer_is_full_at_its_limit_and_keeps_a_quarter_for_dialogs() -> None:
    layer = make_layer(limit=4)
    for number in range(5):
        assert (layer.is_full, layer.is_overfull) == (number >= 4, False)
        layer.open(("OPTIONS", f"z9hG4bK-{number}", "", 0), UDP_FLOW, origin=None)
    assert layer.is_overfull


def refused(layer: TransactionLayer, number: int, at: float) -> ServerKey:
    """The key of an INVITE that was refused then and acknowledged at once."""
    branch = f"z9hG4bK-refused-{number}"
    invite = make_request_of("INVITE", branch=branch, call_id=f"call-{number}")
    key = server_key(invite, "INVITE")
    tx = layer.open_invite(
        key, TCP_FLOW, local_tag="edge", origin=origin_key(invite), session=number
    )
    layer.respond(tx, make_response(invite, 486), at)
    layer.receive_request(tx, make_request_of("ACK", branch=branch, to_tag="edge"), at)
    return key


def test_refused_invite_is_remembered_for_64_t1_after_its_transaction() -> None:
    layer = make_layer()
    key = refused(layer, 1, 0.0)
    assert (len(layer), layer.next_timeout()) == (0, None)
    assert layer.is_refused(key, 31.9)
    assert not layer.is_refused(key, 32.0)
    assert not layer.is_refused(("INVITE", "z9hG4bK-other", "198.51.100.7", 5060), 1.0)


def test_no_more_refused_invites_are_remembered_than_transactions_allowed() -> None:
    layer = make_layer(limit=3)
    keys = [refused(layer, number, number / 10) for number in range(5)]
    assert [layer.is_refused(key, 1.0) for key in keys] == [False, False, True, True, True]


def test_invite_that_was_turned_away_is_remembered_for_64_t1() -> None:
    layer = make_layer()
    layer.turn_away(INVITE_KEY, 1.0)
    assert layer.is_turned_away(INVITE_KEY, 32.9)
    assert not layer.is_turned_away(INVITE_KEY, 33.0)
    assert not layer.is_turned_away(OPTIONS_KEY, 1.0)


def test_no_more_are_remembered_as_turned_away_than_transactions_allowed() -> None:
    layer = make_layer(limit=2)
    keys = [server_key(make_request_of("INVITE", branch=f"z9hG4bK-{n}"), "INVITE") for n in "abc"]
    for key in keys:
        layer.turn_away(key, 1.0)
    assert [layer.is_turned_away(key, 2.0) for key in keys] == [False, True, True]


def test_invite_that_nobody_waits_for_is_forgotten_after_64_t1() -> None:
    layer = make_layer()
    tx, _ = layer.start_invite(INVITE, CALLER_HOP, None, session=1, now=0.0)
    layer.receive_response(tx, make_response_of(INVITE, 180), 1.0)
    assert layer.next_timeout() is None
    layer.give_up(tx, 10.0)
    layer.receive_response(tx, make_response_of(INVITE, 180), 11.0)
    assert layer.next_timeout() == 42.0
    assert layer.pop_due(42.0) is tx
    assert layer.handle_timer(tx, 42.0) == [TransactionFailed(Failure.TIMEOUT)]
    assert len(layer) == 0
