"""How long a session lasts without a sign of life: RFC 4028, both sides of it.

Each 2xx to an INVITE or UPDATE agrees anew on an interval and on who refreshes. The refresher asks
again after half of it; who hears nothing ends the session shortly before it is over (section 10).

What is left to us is decided so: a caller that leaves the choice makes us the refresher, one that
does not speak of the extension is asked for nothing, and `Require: timer` stands only where
section 9 demands it, in the 2xx to a caller that is the refresher.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.inspection import lists_option, min_se_of, session_expires_of
from sip_edge.sip.settings import MIN_SE

if TYPE_CHECKING:
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.settings import EndpointSettings

MAX_LEAD: Final = 32.0
"""Section 10: the end comes a third of the interval early, but not more than 32 seconds."""
MAX_INTERVAL: Final = 86_400
"""Seconds. A callee may name any number; what is longer than a day watches over nothing."""


class SessionTimer:
    """The session interval of one dialog. `interval` is in seconds, None if there is none."""

    __slots__ = ("_min_se", "_settings", "expires_at", "interval", "is_refresher", "refresh_at")

    def __init__(self, settings: EndpointSettings) -> None:
        self.interval: int | None = None
        self.is_refresher = False
        self.refresh_at: float | None = None
        self.expires_at: float | None = None
        self._min_se = MIN_SE
        self._settings = settings

    def accept(self, request: Request, now: float) -> list[tuple[str, str]]:
        """Section 9: what our 2xx to an INVITE or UPDATE says; the interval begins with it."""
        asked = session_expires_of(request)
        supported = lists_option(request, "Supported", "timer")
        if asked is not None and asked.seconds < MIN_SE and not supported:
            asked = None  # No proxy may ask for that (section 8.1), and no 422 would reach it.
        if asked is None and not supported:
            self.stop()
            return []
        interval = max(self._settings.session_expires, min_se_of(request))
        if asked is not None:
            interval = min(interval, asked.seconds)
        refresher = "uas"
        if asked is not None and supported and asked.refresher is not None:
            refresher = asked.refresher
        self._start(interval, now, is_refresher=refresher == "uas")
        headers = [("Session-Expires", f"{interval};refresher={refresher}")]
        if refresher == "uac":
            headers.append(("Require", "timer"))
        return headers

    def agree(self, response: Response, now: float) -> None:
        """Section 7.2: what a 2xx to an INVITE or UPDATE of ours says; without it nothing ends."""
        agreed = session_expires_of(response)
        if agreed is None:
            self.stop()
            return
        interval = min(max(agreed.seconds, MIN_SE), MAX_INTERVAL)
        self._start(interval, now, is_refresher=agreed.refresher != "uas")

    def refresh_headers(self) -> list[tuple[str, str]]:
        """Section 7.4: what a refresh of ours asks for. Only while there is an interval."""
        headers = [("Session-Expires", f"{self.interval};refresher=uac")]
        if self._min_se > MIN_SE:
            headers.append(("Min-SE", str(self._min_se)))
        return headers

    def raise_interval(self, response: Response) -> bool:
        """Section 7.3: a 422 says how long it has to be. False if it is that long already.

        Until the peer has agreed, the session ends when it would have ended.
        """
        self._min_se = min(max(self._min_se, min_se_of(response)), MAX_INTERVAL)
        if self.interval is None or self.interval >= self._min_se:
            return False
        self.interval = self._min_se
        return True

    def stop(self) -> None:
        """There is no interval any more."""
        self.interval = self.refresh_at = self.expires_at = None
        self.is_refresher = False

    def is_expired(self, now: float) -> bool:
        """True when the session is to be ended with BYE: no refresh came, or none succeeded."""
        return self.expires_at is not None and now >= self.expires_at

    def _start(self, interval: int, now: float, *, is_refresher: bool) -> None:
        self.interval = interval
        self.is_refresher = is_refresher
        self.refresh_at = now + interval / 2 if is_refresher else None
        self.expires_at = now + interval - min(MAX_LEAD, interval / 3)
