"""What a receiver counts of one RTP source: loss, duplicates, jitter (RFC 3550 appendix A)."""

from __future__ import annotations

from typing import Final

from sip_edge.media.rtp import SEQUENCE_MODULUS, TIMESTAMP_MODULUS

CLOCK_RATE: Final = 8000
MAX_DROPOUT: Final = 3000
"""A gap up to here is loss (A.1); a wider one is a sender that started anew."""
MAX_MISORDER: Final = 100
"""A packet up to this many behind the newest is late or a duplicate (A.1)."""
MAX_TRANSIT_STEP: Final = 2 * CLOCK_RATE
"""Two seconds: a wider step of the transit time is a new time line of the sender, not jitter."""

_REMEMBERED: Final = 128  # Sequence numbers whose arrival is known; more than MAX_MISORDER.
_REMEMBERED_MASK: Final = (1 << _REMEMBERED) - 1
_HALF_TIMESTAMP: Final = TIMESTAMP_MODULUS // 2
_MAX_CUMULATIVE_LOST: Final = 0x7FFFFF  # 24 bits, signed (6.4.1).
_MIN_CUMULATIVE_LOST: Final = -0x800000


class Reception:
    """Counts the packets of one source (one SSRC)."""

    __slots__ = (
        "_arrived",
        "_base",
        "_cycles",
        "_expected_before",
        "_expected_prior",
        "_highest",
        "_jitter",
        "_next_after_jump",
        "_received_prior",
        "_transit",
        "_unique",
        "duplicates",
    )

    def __init__(self, first_sequence: int) -> None:
        self.duplicates = 0
        self._base = first_sequence
        self._highest = first_sequence
        self._cycles = 0
        self._arrived = 0  # One bit a sequence number, the newest lowest.
        self._unique = 0
        self._expected_before = 0  # Expected up to the last time the sender started anew.
        self._expected_prior = 0
        self._received_prior = 0
        self._next_after_jump: int | None = None
        self._transit: int | None = None
        self._jitter = 0  # Scaled by 16, as in A.8.

    def receive(self, sequence: int) -> bool:
        """Count a packet. False if it is a duplicate, which must not be played again."""
        ahead = (sequence - self._highest) % SEQUENCE_MODULUS
        if ahead == 0:
            return self._note_behind(0)
        if ahead < MAX_DROPOUT:
            if sequence < self._highest:
                self._cycles += SEQUENCE_MODULUS
            self._highest = sequence
            self._arrived = (self._arrived << min(ahead, _REMEMBERED) | 1) & _REMEMBERED_MASK
            self._unique += 1
            return True
        behind = SEQUENCE_MODULUS - ahead
        if behind <= MAX_MISORDER:
            return self._note_behind(behind)
        return self._note_jump(sequence)

    def note_transit(self, timestamp: int, now: float) -> None:
        """Take an audio packet's arrival into the jitter estimate (A.8)."""
        transit = (int(now * CLOCK_RATE) - timestamp) % TIMESTAMP_MODULUS
        before = self._transit
        self._transit = transit
        if before is None:
            return
        difference = (transit - before) % TIMESTAMP_MODULUS
        if difference >= _HALF_TIMESTAMP:
            difference = TIMESTAMP_MODULUS - difference
        if difference <= MAX_TRANSIT_STEP:
            self._jitter += difference - ((self._jitter + 8) >> 4)

    @property
    def received(self) -> int:
        """Packets that arrived, duplicates included."""
        return self._unique + self.duplicates

    @property
    def expected(self) -> int:
        """Packets that were sent as far as sequence numbers tell (A.3)."""
        return self._expected_before + self._cycles + self._highest - self._base + 1

    @property
    def lost(self) -> int:
        """Packets that never arrived. Unlike in a report, duplicates do not make up for them."""
        return max(0, self.expected - self._unique)

    @property
    def cumulative_lost(self) -> int:
        """As a report says it: expected less received, duplicates included, 24 bits (6.4.1)."""
        lost = self.expected - self.received
        return max(_MIN_CUMULATIVE_LOST, min(_MAX_CUMULATIVE_LOST, lost))

    @property
    def highest_sequence(self) -> int:
        """The extended highest sequence number (6.4.1), 32 bits."""
        return (self._cycles + self._highest) % TIMESTAMP_MODULUS

    @property
    def jitter(self) -> int:
        """Interarrival jitter in timestamp units (1/8000 s)."""
        return self._jitter >> 4

    def take_fraction_lost(self) -> int:
        """The fraction lost since the last time this was asked, in 1/256 (A.3)."""
        expected = self.expected - self._expected_prior
        received = self.received - self._received_prior
        self._expected_prior += expected
        self._received_prior += received
        lost = expected - received
        return 0 if expected <= 0 or lost <= 0 else min(255, (lost << 8) // expected)

    def _note_behind(self, behind: int) -> bool:
        bit = 1 << behind
        if self._arrived & bit:
            self.duplicates += 1
            return False
        self._arrived |= bit
        self._unique += 1
        return True

    def _note_jump(self, sequence: int) -> bool:
        """A.1: two packets in a row, far from the rest, mean that the sender started anew."""
        if sequence == self._next_after_jump:
            self._expected_before = self.expected + 1  # The first of the two was counted as seen.
            self._base = sequence
            self._highest = sequence
            self._cycles = 0
            self._arrived = 1
            self._unique += 2
            self._next_after_jump = None
        else:
            self._next_after_jump = (sequence + 1) % SEQUENCE_MODULUS
        return True
