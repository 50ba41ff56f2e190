"""A dialog: RFC 3261 section 12. Who talks with whom, by which route, in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sip_edge.sip.dialog.route_set import next_hop, route_request
from sip_edge.sip.flow import NextHop, Transport, may_be_named
from sip_edge.sip.message import make_request
from sip_edge.sip.transaction.hop_by_hop import MAX_FORWARDS
from sip_edge.sip.transaction.key import DEFAULT_PORT
from sip_edge.sip.uri import SipUri

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.sip.dialog.user_core import HeaderList, UserCore
    from sip_edge.sip.flow import Flow
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.uri import Uri

DialogId = tuple[str, str, str]
"""Call-ID, local tag, remote tag; a peer without a tag (RFC 2543) has an empty one."""


@dataclass(frozen=True, slots=True)
class Composed:
    """A request and the way it goes."""

    request: Request
    hop: NextHop
    flow: Flow | None


def dialog_id_of(request: Request) -> DialogId:
    """The dialog that a request which we received belongs to (12.2.2)."""
    return (request.call_id, request.to.tag or "", request.from_.tag or "")


class Dialog:
    """The state of one dialog. `flow` is the one that the peer's last message came on.

    `is_secure` says whether our Contact has to be a SIPS URI, `owns_call_id` whether we made the
    Call-ID, as the caller does.
    """

    __slots__ = (
        "_local",
        "_remote",
        "_route_set",
        "flow",
        "id",
        "is_secure",
        "local_cseq",
        "owns_call_id",
        "remote_cseq",
        "remote_target",
    )

    def __init__(
        self,
        *,
        dialog_id: DialogId,
        local: str,
        remote: str,
        route_set: tuple[str, ...],
        remote_target: Uri,
        local_cseq: int,
        remote_cseq: int | None,
        flow: Flow,
        is_secure: bool,
        owns_call_id: bool,
    ) -> None:
        self.id = dialog_id
        self.owns_call_id = owns_call_id
        self.is_secure = is_secure
        self.remote_target = remote_target
        self.local_cseq = local_cseq
        self.remote_cseq = remote_cseq
        self.flow = flow
        self._local = local
        self._remote = remote
        self._route_set = route_set

    @classmethod
    def for_uas(cls, request: Request, local_tag: str, local_cseq: int, flow: Flow) -> Dialog:
        """The dialog that our response to an INVITE makes (12.1.1)."""
        contact = request.contact
        # An RFC 2543 caller may leave out its Contact: From is all that is known of it then.
        target = contact.uri if contact is not None else request.from_.uri
        route_set = tuple(request.record_routes)
        return cls(
            dialog_id=(request.call_id, local_tag, request.from_.tag or ""),
            local=f"{request.headers.get('To')};tag={local_tag}",
            remote=request.headers.get("From") or "",
            route_set=route_set,
            remote_target=target,
            local_cseq=local_cseq,
            remote_cseq=request.cseq.number,
            flow=flow,
            is_secure=_must_be_secure(request.uri, route_set, target),
            owns_call_id=False,
        )

    @classmethod
    def for_uac(cls, request: Request, response: Response, flow: Flow) -> Dialog:
        """The dialog that a response to our INVITE makes (12.1.2)."""
        contact = response.contact
        return cls(
            dialog_id=(request.call_id, request.from_.tag or "", response.to.tag or ""),
            local=request.headers.get("From") or "",
            remote=response.headers.get("To") or "",
            route_set=tuple(reversed(response.record_routes)),
            remote_target=contact.uri if contact is not None else request.parsed_uri,
            local_cseq=request.cseq.number,
            remote_cseq=None,
            flow=flow,
            is_secure=_is_sips(request.uri),
            owns_call_id=True,
        )

    def compose(
        self,
        method: str,
        core: UserCore,
        *,
        cseq: int | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Composed:
        """A new request within the dialog (12.2.1.1). `cseq` is given for an ACK only."""
        if cseq is None:
            self.local_cseq += 1
            cseq = self.local_cseq
        routing = route_request(self.remote_target, self._route_set)
        flow = self.flow
        has_flow_only = not self._route_set and flow.transport.is_reliable
        # Back to where the peer speaks from, if neither route nor target can or may be sent to.
        hop = NextHop(flow.remote.host, flow.remote.port, flow.transport)
        if routing.first_uri is not None:
            otherwise = flow.transport if has_flow_only else Transport.UDP
            named = next_hop(routing.first_uri, otherwise, named_by=flow.remote.host)
            if may_be_named(named.host, named.named_by) and not core.is_at(named):
                hop = named
        lines: HeaderList = [("Via", core.via(hop.transport)), ("Max-Forwards", MAX_FORWARDS)]
        lines += [("Route", route) for route in routing.routes]
        lines += [
            ("From", self._local),
            ("To", self._remote),
            ("Call-ID", self.id[0]),
            ("CSeq", f"{cseq} {method}"),
            core.user_agent,
            *headers,
        ]
        request = make_request(method, routing.request_uri, lines, body)
        return Composed(request, hop, flow if _may_carry(flow, hop, has_flow_only) else None)


def _must_be_secure(uri: str, route_set: tuple[str, ...], target: Uri) -> bool:
    """12.1.1: if the Request-URI, the top Record-Route, or without one the Contact, is SIPS."""
    if _is_sips(uri):
        return True
    if route_set:
        return _is_sips(route_set[0].partition("<")[2])
    return isinstance(target, SipUri) and target.scheme == "sips"


def _is_sips(uri: str) -> bool:
    return uri[:5].lower() == "sips:"


def _may_carry(flow: Flow, hop: NextHop, has_flow_only: bool) -> bool:
    """True if what is sent on `flow` arrives at `hop`.

    A stream is used again whatever the port (RFC 5923): the peer opened it from a port of its own.
    Without a route set it is used whatever the host, too: the peer may stand behind a NAT, and
    nothing but this connection leads to it.
    """
    if flow.transport is not hop.transport:
        return False
    if has_flow_only:
        return True
    if flow.remote.host != hop.host:
        return False
    return flow.transport.is_reliable or flow.remote.port == (hop.port or DEFAULT_PORT)
