"""Whose messages come in: carriers', and what our own proxies pass on for them."""

from __future__ import annotations

from ipaddress import ip_network

import pytest
from support.messages import EDGE, make_request_of, request_bytes

from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.transport.gate import Gate, Proxies
from sip_edge.transport.rates import SourceRates
from sip_edge.transport.sources import Carrier, CarrierTable

CARRIER = "192.0.2.1"
PROXY = "198.51.100.1"
STRANGER = "203.0.113.9"
HEADER = "X-Source-Address"


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


class World:
    """A gate between three sources and a receiver that writes down what gets through."""

    def __init__(self, *, requests: int = 100, datagrams: int = 100) -> None:
        self.strangers: list[Transport] = []
        self.floods = 0
        self.received: list[bytes] = []
        self.clock = Clock()
        self.gate = Gate(
            carriers=CarrierTable([Carrier("acme", [ip_network("192.0.2.0/24")], None, None, {})]),
            proxies=Proxies([ip_network("198.51.100.0/30")], HEADER),
            requests=SourceRates(per_second_per_source=requests, per_second=1000, now=0.0),
            datagrams=SourceRates(per_second_per_source=datagrams, per_second=None, now=0.0),
            clock=self.clock,
            on_stranger=self.strangers.append,
            on_flood=self._flood,
        )
        self._entrance = self.gate.in_front_of(self)

    def receive_datagram(self, data: bytes, flow: Flow) -> None:
        self.received.append(data)

    receive_stream_message = receive_datagram

    def receive_framing_error(self, error: object, flow: Flow) -> None: ...

    def stream_closed(self, flow: Flow) -> None: ...

    def arrive(self, data: bytes, host: str = PROXY) -> bool:
        """True if it got through, as a datagram and in a stream alike."""
        before = len(self.received)
        self._entrance.receive_datagram(data, flow_from(host))
        self._entrance.receive_stream_message(data, flow_from(host, Transport.TCP))
        assert len(self.received) - before in (0, 2)
        return len(self.received) > before

    def _flood(self) -> None:
        self.floods += 1


def flow_from(host: str, transport: Transport = Transport.UDP) -> Flow:
    return Flow(transport, EDGE, Address(host, 5060), 0)


def test_carriers_and_proxies_may_speak_and_a_stranger_is_counted() -> None:
    world = World()

    verdicts = [world.gate.may_speak(host, Transport.TLS) for host in (CARRIER, PROXY, STRANGER)]

    assert verdicts == [True, True, False]
    assert world.strangers == [Transport.TLS]


def test_strangers_datagram_is_counted_as_a_strangers_and_takes_no_room() -> None:
    world = World(datagrams=1)

    assert not any(world.gate.may_send_datagram(STRANGER, Transport.UDP) for _ in range(10))
    assert (len(world.strangers), world.floods) == (10, 0)


def test_carrier_that_sends_too_many_datagrams_is_not_read_for_a_while() -> None:
    world = World(datagrams=5)

    first = [world.gate.may_send_datagram(CARRIER, Transport.UDP) for _ in range(12)]
    world.clock.now = 1.0

    assert first == [True] * 10 + [False] * 2
    assert world.floods == 2
    assert world.gate.may_send_datagram(CARRIER, Transport.UDP)
    assert world.gate.may_send_datagram("192.0.2.2", Transport.UDP)


def test_proxy_may_send_what_many_sources_sent() -> None:
    world = World(datagrams=1, requests=1)

    assert all(world.gate.may_send_datagram(PROXY, Transport.UDP) for _ in range(100))
    assert all(world.gate.may_begin(PROXY, 0.0) for _ in range(100))
    assert [world.gate.may_begin(CARRIER, 0.0) for _ in range(3)] == [True, True, False]


def test_header_of_a_proxy_decides_whose_request_it_is() -> None:
    gate = World().gate
    said = make_request_of("INVITE", headers=[(HEADER, CARRIER)])

    carrier = gate.carrier_of(said, flow_from(PROXY))

    assert carrier is not None
    assert carrier.name == "acme"


