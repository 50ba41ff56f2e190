"""Whole calls, as the carriers send them (tests/data/carrier) and as RFC 3665 draws them."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.messages import (
    ANSWER,
    OFFER,
    UDP_FLOW,
    Caller,
    make_endpoint,
    only,
    requests,
    response_bytes,
    responses,
    settle,
    statuses,
)
from support.sip_ids import CountingIds

from sip_edge.sip.effects import (
    Acknowledged,
    EndCause,
    InviteReceived,
    OfferReceived,
    Send,
    SendTo,
    SessionEnded,
)
from sip_edge.sip.endpoint import Endpoint, EndpointSettings
from sip_edge.sip.flow import Address, Flow, NextHop, Transport
from sip_edge.sip.message import Request
from sip_edge.sip.parser import parse_message

CARRIER = Path(__file__).parent.parent / "data" / "carrier"
EDGE = Address("203.0.113.10", 5060)
TWILIO_UDP = Flow(Transport.UDP, EDGE, Address("54.172.60.0", 5060), 0)
TWILIO_TLS = Flow(Transport.TLS, Address("203.0.113.10", 5061), Address("54.172.60.0", 58540), 3)
TELNYX_TCP = Flow(Transport.TCP, EDGE, Address("64.16.250.10", 41234), 4)
TELNYX_UDP = Flow(Transport.UDP, EDGE, Address("192.76.120.10", 5060), 0)


class TaggedIds(CountingIds):
    """Gives the one To tag that the recorded requests within the dialog bear."""

    def __init__(self, tag: str) -> None:
        super().__init__()
        self._tag = tag

    def tag(self) -> str:
        return self._tag


def message(name: str) -> bytes:
    return (CARRIER / f"{name}.sip").read_bytes()


def called(name: str, flow: Flow, tag: str = "edge") -> Endpoint:
    """An endpoint that has received a carrier's INVITE; the session is number 1."""
    settings = EndpointSettings(
        public_host="203.0.113.10", public_port=5060, contact_user="w0", user_agent="edge"
    )
    endpoint = Endpoint(settings=settings, ids=TaggedIds(tag))
    effects = endpoint.receive_datagram(message(name), flow, 0.0)
    assert statuses(effects) == [100]
    assert only(effects, InviteReceived).session == 1
    assert only(effects, Send).flow == flow
    return endpoint


def ack_of(name: str) -> bytes:
    """The ACK that would follow a recorded INVITE."""
    invite = parse_message(message(name))
    assert isinstance(invite, Request)
    return (
        f"ACK sip:w0@203.0.113.10 SIP/2.0\r\n"
        f"Via: SIP/2.0/{invite.top_via.transport} {invite.top_via.host};branch=z9hG4bK-ack\r\n"
        f"From: {invite.headers.get('From')}\r\n"
        f"To: {invite.headers.get('To')};tag=edge\r\n"
        f"Call-ID: {invite.call_id}\r\n"
        f"CSeq: {invite.cseq.number} ACK\r\n\r\n"
    ).encode()


CARRIER_INVITES = [
    ("twilio_invite_udp", TWILIO_UDP),
    ("twilio_invite_tls_srtp", TWILIO_TLS),
    ("telnyx_invite_tcp_compact", TELNYX_TCP),
    ("telnyx_invite_udp_fqdn", TELNYX_UDP),
]


@pytest.mark.parametrize(("name", "flow"), CARRIER_INVITES)
def test_answers_echo_vias_and_copy_record_routes_byte_for_byte(name: str, flow: Flow) -> None:
    lines = message(name).split(b"\r\n\r\n")[0].split(b"\r\n")
    vias = [line for line in lines if line.startswith((b"Via:", b"v:"))]
    routes = [line for line in lines if line.startswith(b"Record-Route:")]
    endpoint = called(name, flow)
    for effects in (endpoint.ring(1, 0.1), endpoint.answer(1, ANSWER, 0.2)):
        send = only(effects, Send)
        assert send.flow == flow
        answered = send.data.split(b"\r\n\r\n")[0].split(b"\r\n")
        assert [line for line in answered if line.startswith((b"Via:", b"v:"))] == vias
        assert [line for line in answered if line.startswith(b"Record-Route:")] == routes


@pytest.mark.parametrize(
    ("name", "flow", "uri", "routes", "hop"),
    [
        (
            "twilio_invite_udp",
            TWILIO_UDP,
            "sip:+12025550123@172.25.75.240:5060;transport=udp",
            ["<sip:54.172.60.0;lr>"],
            NextHop("54.172.60.0", None, Transport.UDP),
        ),
        (
            "twilio_invite_tls_srtp",
            TWILIO_TLS,
            "sip:+12025550123@172.25.75.240:5060;transport=udp",
            ["<sip:54.172.60.0:5061;transport=tls;r2=on;lr>", "<sip:54.172.60.0;r2=on;lr>"],
            NextHop("54.172.60.0", 5061, Transport.TLS),
        ),
        (
            "telnyx_invite_tcp_compact",
            TELNYX_TCP,
            "sip:mod_sofia@10.231.91.24:6000",
            [
                "<sip:64.16.250.10;transport=tcp;r2=on;lr;ftag=0tag0000Telnyx>",
                "<sip:10.255.0.2;r2=on;lr;ftag=0tag0000Telnyx>",
                "<sip:10.231.83.184:6050;lr;tnx=7c1.26b4>",
            ],
            NextHop("64.16.250.10", None, Transport.TCP),
        ),
        (
            "telnyx_invite_udp_fqdn",
            TELNYX_UDP,
            "sip:mod_sofia@10.13.177.4:6000",
            [
                "<sip:192.76.120.10;r2=on;lr;ftag=0tag0000Fqdn0>",
                "<sip:10.255.0.1;r2=on;lr;ftag=0tag0000Fqdn0>",
            ],
            NextHop("192.76.120.10", None, Transport.UDP),
        ),
    ],
)
def test_our_bye_takes_the_carriers_route_to_the_private_contact_on_the_same_flow(
    name: str, flow: Flow, uri: str, routes: list[str], hop: NextHop
) -> None:
    endpoint = called(name, flow)
    endpoint.answer(1, ANSWER, 0.1)
    only(endpoint.receive_datagram(ack_of(name), flow, 0.2), Acknowledged)
    effects = endpoint.hang_up(1, 5.0)
    send_to, [bye] = only(effects, SendTo), requests(effects)
    assert (bye.uri, bye.routes) == (uri, routes)
    assert (send_to.hop, send_to.flow) == (hop, flow)
    endpoint.receive_datagram(response_bytes(bye, 200), flow, 5.1)
    settle(endpoint, 5.1)


