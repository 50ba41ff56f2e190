"""A 2xx to an INVITE, sent again until its ACK arrives: RFC 3261 13.3.1.4.

The transaction does not do this: a 2xx is acknowledged end to end, so it is repeated end to end,
over TCP as well.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.sip.effects import Event, Noted, Send

if TYPE_CHECKING:
    from sip_edge.sip.effects import Effect
    from sip_edge.sip.timers import TimerSettings


class UnacknowledgedAnswer:
    """One such 2xx. `carries_offer` is true if the ACK has to bring the answer."""

    __slots__ = ("_interval", "_repeat", "_repeat_at", "_t2", "carries_offer", "expires_at")

    def __init__(
        self, *, sent: Send, carries_offer: bool, settings: TimerSettings, now: float
    ) -> None:
        self.carries_offer = carries_offer
        self.expires_at = now + settings.timeout
        self._repeat = Send(sent.data, sent.flow)
        self._t2 = settings.t2
        self._interval = settings.t1
        self._repeat_at = now + settings.t1

    def next_timeout(self) -> float:
        """When `handle_timer` is to be called."""
        return min(self._repeat_at, self.expires_at)

    def is_expired(self, now: float) -> bool:
        """True once 64*T1 have passed without an ACK: the session SHOULD be ended with BYE."""
        return now >= self.expires_at

    def handle_timer(self, now: float) -> list[Effect]:
        """Repeat the 2xx if it is time: after T1, and at intervals that double up to T2."""
        if now < self._repeat_at:
            return []
        self._interval = min(2 * self._interval, self._t2)
        self._repeat_at = now + self._interval
        return [self._repeat, Noted(Event.RETRANSMISSION_SENT)]
