"""Requests that go hop by hop and are made from another: ACK for errors, CANCEL."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.message import make_request

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.sip.message import Request, Response

MAX_FORWARDS: Final = "70"
"""RFC 3261 8.1.1.6: what a request starts with."""


def ack_for_failure(request: Request, response: Response) -> Request:
    """The ACK for a 300-699 to our INVITE (17.1.1.3): To as in the response, a single Via."""
    return _from_invite("ACK", request, response.headers.get("To"), ())


def cancel_for(request: Request, headers: Sequence[tuple[str, str]]) -> Request:
    """The CANCEL of our INVITE (9.1): all as in the INVITE, a single Via, the same branch."""
    return _from_invite("CANCEL", request, request.headers.get("To"), headers)


def _from_invite(
    method: str, invite: Request, to: str | None, extra: Sequence[tuple[str, str]]
) -> Request:
    headers = [
        ("Via", invite.headers.get("Via") or ""),
        ("Max-Forwards", MAX_FORWARDS),
        # 17.1.1.3: Route header fields MUST appear in the ACK; 9.1 says the same of CANCEL.
        *(("Route", route) for route in invite.headers.get_all("Route")),
        ("From", invite.headers.get("From") or ""),
        ("To", to or ""),
        ("Call-ID", invite.call_id),
        ("CSeq", f"{invite.cseq.number} {method}"),
        *extra,
    ]
    return make_request(method, invite.uri, headers)
