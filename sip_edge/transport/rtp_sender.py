"""What goes out on an RTP port: packets of what is queued, keyed or silence.

No socket and no clock: each call of `next_packets` is 20 ms. That is one packet, unless the peer
asked for another length (`a=ptime`): then what does not fill a packet waits for the next call.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.media.audio import FRAME_SAMPLES, ULAW_SILENCE
from sip_edge.media.g711 import ALAW_SILENCE_CODE, ulaw_to_alaw
from sip_edge.media.offer_answer import Codec
from sip_edge.media.packetizer import Packetizer
from sip_edge.media.playout import PlayoutQueue
from sip_edge.media.rtp import TIMESTAMP_MODULUS
from sip_edge.media.telephone_event import TelephoneEventSender

if TYPE_CHECKING:
    from sip_edge.media.offer_answer import AudioParameters

_ALAW_SILENCE: Final = bytes((ALAW_SILENCE_CODE,)) * FRAME_SAMPLES
_SAMPLES_PER_MS: Final = 8
_INAUDIBLE: Final = b"\xff\x7f\xfe\x7e"
"""µ-law 0 and ±8, the least step: what encoders make of digital silence."""


class RtpSender:
    """Makes one stream's packets. Sends none before `configure`, and none while on hold."""

    __slots__ = (
        "_is_alaw",
        "_keys",
        "_may_send",
        "_packet_samples",
        "_payload_type",
        "_rest",
        "_silence",
        "_telephone_event",
        "packetizer",
        "queue",
        "was_audible",
    )

    def __init__(self, *, packetizer: Packetizer, queue: PlayoutQueue) -> None:
        self.packetizer = packetizer
        self.queue = queue
        self.was_audible = False
        """True once a packet was made that is not silence."""
        self._keys = TelephoneEventSender()
        self._may_send = False
        self._payload_type = 0
        self._packet_samples = FRAME_SAMPLES
        self._rest = b""
        self._telephone_event: int | None = None
        self._is_alaw = False
        self._silence = ULAW_SILENCE

    def configure(self, parameters: AudioParameters) -> None:
        """Take what was agreed; at the answer and after each later one."""
        self._may_send = parameters.direction.can_send
        if parameters.payload_type != self._payload_type:
            self._drop_rest()  # It is in the codec before.
        self._payload_type = parameters.payload_type
        self._packet_samples = parameters.ptime_ms * _SAMPLES_PER_MS
        self._telephone_event = parameters.telephone_event_payload_type
        self._is_alaw = parameters.codec is Codec.PCMA
        self._silence = _ALAW_SILENCE if self._is_alaw else ULAW_SILENCE

    def press(self, digit: str) -> bool:
        """Queue a key; False if the peer takes none. Raises ValueError if there is no such key."""
        if self._telephone_event is None:
            return False
        self._keys.press(digit)
        return True

    def next_packets(self) -> tuple[bytes, ...]:
        """The packets of the next 20 ms; none on hold, when time and sound go on unheard."""
        if self._keys.is_busy:
            now = (self.packetizer.timestamp + len(self._rest)) % TIMESTAMP_MODULUS
            event = self._keys.next(now)
            if event is not None and self._telephone_event is not None and self._may_send:
                # The key's packet takes the place of a frame; what is queued waits.
                rest = self._take_rest()
                packet = self.packetizer.event(
                    self._telephone_event,
                    event.payload,
                    timestamp=event.timestamp,
                    marker=event.marker,
                )
                return (*rest, packet)
        return self._next_sound()

    def _next_sound(self) -> tuple[bytes, ...]:
        frame = self.queue.pop()
        if not self._may_send:
            self._drop_rest()
            self.packetizer.pause(1)
            return ()
        if frame is None:
            payload = self._silence
        else:
            if not self.was_audible:
                self.was_audible = bool(frame.translate(None, _INAUDIBLE))
            payload = ulaw_to_alaw(frame) if self._is_alaw else frame
        if self._packet_samples == FRAME_SAMPLES and not self._rest:
            return (self.packetizer.frame(self._payload_type, payload),)
        return self._cut(self._rest + payload)

    def _cut(self, sound: bytes) -> tuple[bytes, ...]:
        """As many whole packets as `sound` makes; the rest is kept."""
        length = self._packet_samples
        end = len(sound) - len(sound) % length
        self._rest = sound[end:]
        return tuple(
            self.packetizer.frame(self._payload_type, sound[start : start + length])
            for start in range(0, end, length)
        )

    def _take_rest(self) -> tuple[bytes, ...]:
        """What waits to fill a packet, as a shorter one: something else comes in between."""
        if not self._rest:
            return ()
        rest, self._rest = self._rest, b""
        return (self.packetizer.frame(self._payload_type, rest),)

    def _drop_rest(self) -> None:
        """Leave out what waits; the clock goes on as if it had been sent."""
        if self._rest:
            self.packetizer.pause(0, samples=len(self._rest))
            self._rest = b""
