"""Which final response says what: decision by decision, with the Reason header of RFC 3326."""

from __future__ import annotations

import pytest

from sip_edge.routing.refusal import RESPONSES, FinalResponse, Refusal, response_to

TABLE = {
    Refusal.NO_NUMBER: (404, 'Q.850;cause=1;text="Unallocated number"'),
    Refusal.UNKNOWN_NUMBER: (404, 'Q.850;cause=1;text="Unallocated number"'),
    Refusal.INACTIVE_NUMBER: (404, 'Q.850;cause=1;text="Unallocated number"'),
    Refusal.OTHER_PROVIDER: (404, 'Q.850;cause=1;text="Unallocated number"'),
    Refusal.OTHER_ACCOUNT: (404, 'Q.850;cause=1;text="Unallocated number"'),
    Refusal.WRONG_SECRET: (403, 'Q.850;cause=21;text="Call rejected"'),
    Refusal.OUTBOUND_ONLY: (603, 'Q.850;cause=21;text="Call rejected"'),
    Refusal.AGENTS_OUT_OF_SERVICE: (486, 'Q.850;cause=17;text="User busy"'),
    Refusal.AGENTS_FAILED: (480, 'Q.850;cause=18;text="No user responding"'),
    Refusal.NUMBER_BUSY: (486, 'Q.850;cause=17;text="User busy"'),
    Refusal.NO_CODEC: (488, 'Q.850;cause=88;text="Incompatible destination"'),
    Refusal.OVERLOADED: (503, 'Q.850;cause=42;text="Switching equipment congestion"'),
    Refusal.DRAINING: (503, 'Q.850;cause=42;text="Switching equipment congestion"'),
    Refusal.NO_RTP_PORT: (503, 'Q.850;cause=42;text="Switching equipment congestion"'),
    Refusal.ROUTES_UNAVAILABLE: (503, 'Q.850;cause=41;text="Temporary failure"'),
    Refusal.INTERNAL_ERROR: (500, 'Q.850;cause=41;text="Temporary failure"'),
}


def test_every_refusal_has_its_response_and_no_other() -> None:
    assert {
        refusal: (response.status, response.reason_header)
        for refusal, response in RESPONSES.items()
    } == TABLE
    assert set(RESPONSES) == set(Refusal)


def test_carrier_may_choose_another_status_for_the_same_cause() -> None:
    overrides = {Refusal.AGENTS_FAILED: 486}

    assert response_to(Refusal.AGENTS_FAILED, overrides) == FinalResponse(
        486, 18, "No user responding"
    )


@pytest.mark.parametrize("refusal", list(Refusal))
def test_other_refusals_keep_their_standard_response(refusal: Refusal) -> None:
    assert response_to(refusal, {}) is RESPONSES[refusal]
