"""The shell: effects become deeds in order, names and connections are waited for apart."""

from __future__ import annotations

import asyncio

import pytest
from support.messages import TCP_FLOW, Caller, make_endpoint, request_bytes
from support.ticks import Ticks
from support.virtual_time import run

from sip_edge.resolver import ResolveError, ResolveFailure, Service
from sip_edge.sip.effects import Event, InviteReceived, SessionEffect, SessionEnded
from sip_edge.sip.flow import Address, Flow, NextHop, Transport
from sip_edge.transport.targets import Peer
from sip_edge.transport.user_agent import UserAgent


class _Socket:
    def __init__(self) -> None:
        self.sent: list[tuple[str, Address]] = []

    def can_reach(self, host: str) -> bool:
        return ":" not in host

    def send(self, data: bytes, remote: Address) -> bool:
        self.sent.append((data.split(b"\r\n")[0].decode(), remote))
        return True


class _Names:
    def __init__(self, known: dict[str, list[str]]) -> None:
        self._known = known

    async def resolve(self, host: str, deadline: float) -> list[str]:
        await asyncio.sleep(0.1)
        if host not in self._known:
            raise ResolveError(host, ResolveFailure.NOT_FOUND)
        return self._known[host]

    async def services(self, name: str, deadline: float) -> list[Service]:
        raise ResolveError(name, ResolveFailure.NOT_FOUND)


class _Leg:
    def __init__(self) -> None:
        self.effects: list[SessionEffect] = []

    def receive(self, effect: SessionEffect) -> None:
        self.effects.append(effect)


class _Observer:
    def __init__(self) -> None:
        self.invites = 0
        self.statuses: list[int] = []
        self.events: list[Event] = []

    def invite_received(self) -> None:
        self.invites += 1

    def response_sent(self, status: int) -> None:
        self.statuses.append(status)

    def sip_event(self, event: Event) -> None:
        self.events.append(event)


class _World:
    def __init__(self, known: dict[str, list[str]] | None = None) -> None:
        self.socket, self.observer, self.leg = _Socket(), _Observer(), _Leg()
        self.arrivals: list[tuple[int, float]] = []
        self.clock = Ticks(7.0)
        self.agent = UserAgent(
            loop=asyncio.get_running_loop(),
            clock=self.clock,
            endpoint=make_endpoint(),
            resolver=_Names(known or {}),
            observer=self.observer,
            on_invite=self._on_invite,
        )
        self.agent.bind(udp=self.socket, streams=None)  # type: ignore[arg-type]

    def _on_invite(self, effect: InviteReceived, received_at: float) -> _Leg:
        self.arrivals.append((len(self.socket.sent), received_at))
        return self.leg

    def dial(self, hop: NextHop) -> None:
        session, effects = self.agent.endpoint.invite(
            uri="sip:+12025550199@peer.example.com",
            from_="<sip:+12025550123@203.0.113.10>",
            to="<sip:+12025550199@peer.example.com>",
            hop=hop,
            sdp=b"v=0\r\n",
            headers=[],
            now=self.agent.now(),
        )
        self.agent.adopt(session, self.leg)
        self.agent.perform(effects)


def test_100_has_gone_out_when_the_application_hears_of_the_call() -> None:
    async def main() -> _World:
        world = _World()
        world.agent.receive_datagram(Caller().invite(), Caller().flow)
        world.agent.close()
        return world

    world = run(main())

    assert world.arrivals == [(1, 7.0)]
    assert world.socket.sent == [("SIP/2.0 100 Trying", Address("198.51.100.7", 5060))]
    assert (world.observer.invites, world.observer.statuses) == (1, [100])


def test_session_is_told_of_its_end_once_and_then_forgotten() -> None:
    async def main() -> _World:
        world, caller = _World(), Caller()
        world.agent.receive_datagram(caller.invite(), caller.flow)
        for _ in range(3):
            world.agent.receive_datagram(caller.cancel(), caller.flow)
        world.agent.close()
        return world

    assert [type(e) for e in run(main()).leg.effects] == [SessionEnded]


