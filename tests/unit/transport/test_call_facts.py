"""What is read of an INVITE, and what is not believed."""

from __future__ import annotations

import uuid
from ipaddress import ip_network
from pathlib import Path

from support.messages import make_request_of

from sip_edge.routing.ports import CallFacts
from sip_edge.sip.message import Request
from sip_edge.sip.parser import parse_message
from sip_edge.transport.call_facts import call_facts
from sip_edge.transport.sources import Carrier

CALL_ID = uuid.UUID("12345678-1234-4234-8234-123456789abc")
CARRIERS = Path(__file__).parents[2] / "data" / "carrier"


def _facts(
    request: Request, *, provider: str | None = None, forward: tuple[str, ...] = ()
) -> CallFacts:
    carrier = Carrier("local", [ip_network("0.0.0.0/0")], provider, "US", {})
    return call_facts(request, carrier=carrier, call_id=CALL_ID, forward_headers=forward)


def _carriers_invite(name: str) -> Request:
    message = parse_message((CARRIERS / name).read_bytes())
    assert isinstance(message, Request)
    return message


def test_twilios_invite_names_called_and_calling_number_and_twilios_own_ids() -> None:
    facts = _facts(_carriers_invite("twilio_invite_udp.sip"), provider="twilio")

    assert (facts.called_number, facts.caller_number) == ("+12025550199", "+12025550123")
    assert facts.call_sid == "CA00000000000000000000000000000002"
    assert facts.account_sid == "AC00000000000000000000000000000000"


def test_telnyx_compact_invite_without_plus_names_the_same_numbers() -> None:
    facts = _facts(_carriers_invite("telnyx_invite_tcp_compact.sip"), provider="telnyx")

    assert (facts.called_number, facts.caller_number) == ("+12025550199", "+12025550123")
    assert facts.call_sid == "CA12345678123442348234123456789abc"


def test_ids_in_headers_of_another_provider_are_not_believed() -> None:
    request = make_request_of("INVITE", headers=[("X-Twilio-CallSid", "CA" + "1" * 32)])

    assert _facts(request).call_sid == "CA12345678123442348234123456789abc"


def test_secret_is_told_to_no_worker_whatever_the_configuration_says() -> None:
    carrier = Carrier(
        "local", [ip_network("0.0.0.0/0")], None, "US", {}, secret_header="X-Edge-Secret"
    )
    request = make_request_of("INVITE", headers=[("X-Edge-Secret", "horse"), ("X-Case", "7")])

    facts = call_facts(
        request, carrier=carrier, call_id=CALL_ID, forward_headers=("x-edge-secret", "X-Case")
    )

    assert facts.forwarded_headers == {"X-Case": "7"}


def test_twilio_id_of_the_wrong_shape_is_replaced_by_ours() -> None:
    request = make_request_of("INVITE", headers=[("X-Twilio-CallSid", "CA" + "g" * 32)])

    assert _facts(request, provider="twilio").call_sid == "CA12345678123442348234123456789abc"


def test_called_number_is_the_diverted_one_when_the_uris_hold_a_fixed_user() -> None:
    request = make_request_of(
        "INVITE",
        uri="sip:voice@203.0.113.10",
        headers=[("Diversion", "<sip:+12025550142@twilio.com>;reason=unconditional")],
    )

    assert _facts(request).called_number == "+12025550199"  # The To still names one.


def test_anonymous_caller_is_known_by_the_carriers_assertion_unless_privacy_is_asked_for() -> None:
    asserted = ("P-Asserted-Identity", "<sip:+12025550111@198.51.100.12>")
    anonymous = "INVITE sip:+12025550199@203.0.113.10 SIP/2.0"
    plain = _anonymous(anonymous, asserted)
    private = _anonymous(anonymous, asserted, ("Privacy", "id"))

    assert _facts(plain).caller_number == "+12025550111"
    assert _facts(private).caller_number is None
    assert _facts(private).caller == "sip:anonymous@anonymous.invalid"


def _anonymous(start: str, *headers: tuple[str, str]) -> Request:
    lines = [
        start,
        "Via: SIP/2.0/UDP 198.51.100.7;branch=z9hG4bK-1",
        "From: <sip:anonymous@anonymous.invalid>;tag=a",
        "To: <sip:+12025550199@203.0.113.10>",
        "Call-ID: c",
        "CSeq: 1 INVITE",
        "Max-Forwards: 70",
        *[f"{name}: {value}" for name, value in headers],
        "Content-Length: 0",
        "",
        "",
    ]
    message = parse_message("\r\n".join(lines).encode())
    assert isinstance(message, Request)
    return message


def test_only_listed_headers_are_forwarded_bounded_and_printable() -> None:
    request = make_request_of(
        "INVITE", headers=[("X-Order", "a\tb" + "c" * 400), ("X-Secret", "never")]
    )

    forwarded = _facts(request, forward=("X-Order", "X-Absent")).forwarded_headers

    assert dict(forwarded) == {"X-Order": "a?b" + "c" * 253}
