"""RFC 3261 12.1.1, 12.1.2, 12.2.1.1."""

from __future__ import annotations

import pytest
from support.messages import (
    TCP_FLOW,
    TLS_FLOW,
    UDP_FLOW,
    make_request_of,
    make_response_of,
)
from support.sip_ids import CountingIds

from sip_edge.sip.dialog.dialog import Dialog, dialog_id_of
from sip_edge.sip.dialog.user_core import UserCore
from sip_edge.sip.flow import Flow, NextHop, Transport
from sip_edge.sip.settings import EndpointSettings
from sip_edge.sip.timers import DEFAULT_TIMERS
from sip_edge.sip.transaction.layer import TransactionLayer

RECORD_ROUTES = [
    ("Record-Route", "<sip:198.51.100.7;transport=tcp;r2=on;lr>, <sip:10.255.0.2;r2=on;lr>"),
    ("Record-Route", "<sip:10.231.83.184:6050;lr>"),
]


def make_core() -> UserCore:
    settings = EndpointSettings(
        public_host="203.0.113.10", public_port=5060, contact_user="w0", user_agent="edge"
    )
    layer = TransactionLayer(settings=DEFAULT_TIMERS, limit=100)
    return UserCore(settings=settings, ids=CountingIds(), transactions=layer)


def callee_dialog(flow: Flow = UDP_FLOW, **values: object) -> Dialog:
    return Dialog.for_uas(make_request_of("INVITE", **values), "edge-tag", 0, flow)


def test_callee_and_caller_name_the_same_dialog_with_swapped_tags() -> None:
    bye = make_request_of("BYE", to_tag="edge-tag")
    assert callee_dialog().id == dialog_id_of(bye) == ("call-1", "edge-tag", "caller")


def test_caller_without_a_tag_has_an_empty_one() -> None:
    assert callee_dialog(from_tag=None).id == ("call-1", "edge-tag", "")


def test_request_of_the_callee_mirrors_from_and_to_of_the_invite() -> None:
    bye = callee_dialog().compose("BYE", make_core()).request
    assert [f"{name}: {value}" for name, value in bye.headers] == [
        "Via: SIP/2.0/UDP 203.0.113.10:5060;rport;branch=z9hG4bK-edge-1",
        "Max-Forwards: 70",
        "From: <sip:+12025550199@203.0.113.10>;tag=edge-tag",
        "To: <sip:+12025550123@198.51.100.7>;tag=caller",
        "Call-ID: call-1",
        "CSeq: 1 BYE",
        "User-Agent: edge",
        "Content-Length: 0",
    ]
    assert bye.uri == "sip:caller@198.51.100.7:5060"


def test_requests_are_numbered_in_steps_of_one() -> None:
    dialog, core = callee_dialog(), make_core()
    numbers = [dialog.compose("INFO", core).request.cseq.number for _ in range(3)]
    assert numbers == [1, 2, 3]


def test_callee_keeps_the_order_of_record_routes_and_goes_to_the_first() -> None:
    composed = callee_dialog(TCP_FLOW, headers=RECORD_ROUTES).compose("BYE", make_core())
    assert composed.request.routes == [
        "<sip:198.51.100.7;transport=tcp;r2=on;lr>",
        "<sip:10.255.0.2;r2=on;lr>",
        "<sip:10.231.83.184:6050;lr>",
    ]
    assert composed.hop == NextHop("198.51.100.7", None, Transport.TCP)
    assert composed.flow == TCP_FLOW
    assert composed.request.top_via.transport == "TCP"


def test_caller_reverses_the_record_routes_of_the_response() -> None:
    invite = make_request_of("INVITE")
    response = make_response_of(invite, 200, headers=RECORD_ROUTES)
    composed = Dialog.for_uac(invite, response, UDP_FLOW).compose("BYE", make_core())
    assert composed.request.routes == [
        "<sip:10.231.83.184:6050;lr>",
        "<sip:10.255.0.2;r2=on;lr>",
        "<sip:198.51.100.7;transport=tcp;r2=on;lr>",
    ]
    assert composed.hop == NextHop("10.231.83.184", 6050, Transport.UDP)
    assert composed.flow is None


def test_caller_goes_on_counting_after_its_invite() -> None:
    invite = make_request_of("INVITE", cseq=41)
    dialog = Dialog.for_uac(invite, make_response_of(invite, 200), UDP_FLOW)
    bye = dialog.compose("BYE", make_core()).request
    assert bye.cseq.number == 42
    assert (bye.from_.tag, bye.to.tag) == ("caller", "callee")


