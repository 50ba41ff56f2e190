"""The jitter buffer: packets in as the network brings them, 20 ms frames out as a clock asks.

It works on timestamps, so loss, reordering, pauses and any packet size need no case of their own.
`pop` is the clock: it is called once every 20 ms and moves the play-out position by 160 samples.

How long sound waits adapts: a packet that comes too late lengthens the wait, two calm seconds
shorten it by one frame, taken out where nothing is said if possible.
"""

from __future__ import annotations

from typing import Final

from sip_edge.media.audio import FRAME_SAMPLES, ULAW_SILENCE
from sip_edge.media.g711 import linear_to_ulaw, ulaw_to_linear
from sip_edge.media.rtp import TIMESTAMP_MODULUS

START_DELAY: Final = 2 * FRAME_SAMPLES
"""40 ms: what carriers' networks need. All delays here are in samples (1/8000 s)."""
MIN_DELAY: Final = FRAME_SAMPLES
"""20 ms: less than one frame would lose each packet that comes a little late."""
MAX_DELAY: Final = 10 * FRAME_SAMPLES
"""200 ms: a conversation suffers more from a longer wait than from a gap."""
CALM_PACKETS: Final = 100
"""Two seconds without need shorten the wait by one frame."""
PATIENCE_FRAMES: Final = 50
"""How long a frame to be taken out may wait for a silent one: a second."""
MAX_CHUNKS: Final = 64
"""Pieces of sound held: 200 ms in packets of 5 ms are 40. More is no telephone."""
MAX_PAYLOAD_BYTES: Final = MAX_DELAY
"""Sound beyond this in one packet could not be played in time."""

_HALF: Final = TIMESTAMP_MODULUS // 2
_QUIET: Final = bytes(range(0x70, 0x80)) + bytes(range(0xF0, 0x100))
"""Levels below -48 dB of full scale: nobody hears that 20 ms of it are missing."""


def _make_fade() -> bytes:
    """A translation table that halves the level of µ-law samples."""
    samples = ulaw_to_linear(bytes(range(256)))
    halved = b"".join(
        (int.from_bytes(samples[i : i + 2], "little", signed=True) // 2).to_bytes(
            2, "little", signed=True
        )
        for i in range(0, len(samples), 2)
    )
    return linear_to_ulaw(halved)


_FADE: Final = _make_fade()


