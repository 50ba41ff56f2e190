"""The gate in front of SIP, whatever comes: it reads any bytes, and no rate is ever exceeded."""

from __future__ import annotations

from ipaddress import ip_network

from hypothesis import given, settings
from hypothesis import strategies as st
from support.messages import EDGE

from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.sip.message import Request
from sip_edge.sip.parser import ParseError, parse_message
from sip_edge.transport.gate import Gate, Proxies
from sip_edge.transport.rates import BURST_SECONDS, SourceRates
from sip_edge.transport.sources import Carrier, CarrierTable

HEADER = "X-Source-Address"
FLOW = Flow(Transport.UDP, EDGE, Address("198.51.100.1", 5060), 0)

REQUEST = [
    b"INVITE sip:+12025550199@203.0.113.10 SIP/2.0",
    b"Via: SIP/2.0/UDP 198.51.100.1;branch=z9hG4bK1",
    b"From: <sip:+12025550123@198.51.100.7>;tag=a",
    b"To: <sip:+12025550199@203.0.113.10>",
    b"Call-ID: 1",
    b"CSeq: 1 INVITE",
    b"Max-Forwards: 70",
]
EXTRA = st.sampled_from(
    [
        b"X-Source-Address: 192.0.2.1",
        b"x-source-address : 192.0.2.1",
        b"X-Source-Address:",
        b"X-Source-Address: 203.0.113.9",
        b"Subject: X-Source-Address: 192.0.2.1",
        b" 192.0.2.1",
        b"Subject: x\nX-Source-Address: 192.0.2.1",
        b"",
    ]
)
PLACES = st.lists(st.tuples(st.integers(1, len(REQUEST)), EXTRA), max_size=3)


def _with(extras: list[tuple[int, bytes]]) -> bytes:
    lines = list(REQUEST)
    for place, line in extras:
        lines.insert(place, line)
    return b"\r\n".join([*lines, b"Content-Length: 0", b"", b""])


def _gate() -> Gate:
    rates = SourceRates(per_second_per_source=1, per_second=None, now=0.0)
    return Gate(
        carriers=CarrierTable([Carrier("acme", [ip_network("192.0.2.0/24")], None, None, {})]),
        proxies=Proxies([ip_network("198.51.100.0/30")], HEADER),
        requests=rates,
        datagrams=rates,
        clock=lambda: 0.0,
        on_stranger=lambda transport: None,
        on_flood=lambda: None,
    )


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300))
def test_any_bytes_are_judged(data: bytes) -> None:
    assert _gate().may_pass(data, FLOW) in (True, False)


@settings(max_examples=200, deadline=None)
@given(PLACES)
def test_invite_by_a_proxy_has_a_carrier_only_if_it_names_its_source_once_and_rightly(
    extras: list[tuple[int, bytes]],
) -> None:
    """The bytes are read before the message is: where they differ, the message decides."""
    gate, data = _gate(), _with(extras)
    try:
        message = parse_message(data)
    except ParseError:
        return
    assert isinstance(message, Request)
    values = [value.strip() for value in message.headers.get_all(HEADER)]
    assert (gate.carrier_of(message, FLOW) is not None) == (values == ["192.0.2.1"])
    if b"X-Source-Address" not in data and b"x-source-address" not in data:
        assert not gate.may_pass(data, FLOW)


@settings(max_examples=200, deadline=None)
@given(
    st.lists(
        st.tuples(st.sampled_from("abc"), st.floats(min_value=0, max_value=2)),
        max_size=200,
    )
)
def test_no_source_and_not_all_together_ever_get_more_than_their_rate(
    steps: list[tuple[str, float]],
) -> None:
    rates = SourceRates(per_second_per_source=3, per_second=5, now=0.0)
    now, allowed = 0.0, dict.fromkeys("abc", 0)
    for source, seconds in steps:
        now += seconds
        allowed[source] += rates.allow(source, now)
        # One more may be due to rounding.
        assert allowed[source] <= 3 * (now + BURST_SECONDS) + 1
        assert sum(allowed.values()) <= 5 * (now + BURST_SECONDS) + 1
