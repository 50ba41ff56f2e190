"""The settings of what one source, and all of them, may ask of a process."""

from __future__ import annotations

from typing import Self

from pydantic import model_validator

from sip_edge.config.fields import Count, Seconds
from sip_edge.config.section import Section


class LimitSettings(Section):
    """Rates, and the lateness at which a process takes no more calls.

    A rate may be exceeded for a moment: two seconds' worth may come at once. `requests` are those
    that begin something (INVITE, OPTIONS and the like outside a dialog); what belongs to a call
    that goes on is not counted. Lags are means over the last second or so, RTP's of its
    worst turns.
    """

    requests_per_second: Count = 400
    requests_per_second_per_source: Count = 200
    datagrams_per_second_per_source: Count = 2_000
    max_loop_lag_seconds: Seconds = 0.1
    max_pacing_lag_seconds: Seconds = 0.1

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.requests_per_second_per_source > self.requests_per_second:
            raise ValueError(
                f"requests_per_second_per_source ({self.requests_per_second_per_source}) must not"
                f" exceed requests_per_second ({self.requests_per_second})"
            )
        return self
