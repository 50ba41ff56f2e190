"""Sessions are found by dialog and by number, and forgotten when they are over."""

from __future__ import annotations

from support.messages import UDP_FLOW, make_request_of
from support.sip_ids import CountingIds

from sip_edge.sip.dialog.inbound_session import InboundSession
from sip_edge.sip.dialog.session_table import SessionTable
from sip_edge.sip.dialog.user_core import UserCore
from sip_edge.sip.settings import EndpointSettings
from sip_edge.sip.timers import DEFAULT_TIMERS
from sip_edge.sip.transaction.key import origin_key, server_key
from sip_edge.sip.transaction.layer import TransactionLayer


def make_session(number: int, call_id: str) -> InboundSession:
    settings = EndpointSettings(
        public_host="203.0.113.10", public_port=5060, contact_user="w0", user_agent="edge"
    )
    layer = TransactionLayer(settings=DEFAULT_TIMERS, limit=100)
    request = make_request_of("INVITE", call_id=call_id, headers=[("Expires", "60")])
    transaction = layer.open_invite(
        server_key(request, "INVITE"),
        UDP_FLOW,
        local_tag="edge",
        origin=origin_key(request),
        session=number,
    )
    core = UserCore(settings=settings, ids=CountingIds(), transactions=layer)
    return InboundSession(
        number=number, request=request, transaction=transaction, flow=UDP_FLOW, core=core, now=0.0
    )


def test_session_is_found_by_number_dialog_and_origin() -> None:
    table = SessionTable()
    session = make_session(table.next_number(), "call-1")
    table.add(session)
    assert table.get(1) is session
    assert table.find(("call-1", "edge", "caller")) is session
    assert table.find_origin(("call-1", "caller", 1, "INVITE")) is session
    assert (len(table), table.live) == (1, 1)


def test_what_is_not_there_is_not_found() -> None:
    table = SessionTable()
    assert table.get(1) is None
    assert table.find(("call-1", "edge", "caller")) is None
    assert table.find_origin(("call-1", "caller", 1, "INVITE")) is None
    assert (table.next_timeout(), table.pop_due(1e9)) == (None, None)


def test_session_that_is_over_is_forgotten_in_every_respect() -> None:
    table = SessionTable()
    session = make_session(1, "call-1")
    table.add(session)
    session.reject(486, 0.0)
    table.settle(session)
    table.settle(session)
    assert (len(table), table.live, table.next_timeout()) == (0, 0, None)
    assert table.get(1) is None
    assert table.find(("call-1", "edge", "caller")) is None
    assert table.find_origin(("call-1", "caller", 1, "INVITE")) is None


def test_session_whose_bye_is_under_way_is_kept_and_live() -> None:
    table = SessionTable()
    session = make_session(1, "call-1")
    table.add(session)
    session.answer(b"", 0.0)
    session.receive_ack(make_request_of("ACK", to_tag="edge"), 0.0)
    session.hang_up(1.0, ())
    table.settle(session)
    assert (len(table), table.live) == (1, 1)
    assert table.find(("call-1", "edge", "caller")) is session


def test_sessions_come_due_in_the_order_of_their_deadlines() -> None:
    table = SessionTable()
    first, second = make_session(1, "call-1"), make_session(2, "call-2")
    table.add(first)
    table.add(second)
    first.answer(b"", 10.0)
    table.settle(first)
    assert table.next_timeout() == 10.5
    assert table.pop_due(10.0) is None
    assert table.pop_due(70.0) is first
    assert table.pop_due(70.0) is second


def test_session_may_ask_512_times_in_32_seconds_and_another_one_as_often() -> None:
    table = SessionTable()
    session, other = make_session(1, "call-1"), make_session(2, "call-2")
    for each in (session, other):
        table.add(each)
    assert all(table.may_ask(session, number / 100) for number in range(512))
    assert not table.may_ask(session, 31.9)
    assert table.may_ask(other, 31.9)
    assert table.may_ask(session, 32.0)