@pytest.mark.parametrize(
    ("name", "flow", "contact"),
    [
        ("twilio_invite_udp", TWILIO_UDP, "<sip:w0@203.0.113.10:5060>"),
        ("twilio_invite_tls_srtp", TWILIO_TLS, "<sip:w0@203.0.113.10:5061;transport=tls>"),
        ("telnyx_invite_tcp_compact", TELNYX_TCP, "<sip:w0@203.0.113.10:5060;transport=tcp>"),
    ],
)
def test_contact_leads_back_by_the_transport_that_the_carrier_chose(
    name: str, flow: Flow, contact: str
) -> None:
    [answer] = responses(called(name, flow).answer(1, ANSWER, 0.1))
    assert answer.headers.get("Contact") == contact


def test_twilios_ack_as_sent_ends_the_repetition_of_the_answer() -> None:
    endpoint = called("twilio_invite_tls_srtp", TWILIO_TLS, tag="edge-1")
    endpoint.answer(1, ANSWER, 0.1)
    effects = endpoint.receive_datagram(message("twilio_ack_tls"), TWILIO_TLS, 0.2)
    assert only(effects, Acknowledged).session == 1


def test_twilios_bye_as_sent_ends_the_call_and_tells_why() -> None:
    """It bears CSeq 1 although the INVITE had 29044: a call must not outlive its BYE for that."""
    endpoint = called("twilio_invite_udp", TWILIO_UDP, tag="edge-2")
    endpoint.answer(1, ANSWER, 0.1)
    effects = endpoint.receive_datagram(message("twilio_bye_udp"), TWILIO_UDP, 5.0)
    assert statuses(effects) == [200]
    assert only(effects, SessionEnded) == SessionEnded(
        1, EndCause.BYE_RECEIVED, 'Q.850;cause=16;text="Normal call clearing"'
    )
    [response] = responses(effects)
    assert response.headers.get_all("Via") == [
        "SIP/2.0/UDP 54.172.60.0:5060;branch=z9hG4bK9d39.72521cd1.0",
        "SIP/2.0/UDP 172.18.5.109:5060;rport=5060;received=198.51.100.20"
        ";branch=z9hG4bK00000000-0000-4000-8000-000000000003_c3356d0b_342-4",
    ]
    settle(endpoint, 5.0)


def test_twilios_bye_for_a_call_that_we_do_not_have_gets_481() -> None:
    effects = make_endpoint().receive_datagram(message("twilio_bye_udp"), TWILIO_UDP, 0.0)
    assert statuses(effects) == [481]


def test_rfc_3665_3_1_successful_session() -> None:
    caller, endpoint = Caller(), make_endpoint()
    assert statuses(endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)) == [100]
    assert statuses(endpoint.ring(1, 0.1)) == [180]
    assert statuses(endpoint.answer(1, ANSWER, 2.0)) == [200]
    only(endpoint.receive_datagram(caller.ack(), UDP_FLOW, 2.1), Acknowledged)
    assert statuses(endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 60.0)) == [200]
    settle(endpoint, 60.0)


def test_rfc_3665_3_7_session_with_a_re_invite_that_moves_the_caller() -> None:
    caller, endpoint = Caller(), make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.answer(1, ANSWER, 0.1)
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.2)
    moved = caller.request("INVITE", body=OFFER, contact="<sip:caller@198.51.100.77>")
    only(endpoint.receive_datagram(moved, UDP_FLOW, 5.0), OfferReceived)
    assert statuses(endpoint.accept_offer(1, ANSWER, 5.0)) == [200]
    only(endpoint.receive_datagram(caller.ack(), UDP_FLOW, 5.1), Acknowledged)
    effects = endpoint.hang_up(1, 9.0)
    assert requests(effects)[0].uri == "sip:caller@198.51.100.77"
    assert requests(effects)[0].cseq.number == 1


def test_rfc_3665_3_8_caller_gives_up() -> None:
    caller, endpoint = Caller(), make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.ring(1, 0.1)
    effects = endpoint.receive_datagram(caller.cancel(), UDP_FLOW, 8.0)
    assert statuses(effects) == [200, 487]
    assert endpoint.receive_datagram(caller.ack_error(), UDP_FLOW, 8.1) == []
    settle(endpoint, 8.1)


def test_rfc_3665_3_9_callee_is_busy() -> None:
    caller, endpoint = Caller(), make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    assert statuses(endpoint.reject(1, 486, 0.1)) == [486]
    assert endpoint.receive_datagram(caller.ack_error(), UDP_FLOW, 0.2) == []
    settle(endpoint, 0.2)
