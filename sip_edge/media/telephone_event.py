"""Keys pressed on a telephone, sent as RTP events (RFC 4733): a receiver and a sender."""

from __future__ import annotations

import struct
from collections import deque
from typing import Final, NamedTuple

from sip_edge.media.audio import FRAME_SAMPLES
from sip_edge.media.rtp import TIMESTAMP_MODULUS

DIGITS: Final = "0123456789*#ABCD"
"""The digit of event codes 0 to 15 (RFC 4733 section 3.2, table 3)."""
END_REPEATS: Final = 3
"""The last packet of an event is sent three times (2.5.1.4)."""
LOST_END_SECONDS: Final = 0.3
"""Senders report a pressed key every 20 to 50 ms; this long without means it was let go."""
PRESS_FRAMES: Final = 8
"""A sent key press lasts 160 ms: far above the 40 ms that receivers demand."""
GAP_FRAMES: Final = 4
"""80 ms between two keys, above the 40 ms of ITU-T Q.24."""
DEFAULT_VOLUME: Final = 10
"""-10 dBm0, what carriers send."""
MAX_QUEUED_DIGITS: Final = 64

_PAYLOAD: Final = struct.Struct("!BBH")
_END: Final = 0x80
_VOLUME_MASK: Final = 0x3F
_MAX_DURATION: Final = 0xFFFF
_REORDER_WINDOW: Final = 10 * 8000
"""An event that began up to ten seconds before the newest one is a straggler, not a new one."""


class TelephoneEvent(NamedTuple):
    """The payload of one packet. `volume` is -dBm0; `duration` in timestamp units (1/8000 s)."""

    event: int
    is_end: bool
    volume: int
    duration: int


def parse_telephone_event(payload: bytes) -> TelephoneEvent | None:
    """The event in a payload; None if it is too short. Redundant events behind it are ignored."""
    if len(payload) < _PAYLOAD.size:
        return None
    event, flags, duration = _PAYLOAD.unpack_from(payload)
    return TelephoneEvent(event, flags >= _END, flags & _VOLUME_MASK, duration)


def build_telephone_event(event: TelephoneEvent) -> bytes:
    """The payload that says `event`."""
    flags = event.volume | (_END if event.is_end else 0)
    return _PAYLOAD.pack(event.event, flags, event.duration)


class TelephoneEventReceiver:
    """Makes one digit of the many packets of a key press, whatever of them gets lost.

    All packets of an event carry the RTP timestamp of its beginning; that tells events apart.
    """

    __slots__ = ("_event", "_heard_at", "_timestamp", "ignored", "is_pressed")

    def __init__(self) -> None:
        self.ignored = 0
        """Packets that are malformed, or events that are no key."""
        self.is_pressed = False
        """True between the first packet of an event and its digit."""
        self._timestamp: int | None = None
        self._event = 0
        self._heard_at = 0.0

    def receive(self, timestamp: int, payload: bytes, now: float) -> str:
        """Take in a packet; the digits that are complete by it: none, one, or two at most.

        Two, if the end of the key before was lost as well and this packet ends the next key.
        """
        packet = parse_telephone_event(payload)
        if packet is None or packet.event >= len(DIGITS):
            self.ignored += 1
            return ""
        digits = ""
        if timestamp != self._timestamp:
            if self._is_straggler(timestamp):
                return ""
            if not self._continues(timestamp, packet.event):
                digits = self._let_go()
                self.is_pressed = True
            self._timestamp = timestamp
            self._event = packet.event
        self._heard_at = now
        return digits + self._let_go() if packet.is_end else digits

    def expire(self, now: float) -> str:
        """The digit of a key whose last packets were all lost, once it is clear that they were."""
        if self.is_pressed and now - self._heard_at >= LOST_END_SECONDS:
            return self._let_go()
        return ""

    def reset(self) -> str:
        """Forget the source (its timestamps mean nothing any more); the digit still pressed."""
        digit = self._let_go()
        self._timestamp = None
        return digit

    def _let_go(self) -> str:
        if not self.is_pressed:
            return ""
        self.is_pressed = False
        return DIGITS[self._event]

    def _is_straggler(self, timestamp: int) -> bool:
        if self._timestamp is None:
            return False
        return (self._timestamp - timestamp) % TIMESTAMP_MODULUS <= _REORDER_WINDOW

    def _continues(self, timestamp: int, event: int) -> bool:
        """True for the next segment of a key held longer than 8.19 s (section 2.5.1.3)."""
        return (
            self.is_pressed
            and self._timestamp is not None
            and event == self._event
            and (timestamp - self._timestamp) % TIMESTAMP_MODULUS == _MAX_DURATION
        )


class EventPacket(NamedTuple):
    """A packet to send in place of a frame of sound."""

    payload: bytes
    timestamp: int
    marker: bool


class TelephoneEventSender:
    """Presses keys one after the other, a packet every 20 ms (2.5.1.2 to 2.5.1.4)."""

    __slots__ = ("_digits", "_event", "_gap", "_step", "_timestamp")

    def __init__(self) -> None:
        self._digits: deque[int] = deque()
        self._event = 0
        self._step = 0  # Packets of the current key that were sent; 0: no key is pressed.
        self._gap = 0
        self._timestamp = 0

    @property
    def is_busy(self) -> bool:
        """True while a key is pressed or waits."""
        return self._step > 0 or self._gap > 0 or bool(self._digits)

    def press(self, digit: str) -> None:
        """Queue a key. Raises ValueError if there is no such key or too many wait already."""
        event = DIGITS.find(digit) if len(digit) == 1 else -1
        if event < 0:
            raise ValueError(f"no such key: {digit[:8]!r}")
        if len(self._digits) >= MAX_QUEUED_DIGITS:
            raise ValueError(f"more than {MAX_QUEUED_DIGITS} keys queued")
        self._digits.append(event)

    def next(self, timestamp: int) -> EventPacket | None:
        """What to send now; `timestamp` is that of the frame it replaces. None: send sound."""
        if self._gap:
            self._gap -= 1
            return None
        if self._step == 0:
            if not self._digits:
                return None
            self._event = self._digits.popleft()
            self._timestamp = timestamp
        self._step += 1
        step = self._step
        is_end = step >= PRESS_FRAMES
        if step == PRESS_FRAMES + END_REPEATS - 1:
            self._step = 0
            self._gap = GAP_FRAMES
        payload = _PAYLOAD.pack(
            self._event,
            DEFAULT_VOLUME | (_END if is_end else 0),
            min(step, PRESS_FRAMES) * FRAME_SAMPLES,
        )
        return EventPacket(payload, self._timestamp, step == 1)
