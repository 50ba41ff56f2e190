"""Which final response, and which BYE, says what: the one table of decision 12.

A carrier may have its own codes (`responses`).

The codes are chosen for what carriers do with them: 404, 486 and 603 end a call at both Twilio and
Telnyx, 480, 488 and 503 make both try their next route (carriers' documents; README, "Responses").
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

from sip_edge.routing.outcome import EndedBy

if TYPE_CHECKING:
    from collections.abc import Mapping


class Refusal(Enum):
    """Why a call is refused. The word is used in metrics, logs and the configuration."""

    NO_NUMBER = "no_number"
    UNKNOWN_NUMBER = "unknown_number"
    INACTIVE_NUMBER = "inactive_number"
    OTHER_PROVIDER = "other_provider"
    OTHER_ACCOUNT = "other_account"
    WRONG_SECRET = "wrong_secret"
    OUTBOUND_ONLY = "outbound_only"
    AGENTS_OUT_OF_SERVICE = "agents_out_of_service"
    AGENTS_FAILED = "agents_failed"
    NUMBER_BUSY = "number_busy"
    NO_CODEC = "no_codec"
    OVERLOADED = "overloaded"
    DRAINING = "draining"
    NO_RTP_PORT = "no_rtp_port"
    ROUTES_UNAVAILABLE = "routes_unavailable"
    INTERNAL_ERROR = "internal_error"


@dataclass(frozen=True, slots=True)
class FinalResponse:
    """A final response and the Q.850 cause of its Reason header (RFC 3326)."""

    status: int
    q850_cause: int
    q850_text: str

    @property
    def reason_header(self) -> str:
        """The value of the Reason header."""
        return f'Q.850;cause={self.q850_cause};text="{self.q850_text}"'


_UNALLOCATED: Final = (1, "Unallocated number")
_BUSY: Final = (17, "User busy")
_NO_USER: Final = (18, "No user responding")
_REJECTED: Final = (21, "Call rejected")
_TEMPORARY: Final = (41, "Temporary failure")
_CONGESTION: Final = (42, "Switching equipment congestion")
_INCOMPATIBLE: Final = (88, "Incompatible destination")

RESPONSES: Final[dict[Refusal, FinalResponse]] = {
    Refusal.NO_NUMBER: FinalResponse(404, *_UNALLOCATED),
    Refusal.UNKNOWN_NUMBER: FinalResponse(404, *_UNALLOCATED),
    Refusal.INACTIVE_NUMBER: FinalResponse(404, *_UNALLOCATED),
    Refusal.OTHER_PROVIDER: FinalResponse(404, *_UNALLOCATED),
    # To another customer of the carrier the number does not exist, and no retry changes that.
    Refusal.OTHER_ACCOUNT: FinalResponse(404, *_UNALLOCATED),
    # Loud in the carrier's log, and it tries its next route.
    Refusal.WRONG_SECRET: FinalResponse(403, *_REJECTED),
    Refusal.OUTBOUND_ONLY: FinalResponse(603, *_REJECTED),
    Refusal.AGENTS_OUT_OF_SERVICE: FinalResponse(486, *_BUSY),
    Refusal.AGENTS_FAILED: FinalResponse(480, *_NO_USER),
    Refusal.NUMBER_BUSY: FinalResponse(486, *_BUSY),
    Refusal.NO_CODEC: FinalResponse(488, *_INCOMPATIBLE),
    Refusal.OVERLOADED: FinalResponse(503, *_CONGESTION),
    Refusal.DRAINING: FinalResponse(503, *_CONGESTION),
    Refusal.NO_RTP_PORT: FinalResponse(503, *_CONGESTION),
    Refusal.ROUTES_UNAVAILABLE: FinalResponse(503, *_TEMPORARY),
    Refusal.INTERNAL_ERROR: FinalResponse(500, *_TEMPORARY),
}


BYE_REASONS: Final[dict[EndedBy, str]] = {
    EndedBy.AGENT: 'Q.850;cause=16;text="Normal call clearing"',
    EndedBy.EDGE: 'Q.850;cause=16;text="Normal call clearing"',
    EndedBy.MEDIA_TIMEOUT: 'Q.850;cause=102;text="No RTP received"',
    EndedBy.AGENT_LOST: 'Q.850;cause=41;text="Agent lost"',
    EndedBy.DRAIN: 'Q.850;cause=41;text="Shutting down"',
    EndedBy.INTERNAL: 'Q.850;cause=41;text="Internal error"',
}
"""The Reason of our BYE, by whom or what ended the call; the others end without a BYE of ours."""


def bye_reason(ended_by: EndedBy) -> str:
    """The value of the Reason header of our BYE."""
    return BYE_REASONS.get(ended_by, BYE_REASONS[EndedBy.EDGE])


def response_to(refusal: Refusal, overrides: Mapping[Refusal, int]) -> FinalResponse:
    """The final response for `refusal`; `overrides` is the carrier's own choice of status codes."""
    standard = RESPONSES[refusal]
    status = overrides.get(refusal)
    if status is None:
        return standard
    return FinalResponse(status, standard.q850_cause, standard.q850_text)