def test_ack_has_the_number_of_its_invite_and_counts_nothing() -> None:
    invite = make_request_of("INVITE", cseq=41)
    dialog, core = Dialog.for_uac(invite, make_response_of(invite, 200), UDP_FLOW), make_core()
    assert str(dialog.compose("ACK", core, cseq=41).request.cseq) == "41 ACK"
    assert dialog.compose("BYE", core).request.cseq.number == 42


def test_response_without_a_contact_leaves_the_uri_that_was_called() -> None:
    invite = make_request_of("INVITE")
    dialog = Dialog.for_uac(invite, make_response_of(invite, 200, contact=None), UDP_FLOW)
    assert dialog.compose("BYE", make_core()).request.uri == invite.uri


def test_flow_is_named_where_it_leads_to_the_next_hop() -> None:
    assert callee_dialog().compose("BYE", make_core()).flow == UDP_FLOW
    other_port = callee_dialog(contact="<sip:caller@198.51.100.7:5099>")
    assert other_port.compose("BYE", make_core()).flow is None
    other_host = callee_dialog(contact="<sip:caller@198.51.100.8:5060>")
    assert other_host.compose("BYE", make_core()).flow is None


@pytest.mark.parametrize("flow", [TCP_FLOW, TLS_FLOW])
def test_caller_behind_a_nat_is_reached_by_the_connection_that_it_opened(flow: Flow) -> None:
    composed = callee_dialog(flow, contact="<sip:caller@10.0.0.1>").compose("BYE", make_core())
    assert (composed.flow, composed.hop.transport) == (flow, flow.transport)
    assert composed.request.uri == "sip:caller@10.0.0.1"


def test_connection_is_not_used_for_a_target_that_names_another_transport() -> None:
    dialog = callee_dialog(TCP_FLOW, contact="<sip:caller@10.0.0.1;transport=udp>")
    composed = dialog.compose("BYE", make_core())
    assert (composed.flow, composed.hop.transport) == (None, Transport.UDP)


def test_target_that_cannot_be_sent_to_leads_back_to_where_the_peer_speaks_from() -> None:
    composed = callee_dialog(contact="<tel:+12025550123>").compose("BYE", make_core())
    assert composed.request.uri == "tel:+12025550123"
    assert composed.hop == NextHop("198.51.100.7", 5060, Transport.UDP)


@pytest.mark.parametrize(
    "named",
    [
        "127.0.0.1:5432;transport=tcp",
        "169.254.169.254",
        "224.0.0.1",
        "0.0.0.0",
        "255.255.255.255:9",
        "[::ffff:127.0.0.1]:6379;transport=tcp",
        "203.0.113.10",  # ourselves
        "203.0.113.10:5061;transport=tls",
    ],
)
@pytest.mark.parametrize("flow", [UDP_FLOW, TCP_FLOW])
def test_peer_leads_us_to_nobody_who_must_not_hear_from_it(named: str, flow: Flow) -> None:
    by_contact = callee_dialog(flow, contact=f"<sip:caller@{named}>")
    by_route = callee_dialog(flow, headers=[("Record-Route", f"<sip:{named};lr>")])
    for composed in (by_contact.compose("BYE", make_core()), by_route.compose("BYE", make_core())):
        assert composed.hop == NextHop(flow.remote.host, flow.remote.port, flow.transport)
        assert composed.flow == flow


def test_peer_may_name_private_addresses_and_other_ports_of_ours() -> None:
    for named in ("10.0.0.1:5070", "203.0.113.10:5070", "192.168.1.9:5060"):
        composed = callee_dialog(contact=f"<sip:caller@{named}>").compose("BYE", make_core())
        assert f"{composed.hop.host}:{composed.hop.port}" == named
        assert composed.hop.named_by == "198.51.100.7"


@pytest.mark.parametrize(
    "values",
    [
        {"uri": "sips:+12025550199@203.0.113.10"},
        {"contact": "<sips:caller@198.51.100.7>"},
        {"headers": [("Record-Route", "<sips:192.0.2.1;lr>")]},
    ],
)
def test_dialog_is_secure_if_request_uri_route_or_contact_is(values: dict[str, object]) -> None:
    assert callee_dialog(TLS_FLOW, **values).is_secure


def test_record_route_decides_over_the_contact_whether_a_dialog_is_secure() -> None:
    dialog = callee_dialog(
        TLS_FLOW,
        contact="<sips:caller@198.51.100.7>",
        headers=[("Record-Route", "<sip:192.0.2.1;lr>")],
    )
    assert not dialog.is_secure


def test_own_headers_and_body_are_added() -> None:
    composed = callee_dialog().compose(
        "INFO", make_core(), headers=[("Reason", "Q.850;cause=16")], body=b"Signal=1"
    )
    assert composed.request.headers.get("Reason") == "Q.850;cause=16"
    assert composed.request.body == b"Signal=1"
