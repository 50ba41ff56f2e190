"""Keys that are pressed in SIP instead of in the sound: INFO with a DTMF body.

Gateways write `application/dtmf-relay` (a line `Signal=5`, one `Duration=160`) or
`application/dtmf` (the key alone). Neither has an RFC; both say a key by its name or by its event
code of RFC 4733. Some gateways send a key press by INFO *and* as RFC 4733 events, so that each way
is matched against the other: see `KeyPresses`.
"""

from __future__ import annotations

from collections import deque
from enum import Enum
from typing import Final

from sip_edge.media.telephone_event import DIGITS

MAX_BODY_BYTES: Final = 256
"""Real bodies have about thirty."""
MATCH_SECONDS: Final = 3.0
"""How far apart the two reports of one key press may come: a key is held for a second, and INFO is
repeated over a bad network. Both ways within it and no match is rare enough to be a key each."""
MAX_UNMATCHED: Final = 32
"""Nobody presses more keys in `MATCH_SECONDS`."""


class Way(Enum):
    """How a key press was told."""

    RTP = "rtp"
    INFO = "info"


def read_key(content_type: str | None, body: bytes) -> str:
    """The key that an INFO says, one of `0123456789*#ABCD`; "" if it says none."""
    if len(body) > MAX_BODY_BYTES or not body.isascii():
        return ""
    text = body.decode("ascii")
    if content_type == "application/dtmf":
        return _key(text.strip())
    if content_type != "application/dtmf-relay":
        return ""
    for line in text.splitlines():
        name, _, value = line.partition("=")
        if name.strip().lower() == "signal":
            return _key(value.strip())
    return ""


def _key(text: str) -> str:
    """A key by its name, or by its event code: 10 is the star, 11 the hash, 12 to 15 A to D."""
    if len(text) == 1 and text.upper() in DIGITS:
        return text.upper()
    if len(text) == 2 and text.isdigit():
        code = int(text)
        return DIGITS[code] if code < len(DIGITS) else ""
    return ""


class KeyPresses:
    """Tells a key press from the other report of the same one.

    Reports of one way are never compared with each other: a key that is pressed twice comes twice.
    A report is the other one of a press if the same key came the other way within `MATCH_SECONDS`
    and has no match yet. Thus a gateway that uses both ways is heard once, in order, and one that
    uses either, or changes from one to the other, loses nothing.
    """

    __slots__ = ("_unmatched",)

    def __init__(self) -> None:
        self._unmatched: deque[tuple[float, str, Way]] = deque(maxlen=MAX_UNMATCHED)

    def is_new(self, key: str, way: Way, now: float) -> bool:
        """True if this is the first report of a key press."""
        unmatched = self._unmatched
        while unmatched and now - unmatched[0][0] > MATCH_SECONDS:
            unmatched.popleft()
        for entry in unmatched:
            if entry[1] == key and entry[2] is not way:
                unmatched.remove(entry)
                return False
        unmatched.append((now, key, way))
        return True