@pytest.mark.parametrize(
    "headers",
    [
        [],
        [(HEADER, STRANGER)],
        [(HEADER, "carrier.example.com")],
        [(HEADER, "")],
        [(HEADER, CARRIER), (HEADER, CARRIER)],
        [(HEADER.lower(), CARRIER), (HEADER, STRANGER)],
        [(HEADER, f"{CARRIER}, {CARRIER}")],
        [("Subject", f"{HEADER}: {CARRIER}")],
    ],
)
def test_request_without_one_good_header_is_a_strangers(headers: list[tuple[str, str]]) -> None:
    world = World()

    assert not world.arrive(request_bytes("INVITE", headers=headers))

    assert world.strangers == [Transport.UDP, Transport.TCP]
    request = make_request_of("INVITE", headers=headers)
    assert world.gate.carrier_of(request, flow_from(PROXY)) is None


def test_header_is_not_read_from_the_body() -> None:
    assert not World().arrive(request_bytes("INVITE", body=f"{HEADER}: {CARRIER}\r\n".encode()))


def test_header_is_believed_of_proxies_alone() -> None:
    world = World()
    forged = make_request_of("INVITE", headers=[(HEADER, CARRIER)])
    denied = make_request_of("INVITE", headers=[(HEADER, STRANGER)])

    assert world.gate.carrier_of(forged, flow_from(STRANGER)) is None
    assert not world.gate.may_speak(STRANGER, Transport.UDP)
    assert world.gate.carrier_of(denied, flow_from(CARRIER)) is not None
    assert world.arrive(request_bytes("INVITE", headers=[(HEADER, STRANGER)]), CARRIER)


@pytest.mark.parametrize(
    "data",
    [
        request_bytes("INVITE", headers=[(HEADER, CARRIER)]),
        request_bytes("BYE", to_tag="x", headers=[("x-SOURCE-address ", CARRIER)]),
        request_bytes("OPTIONS"),
        b"SIP/2.0 200 OK\r\n\r\n",
        b"\r\n\r\n",
    ],
)
def test_proxy_passes_on_carriers_requests_and_asks_and_answers_for_itself(data: bytes) -> None:
    world = World()

    assert world.arrive(data)
    assert world.strangers == []


@pytest.mark.parametrize(
    "data",
    [
        request_bytes("BYE", to_tag="x"),
        request_bytes("OPTIONS", headers=[(HEADER, STRANGER)]),
        b"rubbish",
        b"\x00" * 100,
    ],
)
def test_what_a_stranger_sent_through_a_proxy_gets_no_answer(data: bytes) -> None:
    assert not World().arrive(data)


def test_without_proxies_nothing_stands_in_front_of_the_receiver() -> None:
    world = World()
    rates = SourceRates(per_second_per_source=1, per_second=None, now=0.0)
    gate = Gate(
        carriers=CarrierTable([]),
        proxies=None,
        requests=rates,
        datagrams=rates,
        clock=world.clock,
        on_stranger=world.strangers.append,
        on_flood=lambda: None,
    )

    assert gate.in_front_of(world) is world
    assert gate.may_pass(b"anything", flow_from(STRANGER))


@pytest.mark.parametrize(
    ("written", "source"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:DB8:0:0:0:0:0:7", "2001:db8::7"),
        ("nobody", "nobody"),
    ],
)
def test_source_of_a_request_is_the_one_that_our_proxy_names(written: str, source: str) -> None:
    gate = World().gate
    request = make_request_of("INVITE", headers=[(HEADER, written)])

    assert gate.source_of(request, flow_from(PROXY)) == source
    assert gate.source_of(request, flow_from(CARRIER)) == CARRIER


def test_source_is_unknown_if_our_proxy_does_not_name_it() -> None:
    request = make_request_of("INVITE")

    assert World().gate.source_of(request, flow_from(PROXY)) is None


def test_messages_of_streams_are_counted_with_the_datagrams_of_their_source() -> None:
    world = World(datagrams=5)

    datagrams = [world.gate.may_send_datagram(CARRIER, Transport.UDP) for _ in range(6)]
    messages = [world.gate.may_send_more(CARRIER) for _ in range(6)]

    assert datagrams + messages == [True] * 10 + [False] * 2
    assert world.floods == 2
    assert all(world.gate.may_send_more(PROXY) for _ in range(100))
