"""Carriers' messages, as they were sent: what the edge has to read in them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip_edge.sip.message import Request, make_response
from sip_edge.sip.parser import parse_message
from sip_edge.sip.stream import StreamFramer
from sip_edge.sip.uri import SipUri

CARRIER = Path(__file__).parents[1] / "data" / "carrier"
MESSAGES = [
    "twilio_invite_udp",
    "twilio_invite_tls_srtp",
    "twilio_ack_tls",
    "twilio_bye_udp",
    "telnyx_invite_udp_fqdn",
    "telnyx_invite_tcp_compact",
]


def load(name: str) -> bytes:
    return (CARRIER / f"{name}.sip").read_bytes()


def request_of(name: str) -> Request:
    message = parse_message(load(name))
    assert isinstance(message, Request)
    return message


@pytest.mark.parametrize("name", MESSAGES)
def test_message_is_read_whole_and_written_byte_for_byte(name: str) -> None:
    assert request_of(name).serialize() == load(name)


@pytest.mark.parametrize("name", MESSAGES)
def test_message_is_framed_on_a_stream(name: str) -> None:
    assert StreamFramer().feed(load(name)) == [load(name)]


def test_twilio_names_the_number_and_its_call() -> None:
    request = request_of("twilio_invite_udp")

    assert isinstance(request.parsed_uri, SipUri)
    assert request.parsed_uri.user == "+12025550199"
    assert request.headers.get("X-Twilio-CallSid") == "CA00000000000000000000000000000002"
    assert request.content_type == "application/sdp"
    assert request.record_routes == ["<sip:54.172.60.0;lr>"]
    assert request.top_via.branch == "z9hG4bK1dc3.00000000000000000000000000000002.0"


def test_telnyx_mixes_long_and_compact_names_and_leaves_out_blanks() -> None:
    request = request_of("telnyx_invite_tcp_compact")

    assert request.from_.display_name == "12025550123"
    assert request.from_.tag == "0tag0000Telnyx"
    assert request.call_id == "00000000-0000-4000-8000-000000000004"
    assert str(request.contact) == "<sip:mod_sofia@10.231.91.24:6000>"
    assert request.headers.split("Supported") == ["timer", "path"]
    assert len(request.body) == 555


def test_answer_echoes_long_and_compact_vias_in_their_order() -> None:
    answer = make_response(request_of("telnyx_invite_tcp_compact"), 200, to_tag="ours")

    assert answer.headers.lines[:3] == [
        "Via: SIP/2.0/TCP 64.16.250.10;branch=z9hG4bKa5fb.cd6a5a07bbe709b919dd8775f1a61abb.0",
        "Via: SIP/2.0/UDP 10.231.83.184:6050;rport=6050;"
        "branch=z9hG4bKa5fb.98890060b2f0d0aecad248f41a30c22a.0",
        "v:SIP/2.0/UDP 10.231.91.24:6000;received=10.231.91.24;rport=6000;"
        "branch=z9hG4bKrg00000000NZN",
    ]
    assert len(answer.record_routes) == 3
