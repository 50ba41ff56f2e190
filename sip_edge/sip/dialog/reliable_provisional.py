"""Provisional responses that have to arrive: RFC 3262, the callee's side.

Used where the caller requires it, and only there. A caller that merely supports it would have to
send a PRACK before it may have its 200, a round trip more for a ringing tone that a lost 180 costs
it for a moment at most.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.effects import Event, Noted, Send
from sip_edge.sip.fields import FieldError, parse_number

if TYPE_CHECKING:
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.message import Request
    from sip_edge.sip.timers import TimerSettings

MAX_FIRST_RSEQ: Final = 2**31 - 1
"""Section 3: the first RSeq is chosen between 1 and 2**31 - 1."""
MAX_NUMBER: Final = 2**32 - 1
"""Section 7.1: what fits in an RSeq or RAck."""


class ReliableProvisional:
    """The provisional responses to one INVITE: one after another, each until its PRACK.

    `carries_offer` is true while the PRACK that is waited for has to bring an answer. After the
    final response its owner has nothing repeated any more; the PRACK may still come.
    """

    __slots__ = (
        "_expires_at",
        "_interval",
        "_repeat",
        "_repeat_at",
        "_rseq",
        "_settings",
        "carries_offer",
    )

    def __init__(self, *, number: int, settings: TimerSettings) -> None:
        self.carries_offer = False
        self._rseq = number % MAX_FIRST_RSEQ
        self._settings = settings
        self._repeat: Send | None = None
        self._interval = settings.t1
        self._repeat_at: float | None = None
        self._expires_at = 0.0

    @property
    def is_unacknowledged(self) -> bool:
        """True while no other may be sent (section 3)."""
        return self._repeat is not None

    def next_headers(self) -> list[tuple[str, str]]:
        """What makes the next response a reliable one."""
        self._rseq += 1
        return [("Require", "100rel"), ("RSeq", str(self._rseq))]

    def sent(self, send: Send, now: float, *, carries_offer: bool) -> None:
        """The response with those headers went out."""
        self.carries_offer = carries_offer
        self._repeat = Send(send.data, send.flow)
        self._interval = self._settings.t1
        self._repeat_at = now + self._interval
        self._expires_at = now + self._settings.timeout

    def acknowledge(self, prack: Request, invite_cseq: int) -> bool:
        """True if this PRACK is for the response that waits; anything else deserves 481."""
        if self._repeat is None or _rack(prack) != (self._rseq, invite_cseq, "INVITE"):
            return False
        self._repeat = self._repeat_at = None
        return True

    def next_timeout(self) -> float | None:
        """When `handle_timer` is to be called."""
        return None if self._repeat_at is None else min(self._repeat_at, self._expires_at)

    def is_expired(self, now: float) -> bool:
        """True once 64*T1 have passed without a PRACK: the INVITE is to be refused (section 3)."""
        return self._repeat_at is not None and now >= self._expires_at

    def handle_timer(self, now: float) -> list[Effect]:
        """Repeat it: after T1, and at intervals that double without the bound of T2."""
        if self._repeat is None or self._repeat_at is None or now < self._repeat_at:
            return []
        self._interval *= 2
        self._repeat_at = now + self._interval
        return [self._repeat, Noted(Event.RETRANSMISSION_SENT)]


def _rack(prack: Request) -> tuple[int, int, str] | None:
    """Section 7.2: RSeq, CSeq number and method; None where there is no such thing."""
    parts = (prack.headers.get("RAck") or "").split()
    if len(parts) != 3:
        return None
    try:
        return parse_number(parts[0], MAX_NUMBER), parse_number(parts[1], MAX_NUMBER), parts[2]
    except FieldError:
        return None
