"""What goes out on an RTP port: one packet for every 20 ms, of what is queued, keyed or silence.

No socket and no clock: each call of `next_packet` is 20 ms.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.media.audio import FRAME_SAMPLES, ULAW_SILENCE
from sip_edge.media.g711 import ALAW_SILENCE_CODE, ulaw_to_alaw
from sip_edge.media.offer_answer import Codec
from sip_edge.media.packetizer import Packetizer
from sip_edge.media.playout import PlayoutQueue
from sip_edge.media.telephone_event import TelephoneEventSender

if TYPE_CHECKING:
    from sip_edge.media.offer_answer import AudioParameters

_ALAW_SILENCE: Final = bytes((ALAW_SILENCE_CODE,)) * FRAME_SAMPLES
_INAUDIBLE: Final = b"\xff\x7f\xfe\x7e"
"""µ-law 0 and ±8, the least step: what encoders make of digital silence."""


class RtpSender:
    """Makes one stream's packets. Sends none before `configure`, and none while on hold."""

    __slots__ = (
        "_is_alaw",
        "_keys",
        "_may_send",
        "_payload_type",
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
        self._telephone_event: int | None = None
        self._is_alaw = False
        self._silence = ULAW_SILENCE

    def configure(self, parameters: AudioParameters) -> None:
        """Take what was agreed; at the answer and after each later one."""
        self._may_send = parameters.direction.can_send
        self._payload_type = parameters.payload_type
        self._telephone_event = parameters.telephone_event_payload_type
        self._is_alaw = parameters.codec is Codec.PCMA
        self._silence = _ALAW_SILENCE if self._is_alaw else ULAW_SILENCE

    def press(self, digit: str) -> bool:
        """Queue a key; False if the peer takes none. Raises ValueError if there is no such key."""
        if self._telephone_event is None:
            return False
        self._keys.press(digit)
        return True

    def next_packet(self) -> bytes | None:
        """The packet of the next 20 ms; None on hold, when time and sound go on unheard."""
        if self._keys.is_busy:
            event = self._keys.next(self.packetizer.timestamp)
            if event is not None and self._telephone_event is not None and self._may_send:
                # The key's packet takes the place of a frame; what is queued waits.
                return self.packetizer.event(
                    self._telephone_event,
                    event.payload,
                    timestamp=event.timestamp,
                    marker=event.marker,
                )
        frame = self.queue.pop()
        if not self._may_send:
            self.packetizer.pause(1)
            return None
        if frame is None:
            return self.packetizer.frame(self._payload_type, self._silence)
        if not self.was_audible:
            self.was_audible = bool(frame.translate(None, _INAUDIBLE))
        return self.packetizer.frame(
            self._payload_type, ulaw_to_alaw(frame) if self._is_alaw else frame
        )
