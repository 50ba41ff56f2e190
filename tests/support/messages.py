"""SIP messages built by hand, and what to ask of the effects that an endpoint returned."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import count
from typing import TypeVar

from support.sip_ids import CountingIds

from sip_edge.sip.effects import Effect, Send, SendTo
from sip_edge.sip.endpoint import Endpoint, EndpointSettings
from sip_edge.sip.flow import Address, Flow, NextHop, Transport
from sip_edge.sip.message import Request, Response
from sip_edge.sip.parser import parse_message

EDGE = Address("203.0.113.10", 5060)
CALLER = Address("198.51.100.7", 5060)
UDP_FLOW = Flow(Transport.UDP, EDGE, CALLER, 0)
TCP_FLOW = Flow(Transport.TCP, EDGE, Address("198.51.100.7", 40123), 7)
TLS_FLOW = Flow(Transport.TLS, EDGE, Address("198.51.100.7", 40124), 8)
CALLER_HOP = NextHop("198.51.100.7", 5060, Transport.UDP)
OFFER = b"v=0\r\no=- 1 1 IN IP4 198.51.100.7\r\ns=-\r\n"
ANSWER = b"v=0\r\no=- 2 2 IN IP4 203.0.113.10\r\ns=-\r\n"

EffectType = TypeVar("EffectType")
Headers = Sequence[tuple[str, str]]


def make_endpoint(**settings: object) -> Endpoint:
    """An endpoint at 203.0.113.10:5060 whose identifiers count."""
    values: dict[str, object] = {
        "public_host": "203.0.113.10",
        "public_port": 5060,
        "contact_user": "w0",
        "user_agent": "edge",
        **settings,
    }
    return Endpoint(settings=EndpointSettings(**values), ids=CountingIds())  # type: ignore[arg-type]


def request_bytes(
    method: str,
    *,
    uri: str = "sip:+12025550199@203.0.113.10:5060",
    branch: str | None = "z9hG4bK-1",
    sent_by: str = "198.51.100.7:5060",
    transport: str = "UDP",
    via_params: str = "",
    from_tag: str | None = "caller",
    to_tag: str | None = None,
    call_id: str = "call-1",
    cseq: int = 1,
    max_forwards: int = 70,
    contact: str | None = "<sip:caller@198.51.100.7:5060>",
    headers: Headers = (),
    content_type: str | None = "application/sdp",
    body: bytes = b"",
) -> bytes:
    """A request as the caller sends it."""
    branch_param = "" if branch is None else f";branch={branch}"
    from_param = "" if from_tag is None else f";tag={from_tag}"
    to_param = "" if to_tag is None else f";tag={to_tag}"
    lines = [
        f"{method} {uri} SIP/2.0",
        f"Via: SIP/2.0/{transport} {sent_by}{branch_param}{via_params}",
        f"Max-Forwards: {max_forwards}",
        f"From: <sip:+12025550123@198.51.100.7>{from_param}",
        f"To: <sip:+12025550199@203.0.113.10>{to_param}",
        f"Call-ID: {call_id}",
        f"CSeq: {cseq} {method}",
        *[f"{name}: {value}" for name, value in headers],
    ]
    if contact is not None:
        lines.append(f"Contact: {contact}")
    if body and content_type is not None:
        lines.append(f"Content-Type: {content_type}")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def make_request_of(method: str, **values: object) -> Request:
    """The same, parsed."""
    message = parse_message(request_bytes(method, **values))  # type: ignore[arg-type]
    assert isinstance(message, Request)
    return message


def response_bytes(
    request: Request,
    status: int,
    *,
    to_tag: str | None = "callee",
    contact: str | None = "<sip:callee@198.51.100.7:5060>",
    headers: Headers = (),
    body: bytes = b"",
) -> bytes:
    """A response of the peer's to a request of ours."""
    to = request.headers.get("To") or ""
    if to_tag is not None and request.to.tag is None:
        to += f";tag={to_tag}"
    lines = [
        f"SIP/2.0 {status} Whatever",
        *[f"Via: {via}" for via in request.headers.get_all("Via")],
        f"From: {request.headers.get('From')}",
        f"To: {to}",
        f"Call-ID: {request.call_id}",
        f"CSeq: {request.cseq}",
        *[f"{name}: {value}" for name, value in headers],
    ]
    if contact is not None:
        lines.append(f"Contact: {contact}")
    if body:
        lines.append("Content-Type: application/sdp")
    lines.append(f"Content-Length: {len(body)}")
    return "\r\n".join([*lines, "", ""]).encode() + body