class JitterBuffer:
    """Puts one source's µ-law in order. Reset it when the source changes (a new SSRC)."""

    __slots__ = (
        "_calm",
        "_chunks",
        "_delay",
        "_far",
        "_idle",
        "_last",
        "_least_lead",
        "_next",
        "_patience",
        "concealed",
        "discarded",
        "late",
        "skipped",
    )

    def __init__(self) -> None:
        self.late = 0
        """Packets that came after the time when they should have been played."""
        self.discarded = 0
        """Packets too far from the rest to be played, or too many."""
        self.concealed = 0
        """Frames that were made up because nothing had come."""
        self.skipped = 0
        """Frames left out to shorten the wait."""
        self._chunks: dict[int, bytes] = {}  # By timestamp; nothing before `_next`.
        self._next: int | None = None  # The timestamp of the frame that `pop` gives next.
        self._delay = START_DELAY
        self._idle = 0  # Frames since something was last heard.
        self._last = ULAW_SILENCE
        self._far: int | None = None
        self._calm = 0
        self._least_lead = MAX_DELAY
        self._patience = -1  # Frames left to find a silent one to skip; -1: none is to be skipped.

    def put(self, timestamp: int, ulaw: bytes) -> None:
        """Take in a packet's sound. Duplicates are for the caller to keep away (`Reception`)."""
        ulaw = ulaw[:MAX_PAYLOAD_BYTES]
        if self._next is None:
            self._begin(timestamp)
        lead = self._lead(timestamp)
        if not -MAX_DELAY <= lead <= MAX_DELAY:
            if not self._is_new_time_line(timestamp):
                self.discarded += 1
                return
            self._begin(timestamp)
            lead = self._delay
        elif lead < 0:
            lead = self._wait_longer(lead)
            if lead < 0:
                ulaw = ulaw[-lead:]
                timestamp = (timestamp - lead) % TIMESTAMP_MODULUS
        elif self._idle and not self._chunks and lead % FRAME_SAMPLES:
            # Speech begins anew: let its frames be ours, so that none has to be put together.
            self._shift(lead % FRAME_SAMPLES - FRAME_SAMPLES)
            lead += FRAME_SAMPLES - lead % FRAME_SAMPLES
        self._far = None
        self._note_lead(lead)
        self._store(timestamp, ulaw)

    def pop(self) -> bytes:
        """The next 20 ms: 160 bytes, made up or silent where nothing came in time."""
        position = self._next
        if position is None:
            return ULAW_SILENCE
        frame = self._chunks.pop(position, None)
        if frame is None or len(frame) != FRAME_SAMPLES:
            frame = self._assemble(position, frame)
        self._next = (position + FRAME_SAMPLES) % TIMESTAMP_MODULUS
        if self._patience >= 0 and self._may_skip(frame):
            return self.pop()
        if frame is None:
            return self._conceal()
        self._idle = 0
        self._last = frame
        return frame

    def reset(self) -> None:
        """Forget the time line, not the counters: what comes next is from another source."""
        self._chunks.clear()
        self._next = None
        self._far = None

    @property
    def delay_samples(self) -> int:
        """How long the first packet of a new time line waits: what the buffer has learnt."""
        return self._delay

    @property
    def buffered_samples(self) -> int:
        """How much sound is held."""
        return sum(map(len, self._chunks.values()))

    def _lead(self, timestamp: int) -> int:
        """How many samples before its play-out this timestamp is; negative if it is too late."""
        return (timestamp - (self._next or 0) + _HALF) % TIMESTAMP_MODULUS - _HALF

    def _begin(self, timestamp: int) -> None:
        """Start a time line: `timestamp` is to be heard after the delay."""
        self._chunks.clear()
        self._next = (timestamp - self._delay) % TIMESTAMP_MODULUS
        self._calm = 0
        self._least_lead = MAX_DELAY
        self._patience = -1

    def _is_new_time_line(self, timestamp: int) -> bool:
        """True if a packet out of reach is followed by another one, or nothing else is heard."""
        far, self._far = self._far, timestamp
        if self._idle * FRAME_SAMPLES >= MAX_DELAY:
            return True
        if far is None:
            return False
        return 0 < (timestamp - far) % TIMESTAMP_MODULUS <= MAX_DELAY

    def _wait_longer(self, lead: int) -> int:
        """A packet came too late: wait longer from now on. Its new lead; negative: too late still.

        If nothing was heard since its time, going back saves all of it: the network only paused.
        """
        self.late += 1
        self._delay = min(self._delay + FRAME_SAMPLES, MAX_DELAY)
        frames = -(lead // FRAME_SAMPLES)
        if self._idle < frames:
            frames = 1  # It was overtaken by others. It is lost, its successors shall not be.
        if self._newest_lead() + frames * FRAME_SAMPLES > MAX_DELAY:
            return lead
        self._shift(-frames * FRAME_SAMPLES)
        return lead + frames * FRAME_SAMPLES

    def _newest_lead(self) -> int:
        return max(map(self._lead, self._chunks), default=0)

    def _shift(self, samples: int) -> None:
        self._next = ((self._next or 0) + samples) % TIMESTAMP_MODULUS

    def _note_lead(self, lead: int) -> None:
        """Watch how much sooner than needed packets come; shorten the wait if all of them do."""
        if lead < self._least_lead:
            self._least_lead = lead
        self._calm += 1
        if self._calm < CALM_PACKETS:
            return
        if self._least_lead >= MIN_DELAY + FRAME_SAMPLES:
            self._delay = max(MIN_DELAY, self._delay - FRAME_SAMPLES)
            self._patience = PATIENCE_FRAMES
        self._calm = 0
        self._least_lead = MAX_DELAY

    def _store(self, timestamp: int, ulaw: bytes) -> None:
        chunks = self._chunks
        if len(ulaw) == FRAME_SAMPLES and len(chunks) < MAX_CHUNKS:
            chunks[timestamp] = ulaw
            return
        for start in range(0, len(ulaw), FRAME_SAMPLES):
            if len(chunks) >= MAX_CHUNKS:
                self.discarded += 1
                return
            piece = ulaw[start : start + FRAME_SAMPLES]
            chunks[(timestamp + start) % TIMESTAMP_MODULUS] = piece

    def _assemble(self, position: int, head: bytes | None) -> bytes | None:
        """A frame out of pieces of other sizes or places; None if there is not one sample of it."""
        if head is None and not self._chunks:
            return None
        if head is not None:
            self._chunks[position] = head
        frame = bytearray()
        pieces = sorted(
            (lead, timestamp)
            for timestamp in self._chunks
            if (lead := self._lead(timestamp)) < FRAME_SAMPLES
        )
        for lead, timestamp in pieces:
            piece = self._chunks.pop(timestamp)
            if lead > len(frame):
                frame += ULAW_SILENCE[: lead - len(frame)]
            overlap = len(frame) - lead
            frame += piece[overlap : overlap + FRAME_SAMPLES - len(frame)]
            end = lead + len(piece)
            if end > FRAME_SAMPLES:
                # What reaches into the next frame stays, before anything newer at its place.
                key = (position + FRAME_SAMPLES) % TIMESTAMP_MODULUS
                self._chunks[key] = piece[len(piece) - (end - FRAME_SAMPLES) :]
        if not frame:
            return None
        return bytes(frame) + ULAW_SILENCE[len(frame) :]

    def _may_skip(self, frame: bytes | None) -> bool:
        """True if this frame is to be left out: nobody would miss it, or time is up."""
        self._patience -= 1
        if self._patience >= 0 and frame is not None and frame.translate(None, _QUIET):
            return False
        self._patience = -1
        self.skipped += 1
        return True

    def _conceal(self) -> bytes:
        """Where a frame is missing: the last one once more, softer, then silence."""
        self._idle += 1
        if self._last is ULAW_SILENCE:
            return ULAW_SILENCE
        self.concealed += 1
        last, self._last = self._last, ULAW_SILENCE
        return last.translate(_FADE)
