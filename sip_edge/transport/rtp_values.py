"""What an RTP session is told, tells, and counts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpSettings:
    """`timeout_seconds` without a packet end a call: as long as carriers wait themselves."""

    timeout_seconds: float = 60.0
    max_queued_seconds: float = 300.0
    symmetric: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class RtpStatistics:
    """What a call's sound went through, from its beginning.

    `late` packets came after their play-out time, `discarded` ones were too far from it,
    `strangers` did not come from the peer; `unauthentic` ones among them were under none of its
    keys (SRTP). `remote_*` and `round_trip_ms` are the peer's reports, None if none came.
    `dropped_seconds` were played into a full queue.
    """

    packets_sent: int
    packets_received: int
    packets_lost: int
    late: int
    duplicates: int
    discarded: int
    concealed: int
    malformed: int
    strangers: int
    unauthentic: int
    other_payloads: int
    send_errors: int
    jitter_ms: float
    delay_ms: float
    dropped_seconds: float
    remote_lost: int | None
    remote_fraction_lost: float | None
    remote_jitter_ms: float | None
    round_trip_ms: float | None


class RtpObserver(Protocol):
    """Told what happens to a call's sound; each once."""

    def on_first_rtp(self, now: float) -> None:
        """The first packet of the peer came."""
        ...

    def on_first_audio_out(self, now: float) -> None:
        """The first frame that is not silence went out."""
        ...

    def on_rtp_timeout(self) -> None:
        """The peer should send, and has not for the time-out."""
        ...
