"""Which transaction a message belongs to: RFC 3261 17.1.3 and 17.2.3, and where answers go."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.sip.ids import BRANCH_COOKIE

if TYPE_CHECKING:
    from sip_edge.sip.fields import Via
    from sip_edge.sip.message import Request, Response

DEFAULT_PORT: Final = 5060
"""The port of a sent-by that names none (RFC 3261 18.1.1); TLS answers never leave their stream."""

ServerKey = tuple[str, str, str, int]
"""Method (INVITE for ACK), branch, and the sent-by's host and port."""

ClientKey = str
"""Branch and method, as in `SendTo.key`."""

OriginKey = tuple[str, str, int, str]
"""Call-ID, From tag, CSeq number, method: a request on whatever way it came (8.2.2.2)."""


def server_key(request: Request, method: str) -> ServerKey:
    """The key of the server transaction that `request` starts, repeats or, with ACK, ends.

    `method` is INVITE for an ACK, and for a CANCEL when what it cancels is looked for (9.2).
    """
    via = request.top_via
    branch = via.branch
    if branch is None or len(branch) <= len(BRANCH_COOKIE) or not branch.startswith(BRANCH_COOKIE):
        branch = _legacy_branch(request)
    return (method, branch, via.host.lower(), via.port or DEFAULT_PORT)


def client_key(response: Response) -> ClientKey:
    """17.1.3: the branch of the top Via and the method of the CSeq."""
    return f"{response.top_via.branch} {response.cseq.method}"


def own_key(request: Request) -> ClientKey:
    """The key of the client transaction of a request of ours."""
    return f"{request.top_via.branch} {request.method}"


def origin_key(request: Request) -> OriginKey:
    """What stays the same when one request arrives on several ways."""
    cseq = request.cseq
    return (request.call_id, request.from_.tag or "", cseq.number, cseq.method)


def reply_flow(via: Via, flow: Flow) -> Flow:
    """Where the responses to a request go that came on `flow` with `via` on top (18.2.2).

    Over a stream: the same connection. Over UDP: the source address, at the source port if `rport`
    asked for it (RFC 3581 section 4), else at the port of the sent-by. `maddr` is never followed:
    it would let a stranger have us send to whom he likes.
    """
    if flow.transport is not Transport.UDP or via.rport is not None:
        return flow
    port = via.port or DEFAULT_PORT
    if port == flow.remote.port:
        return flow
    return Flow(flow.transport, flow.local, Address(flow.remote.host, port), flow.connection)


def _legacy_branch(request: Request) -> str:
    """What stands in for the branch of an RFC 2543 request (17.2.3, second half).

    The To tag is left out: an ACK bears ours, the INVITE that it belongs to none.
    """
    return "\0".join(
        (
            request.uri,
            request.from_.tag or "",
            request.call_id,
            str(request.cseq.number),
            str(request.top_via.branch),
        )
    )
