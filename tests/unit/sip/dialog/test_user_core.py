"""What is the same in every session: Via, Contact, tags, Server."""

from __future__ import annotations

import pytest
from support.messages import UDP_FLOW, make_request_of
from support.sip_ids import CountingIds

from sip_edge.sip.dialog.user_core import UserCore
from sip_edge.sip.effects import Send
from sip_edge.sip.flow import Transport
from sip_edge.sip.inspection import Rejection
from sip_edge.sip.message import Request, Response
from sip_edge.sip.parser import parse_message
from sip_edge.sip.settings import EndpointSettings
from sip_edge.sip.timers import DEFAULT_TIMERS
from sip_edge.sip.transaction.key import server_key
from sip_edge.sip.transaction.layer import TransactionLayer


def make_core(host: str = "203.0.113.10", *, has_tls: bool = True) -> UserCore:
    settings = EndpointSettings(
        public_host=host, public_port=5070, contact_user="w3", user_agent="edge", has_tls=has_tls
    )
    layer = TransactionLayer(settings=DEFAULT_TIMERS, limit=100)
    return UserCore(settings=settings, ids=CountingIds(), transactions=layer)


def answer(request: Request, status: int, to_tag: str | None = None) -> Response:
    core = make_core()
    tx = core.transactions.open(server_key(request, request.method), UDP_FLOW, origin=None)
    return parsed(core.respond(tx, request, status, 0.0, to_tag=to_tag))


def parsed(effects: list[Send]) -> Response:
    [send] = effects
    message = parse_message(send.data)
    assert isinstance(message, Response)
    return message


@pytest.mark.parametrize(
    ("transport", "expected"),
    [
        (Transport.UDP, "<sip:w3@203.0.113.10:5070>"),
        (Transport.TCP, "<sip:w3@203.0.113.10:5070;transport=tcp>"),
        (Transport.TLS, "<sip:w3@203.0.113.10:5061;transport=tls>"),
    ],
)
def test_contact_names_the_transport_that_the_dialog_came_by(
    transport: Transport, expected: str
) -> None:
    assert make_core().contact(transport) == expected


def test_ipv6_address_stands_in_brackets() -> None:
    core = make_core("2001:db8::10")
    assert core.contact(Transport.UDP) == "<sip:w3@[2001:db8::10]:5070>"
    assert core.via(Transport.UDP).startswith("SIP/2.0/UDP [2001:db8::10]:5070;rport;branch=")


def test_via_over_tls_names_the_tls_port() -> None:
    expected = "SIP/2.0/TLS 203.0.113.10:5061;rport;branch=z9hG4bK-edge-1"
    assert make_core().via(Transport.TLS) == expected


def test_secure_contact_is_a_sips_uri_at_the_tls_port() -> None:
    expected = "<sips:w3@203.0.113.10:5061;transport=tcp>"
    assert make_core().contact(Transport.TLS, is_secure=True) == expected


def test_contact_is_no_sips_uri_where_there_is_no_tls() -> None:
    contact = make_core(has_tls=False).contact(Transport.UDP, is_secure=True)
    assert contact == "<sip:w3@203.0.113.10:5070>"


def test_response_to_a_request_without_a_to_tag_gets_a_fresh_one() -> None:
    assert answer(make_request_of("OPTIONS"), 200).to.tag == "edge-tag-1"
    assert answer(make_request_of("OPTIONS"), 200, to_tag="mine").to.tag == "mine"


def test_tag_of_the_request_is_kept() -> None:
    assert answer(make_request_of("BYE", to_tag="theirs"), 481).to.tag == "theirs"


def test_trying_has_no_tag_and_no_server() -> None:
    trying = answer(make_request_of("INVITE"), 100)
    assert (trying.to.tag, trying.headers.get("Server")) == (None, None)


def test_other_responses_name_the_server() -> None:
    assert answer(make_request_of("OPTIONS"), 486).headers.get("Server") == "edge"


def test_rejection_is_sent_with_its_headers_and_reason() -> None:
    core, request = make_core(), make_request_of("OPTIONS")
    tx = core.transactions.open(server_key(request, "OPTIONS"), UDP_FLOW, origin=None)
    rejection = Rejection(420, (("Unsupported", "foo"),), "No Such Extension")
    response = parsed(core.reject(tx, request, rejection, 0.0))
    assert (response.status, response.reason) == (420, "No Such Extension")
    assert response.headers.get("Unsupported") == "foo"