def test_request_to_a_name_goes_out_when_the_name_is_known() -> None:
    async def main() -> _World:
        world = _World({"peer.example.com": ["192.0.2.9"]})
        world.dial(NextHop("peer.example.com", 5070, Transport.UDP))
        assert world.socket.sent == []
        await asyncio.sleep(0.2)
        world.agent.close()
        return world

    (sent,) = run(main()).socket.sent
    assert sent[0].startswith("INVITE sip:+12025550199@peer.example.com")
    assert sent[1] == Address("192.0.2.9", 5070)


def test_request_to_an_unknown_name_fails_its_call_at_once() -> None:
    async def main() -> _World:
        world = _World()
        world.dial(NextHop("nowhere.example.com", None, Transport.UDP))
        await asyncio.sleep(0.2)
        world.agent.close()
        return world

    assert [type(effect).__name__ for effect in run(main()).leg.effects] == ["Refused"]


def test_request_over_a_transport_that_is_not_there_fails_its_call() -> None:
    async def main() -> _World:
        world = _World()
        world.dial(NextHop("192.0.2.9", None, Transport.TLS))
        await asyncio.sleep(0.2)
        world.agent.close()
        return world

    assert [type(effect).__name__ for effect in run(main()).leg.effects] == ["Refused"]


def test_timer_of_the_endpoint_rings_by_itself() -> None:
    async def main() -> list[str]:
        loop = asyncio.get_running_loop()
        world = _World()
        world.agent.now = loop.time
        world.dial(NextHop("192.0.2.9", 5060, Transport.UDP))
        await asyncio.sleep(1.6)
        world.agent.close()
        return [line.split()[0] for line, _ in world.socket.sent]

    assert run(main()) == ["INVITE", "INVITE", "INVITE"]


def test_junk_is_counted_and_changes_nothing() -> None:
    async def main() -> _World:
        world = _World()
        flow = Flow(Transport.UDP, Address("203.0.113.10", 5060), Address("192.0.2.66", 9), 0)
        for junk in (b"\x00" * 40, b"GET / HTTP/1.1\r\n\r\n", b"\r\n\r\n", b""):
            world.agent.receive_datagram(junk, flow)
        world.agent.receive_datagram(request_bytes("OPTIONS"), flow)
        world.agent.close()
        return world

    world = run(main())
    assert world.observer.invites == 0
    assert Event.PARSE_ERROR in world.observer.events
    assert world.observer.statuses == [200]


class _Streams:
    """Takes what is sent on a connection; a new one is only noted."""

    def __init__(self) -> None:
        self.sent: list[bytes] = []
        self.opened: list[Peer] = []

    def send(self, data: bytes, flow: Flow) -> bool:
        self.sent.append(data.partition(b" ")[0])
        return True

    async def flow_to(self, peer: Peer) -> Flow:
        self.opened.append(peer)
        raise ConnectionRefusedError("refused")


@pytest.mark.parametrize("is_running", [True, False])
def test_bye_on_a_connection_that_breaks_goes_out_again_unless_all_is_over(
    is_running: bool,
) -> None:
    async def main() -> _Streams:
        world, caller, streams = _World(), Caller(flow=TCP_FLOW), _Streams()
        world.agent.bind(udp=None, streams=streams)  # type: ignore[arg-type]
        world.agent.receive_stream_message(caller.invite(), TCP_FLOW)
        endpoint = world.agent.endpoint
        world.agent.perform(endpoint.answer(1, b"v=0\r\n", world.agent.now()))
        world.agent.receive_stream_message(caller.ack(), TCP_FLOW)
        world.agent.perform(endpoint.hang_up(1, world.agent.now()))
        if not is_running:
            world.agent.close()
        world.agent.stream_closed(TCP_FLOW)
        await asyncio.sleep(1.0)
        world.agent.close()
        return streams

    streams = run(main())

    assert streams.sent == [b"SIP/2.0", b"SIP/2.0", b"BYE"]
    assert [peer.address.host for peer in streams.opened] == ["198.51.100.7"] * is_running
