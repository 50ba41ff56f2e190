"""Requests to names, over real sockets and a name server on the loopback (RFC 3263)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.dns import FakeNameServer
from support.free_ports import free_port
from support.loops import on_both_loops
from support.messages import make_endpoint
from support.sip_listener import SipListener
from support.stream_world import listening

from sip_edge.resolver import ResolverSettings, make_resolver
from sip_edge.sip.effects import Event, InviteReceived, Refused, SessionEffect
from sip_edge.sip.flow import NextHop, Transport
from sip_edge.transport.udp import UdpListener
from sip_edge.transport.user_agent import UserAgent


class Observer:
    def invite_received(self) -> None: ...

    def response_sent(self, status: int) -> None: ...

    def sip_event(self, event: Event) -> None: ...


class Leg:
    """Keeps what happens to its session."""

    def __init__(self) -> None:
        self.effects: asyncio.Queue[SessionEffect] = asyncio.Queue()

    def receive(self, effect: SessionEffect) -> None:
        self.effects.put_nowait(effect)


class Phone:
    """A user agent with real sockets that asks one name server."""

    def __init__(self, agent: UserAgent) -> None:
        self.agent = agent

    def dial(self, name: str, transport: Transport, *, port: int | None = None) -> Leg:
        leg = Leg()
        session, effects = self.agent.endpoint.invite(
            uri=f"sip:+12025550199@{name}",
            from_="<sip:+12025550123@203.0.113.10>",
            to=f"<sip:+12025550199@{name}>",
            hop=NextHop(name, port, transport),
            sdp=b"v=0\r\n",
            now=self.agent.now(),
        )
        self.agent.adopt(session, leg)
        self.agent.perform(effects)
        return leg


@asynccontextmanager
async def phone_asking(dns: FakeNameServer) -> AsyncIterator[Phone]:
    loop = asyncio.get_running_loop()

    def no_calls(effect: InviteReceived, now: float) -> None:
        return None

    resolver = make_resolver(
        ResolverSettings(nameservers=(dns.server,), query_timeout_seconds=5.0, tries=1), loop.time
    )
    agent = UserAgent(
        loop=loop,
        endpoint=make_endpoint(),
        clock=time.perf_counter,
        resolver=resolver,
        observer=Observer(),
        on_invite=no_calls,
    )
    udp = UdpListener(
        loop=loop,
        host="127.0.0.1",
        port=0,
        receive_buffer_bytes=1 << 16,
        may_speak=lambda host: True,
        on_send_failure=lambda: None,
    )
    async with listening() as streams:
        agent.bind(udp=udp, streams=streams.connections)
        try:
            yield Phone(agent)
        finally:
            agent.close()
            udp.close()
            await resolver.close()


@on_both_loops
async def test_service_that_refuses_leaves_the_next_one() -> None:
    async with FakeNameServer() as dns, SipListener() as peer, phone_asking(dns) as phone:
        dns.services["_sip._tcp.peer.example"] = [
            (10, 0, free_port(), "first.peer.example"),
            (20, 0, peer.port, "second.peer.example"),
        ]
        dns.addresses["first.peer.example"] = ["127.0.0.1"]
        dns.addresses["second.peer.example"] = ["127.0.0.1"]

        phone.dial("peer.example", Transport.TCP)
        invite = await peer.request("INVITE")

    assert invite.first_line == "INVITE sip:+12025550199@peer.example SIP/2.0"
    assert dns.asked[0] == "_sip._tcp.peer.example"


@on_both_loops
async def test_call_fails_at_once_when_no_service_takes_it() -> None:
    async with FakeNameServer() as dns, phone_asking(dns) as phone:
        dns.services["_sip._tcp.peer.example"] = [(10, 0, free_port(), "only.peer.example")]
        dns.addresses["only.peer.example"] = ["127.0.0.1"]

        leg = phone.dial("peer.example", Transport.TCP)
        async with asyncio.timeout(10):
            effect = await leg.effects.get()

    assert isinstance(effect, Refused)
    assert effect.response is None


@on_both_loops
async def test_dead_names_stall_no_other_call() -> None:
    async with FakeNameServer() as dns, SipListener() as peer, phone_asking(dns) as phone:
        dead = [f"dead{number}.example" for number in range(60)]
        dns.silent.update(dead)
        dns.addresses["peer.example"] = ["127.0.0.1"]
        legs = [phone.dial(name, Transport.TCP, port=5060) for name in dead]
        await dns.was_asked(*dead)

        phone.dial("peer.example", Transport.TCP, port=peer.port)
        invite = await peer.request("INVITE")

        assert invite.first_line == "INVITE sip:+12025550199@peer.example SIP/2.0"
        assert all(leg.effects.empty() for leg in legs)
        async with asyncio.timeout(10):
            ends = [await leg.effects.get() for leg in legs]
    assert {type(end) for end in ends} == {Refused}
