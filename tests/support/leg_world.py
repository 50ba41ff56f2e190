"""A caller's leg between a real endpoint and a real SDP core, with sockets and sound in memory."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Mapping
from ipaddress import ip_network
from typing import Any

from support.messages import Caller, make_endpoint
from support.ticks import Ticks

from sip_edge.media.offer_answer import AudioParameters
from sip_edge.media.sdes import SrtpPolicy
from sip_edge.routing.refusal import Refusal
from sip_edge.routing.timeline import CallTimeline
from sip_edge.sip.effects import Event, InviteReceived
from sip_edge.sip.flow import Address
from sip_edge.sip.message import Request, Response
from sip_edge.sip.parser import parse_message
from sip_edge.transport.call_facts import call_facts
from sip_edge.transport.inbound_leg import InboundLeg
from sip_edge.transport.rtp_ports import NoRtpPortError
from sip_edge.transport.rtp_srtp import Srtp
from sip_edge.transport.sources import Carrier
from sip_edge.transport.user_agent import UserAgent

CALL_ID = uuid.UUID("12345678-1234-4234-8234-123456789abc")
OFFER = (
    b"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\nc=IN IP4 198.51.100.7\r\nt=0 0\r\n"
    b"m=audio 30000 RTP/AVP 0 8 101\r\na=rtpmap:101 telephone-event/8000\r\n"
)
VIDEO_ONLY = OFFER.replace(b"m=audio 30000 RTP/AVP 0 8 101", b"m=video 30000 RTP/AVP 96")


class MemoryUdp:
    """Keeps what was sent instead of sending it."""

    def __init__(self) -> None:
        self.sent: list[tuple[Address, Request | Response]] = []

    def can_reach(self, host: str) -> bool:
        return ":" not in host

    def send(self, data: bytes, remote: Address) -> bool:
        self.sent.append((remote, parse_message(data)))
        return True


class MemoryRtp:
    """An RTP session that writes down what is done to it."""

    local_port = 20_000

    def __init__(self) -> None:
        self.log: list[str] = []
        self.parameters: AudioParameters | None = None
        self.srtp = Srtp(SrtpPolicy.OPTIONAL)

    def configure(self, parameters: AudioParameters) -> None:
        self.parameters = parameters
        self.srtp.configure(parameters.srtp, 0.0)
        self.log.append(f"configure {parameters.remote[0]}:{parameters.remote[1]}")

    def start(self, *, held: bool) -> None:
        self.log.append("start held" if held else "start")

    def release(self) -> None:
        self.log.append("release")

    def hear_key(self, key: str) -> None:
        self.log.append(f"key {key}")

    def statistics(self) -> str:
        return "statistics"

    def close(self) -> None:
        self.log.append("close")


class MemoryMedia:
    """Opens at most `ports` sessions."""

    address = "203.0.113.10"

    def __init__(self, ports: int) -> None:
        self._ports = ports
        self.sessions: list[MemoryRtp] = []
        self.peers: list[tuple[str, str | None]] = []

    def towards(self, carrier: Carrier, signalling_host: str | None) -> MemoryMedia:
        self.peers.append((carrier.name, signalling_host))
        return self

    def open(self, observer: object) -> MemoryRtp:
        if len(self.sessions) >= self._ports:
            raise NoRtpPortError("none left")
        self.sessions.append(MemoryRtp())
        return self.sessions[-1]


class _Names:
    async def resolve(self, host: str, deadline: float) -> list[str]:
        return ["192.0.2.200"]


class LegWorld:
    """One call, from its INVITE on. Make it within a running loop."""

    def __init__(
        self,
        *,
        body: bytes = OFFER,
        ports: int = 1,
        responses: Mapping[Refusal, int] | None = None,
        **invite: Any,
    ) -> None:
        self.loop = asyncio.get_running_loop()
        self.clock = Ticks(50.0)
        self.udp = MemoryUdp()
        self.media = MemoryMedia(ports)
        self.carrier = Carrier("local", [ip_network("0.0.0.0/0")], None, "US", responses or {})
        self.caller = Caller()
        self.events: list[Event] = []
        self.statuses: list[int] = []
        self.invites = 0
        self.ended: list[InboundLeg] = []
        self.user_agent = UserAgent(
            loop=self.loop,
            clock=self.clock,
            endpoint=make_endpoint(),
            resolver=_Names(),
            observer=self,
            on_invite=self._make_leg,
        )
        self.user_agent.bind(udp=self.udp, streams=None)  # type: ignore[arg-type]
        self.leg: InboundLeg
        self.arrive(self.caller.invite(body=body, **invite))

    def arrive(self, data: bytes) -> None:
        """A datagram from the caller."""
        self.user_agent.receive_datagram(data, self.caller.flow)

    def pass_time(self, seconds: float) -> None:
        """Move the clock and ring the endpoint's timers that are due on the way."""
        until = self.clock.now + seconds
        endpoint = self.user_agent.endpoint
        while (deadline := endpoint.next_timeout()) is not None and deadline <= until:
            self.clock.now = deadline
            self.user_agent.perform(endpoint.handle_timer(deadline))
        self.clock.now = until

    @property
    def rtp(self) -> MemoryRtp:
        return self.media.sessions[0]

    def responses(self) -> list[int]:
        """The status of each response that was sent, in order."""
        return [m.status for _, m in self.udp.sent if isinstance(m, Response)]

    def last_response(self) -> Response:
        return [m for _, m in self.udp.sent if isinstance(m, Response)][-1]

    def requests(self) -> list[Request]:
        """The requests that we sent."""
        return [m for _, m in self.udp.sent if isinstance(m, Request)]

    def invite_received(self) -> None:
        self.invites += 1

    def response_sent(self, status: int) -> None:
        self.statuses.append(status)

    def sip_event(self, event: Event) -> None:
        self.events.append(event)

    def _make_leg(self, effect: InviteReceived, received_at: float) -> InboundLeg:
        self.leg = InboundLeg(
            user_agent=self.user_agent,
            media=self.media,  # type: ignore[arg-type]
            session=effect.session,
            request=effect.request,
            carrier=self.carrier,
            facts=call_facts(
                effect.request, carrier=self.carrier, call_id=CALL_ID, forward_headers=()
            ),
            timeline=CallTimeline(received_at, clock=self.clock),
            loop=self.loop,
            max_seconds=14_400.0,
            sdp_session_id=7,
            end_call=self.ended.append,
        )
        return self.leg