def make_response_of(request: Request, status: int, **values: object) -> Response:
    """The same, parsed."""
    message = parse_message(response_bytes(request, status, **values))  # type: ignore[arg-type]
    assert isinstance(message, Response)
    return message


@dataclass
class Caller:
    """A peer that numbers its requests as it should; the tests decide when it sends which."""

    flow: Flow = UDP_FLOW
    call_id: str = "call-1"
    from_tag: str = "caller"
    to_tag: str = "edge-tag-1"
    cseq: int = 1
    branches: Iterable[int] = field(default_factory=lambda: count(1))
    first_cseq: int = 0

    def __post_init__(self) -> None:
        self.first_cseq = self.cseq

    def branch(self) -> str:
        """A fresh one."""
        return f"z9hG4bK-{self.call_id}-{next(iter(self.branches))}"

    def invite(self, **values: object) -> bytes:
        """The initial INVITE; its branch is kept for the CANCEL."""
        values = {"branch": "z9hG4bK-invite", "body": OFFER, **values}
        return self._bytes("INVITE", self.first_cseq, None, values)

    def cancel(self, **values: object) -> bytes:
        """The CANCEL of the initial INVITE."""
        values = {"branch": "z9hG4bK-invite", **values}
        return self._bytes("CANCEL", self.first_cseq, None, values)

    def ack(self, **values: object) -> bytes:
        """The ACK of a 2xx: a branch of its own."""
        values = {"branch": self.branch(), "contact": None, **values}
        return self._bytes("ACK", self.cseq, self.to_tag, values)

    def ack_error(self, **values: object) -> bytes:
        """The ACK of an error: the INVITE's branch."""
        return self.ack(**{"branch": "z9hG4bK-invite", **values})

    def request(self, method: str, **values: object) -> bytes:
        """The next request within the dialog."""
        self.cseq += 1
        values = {"branch": self.branch(), **values}
        return self._bytes(method, self.cseq, self.to_tag, values)

    def _bytes(
        self, method: str, cseq: int, to_tag: str | None, values: dict[str, object]
    ) -> bytes:
        defaults: dict[str, object] = {
            "call_id": self.call_id,
            "from_tag": self.from_tag,
            "to_tag": to_tag,
            "cseq": cseq,
            "transport": self.flow.transport.value,
        }
        return request_bytes(method, **{**defaults, **values})  # type: ignore[arg-type]


def sent(effects: Iterable[Effect]) -> list[Request | Response]:
    """All messages that are sent, parsed, in order."""
    return [parse_message(e.data) for e in effects if isinstance(e, Send | SendTo)]


def responses(effects: Iterable[Effect]) -> list[Response]:
    """The responses among them."""
    return [message for message in sent(effects) if isinstance(message, Response)]


def requests(effects: Iterable[Effect]) -> list[Request]:
    """The requests among them."""
    return [message for message in sent(effects) if isinstance(message, Request)]


def statuses(effects: Iterable[Effect]) -> list[int]:
    """The status codes of the responses among them."""
    return [response.status for response in responses(effects)]


def methods(effects: Iterable[Effect]) -> list[str]:
    """The methods of the requests among them."""
    return [request.method for request in requests(effects)]


def of_type(effects: Iterable[Effect], wanted: type[EffectType]) -> list[EffectType]:
    """The effects of one type."""
    return [effect for effect in effects if isinstance(effect, wanted)]


def only(effects: Iterable[Effect], wanted: type[EffectType]) -> EffectType:
    """The one effect of this type."""
    found = of_type(effects, wanted)
    assert len(found) == 1, found
    return found[0]


def run_timers(endpoint: Endpoint, until: float) -> list[tuple[float, Effect]]:
    """Let time pass to `until`: each effect with the instant it came at."""
    happened: list[tuple[float, Effect]] = []
    while (deadline := endpoint.next_timeout()) is not None and deadline <= until:
        happened += [(deadline, effect) for effect in endpoint.handle_timer(deadline)]
    return happened


def settle(endpoint: Endpoint, now: float) -> None:
    """Let all timers run out; the endpoint must then be empty."""
    run_timers(endpoint, now + 1000.0)
    assert (endpoint.sessions, endpoint.transactions, endpoint.next_timeout()) == (0, 0, None)
