"""How much sound goes into a packet: `a=ptime` and `a=maxptime` (RFC 8866 sections 6.4, 6.5)."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from sip_edge.media.sdp import MediaDescription

PTIME_MS: Final = 20
"""What we send where nothing else is asked for (the default of RFC 3551 section 4.5.14)."""
MIN_PTIME_MS: Final = 10
MAX_PTIME_MS: Final = 60
"""More in a packet makes a delay that people notice, and a loss that they hear."""
STEP_MS: Final = 10
"""Other lengths are no whole number of what codecs and telephones count in."""


def packet_length(media: MediaDescription) -> int:
    """The milliseconds in a packet that the author of `media` wants to receive, as we can do it.

    `ptime` is a wish, and `maxptime` a limit: what cannot be met exactly is met as nearly as
    possible, never with more than the limit unless that is below 10 ms.
    """
    wish = _read(media.value("ptime"))
    limit = _read(media.value("maxptime"))
    length = wish or PTIME_MS
    if limit is not None:
        length = min(length, limit)
    length -= length % STEP_MS
    return max(MIN_PTIME_MS, min(MAX_PTIME_MS, length))


def _read(text: str | None) -> int | None:
    """Whole milliseconds; None where there are none. A fraction, allowed in some drafts, is cut."""
    digits = (text or "").strip(" ").partition(".")[0]
    if not (digits.isascii() and digits.isdigit()) or len(digits) > 5:
        return None
    return int(digits) or None
