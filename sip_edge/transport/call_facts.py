"""What an INVITE says about its call, read once and bounded (`routing.ports.CallFacts`)."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

from sip_edge.routing.number import called_number, caller_number
from sip_edge.routing.ports import NO_ACCOUNT, CallFacts
from sip_edge.sip.fields import FieldError, parse_name_addr
from sip_edge.sip.uri import UriError

if TYPE_CHECKING:
    import uuid
    from collections.abc import Iterator, Sequence

    from sip_edge.sip.fields import NameAddr
    from sip_edge.sip.message import Request
    from sip_edge.sip.uri import Uri
    from sip_edge.transport.sources import Carrier

MAX_FORWARDED_VALUE: Final = 256
"""Characters of a forwarded header's value: workers put them into prompts and logs."""
MAX_CALLER: Final = 128
"""Characters kept of the caller as the carrier wrote it."""
_HEX: Final = frozenset("0123456789abcdef")


def call_facts(
    request: Request, *, carrier: Carrier, call_id: uuid.UUID, forward_headers: Sequence[str]
) -> CallFacts:
    """Read an initial INVITE. Never raises: what cannot be read is missing.

    The ids that workers see keep Twilio's form; a call that came from Twilio keeps Twilio's own, so
    that a worker which calls Twilio's REST API speaks of the same call.
    """
    own_call_sid = own_account_sid = None
    if carrier.provider == "twilio":
        own_call_sid = _sid(request.headers.get("X-Twilio-CallSid"), "CA")
        own_account_sid = _sid(request.headers.get("X-Twilio-AccountSid"), "AC")
    return CallFacts(
        call_id=str(call_id),
        sip_call_id=request.call_id,
        carrier=carrier.name,
        provider=carrier.provider,
        called_number=called_number(_called_uris(request), carrier.country),
        caller_number=caller_number(_calling_uris(request), carrier.country),
        caller=_printable(str(request.from_.uri).partition("?")[0], MAX_CALLER),
        call_sid=own_call_sid or f"CA{call_id.hex}",
        stream_sid=f"MZ{call_id.hex}",
        account_sid=own_account_sid or NO_ACCOUNT,
        forwarded_headers={
            name: _printable(value, MAX_FORWARDED_VALUE)
            for name in forward_headers
            # The configuration forbids it; should that ever fail, the secret stays here.
            if name.lower() != (carrier.secret_header or "").lower()
            and (value := request.headers.get(name)) is not None
        },
    )


def _called_uris(request: Request) -> Iterator[Uri]:
    """Where the dialled number may stand: Request-URI, To, Diversion, in this order."""
    with suppress(UriError):
        yield request.parsed_uri
    yield request.to.uri
    for entry in _entries(request, "Diversion"):
        yield entry.uri


def _calling_uris(request: Request) -> Iterator[Uri]:
    """From, then the carrier's assertion, unless the caller asked to stay unknown (RFC 3325)."""
    yield request.from_.uri
    if "id" not in (request.headers.get("Privacy") or "").lower().split(";"):
        for entry in _entries(request, "P-Asserted-Identity"):
            yield entry.uri


def _entries(request: Request, name: str) -> list[NameAddr]:
    entries = []
    for text in request.headers.split(name):
        try:
            entries.append(parse_name_addr(text))
        except (FieldError, UriError):
            continue
    return entries


def _sid(text: str | None, prefix: str) -> str | None:
    """`text` if it is `prefix` and 32 hexadecimal digits, as Twilio's ids are."""
    if text is None or len(text) != 34 or not text.startswith(prefix):
        return None
    return text if _HEX.issuperset(text[2:]) else None


def _printable(text: str, length: int) -> str:
    """At most `length` characters without controls, quotes of the wire or broken encodings."""
    return "".join(c if c.isprintable() else "?" for c in text[:length])
