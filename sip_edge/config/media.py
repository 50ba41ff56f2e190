"""The settings of RTP."""

from __future__ import annotations

from typing import Final, Self

from pydantic import model_validator

from sip_edge.config.fields import Port, Seconds
from sip_edge.config.section import Section

PORTS_PER_CALL: Final = 2
"""An even port for RTP and the odd one above it for RTCP (RFC 3550 section 11)."""


class MediaSettings(Section):
    """RTP: its ports and how long things may last."""

    port_min: Port = 20_000
    port_max: Port = 29_999
    quarantine_seconds: Seconds = 10.0
    rtp_timeout_seconds: Seconds = 60.0
    max_queued_seconds: Seconds = 300.0
    symmetric: bool = True

    @property
    def pairs(self) -> int:
        """How many pairs of an even port and the odd one above it the range holds."""
        first = self.port_min + self.port_min % PORTS_PER_CALL
        return max(0, (self.port_max + 1 - first) // PORTS_PER_CALL)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.port_min == 0:
            raise ValueError("port_min must be from 1 to 65534")
        if self.port_min >= self.port_max:
            raise ValueError(f"port_min ({self.port_min}) must be below port_max ({self.port_max})")
        if self.pairs == 0:
            raise ValueError("port_min to port_max must hold an even port and the odd one above it")
        return self
