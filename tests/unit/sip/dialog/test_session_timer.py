"""RFC 4028: what each side of a session agrees on, sections 7.2, 7.3 and 9."""

from __future__ import annotations

import pytest
from support.messages import Headers, make_request_of, make_response_of

from sip_edge.sip.dialog.session_timer import SessionTimer
from sip_edge.sip.settings import EndpointSettings

TIMER = ("Supported", "timer")


def make_timer(**settings: int) -> SessionTimer:
    return SessionTimer(
        EndpointSettings(
            public_host="203.0.113.10",
            public_port=5060,
            contact_user="w0",
            user_agent="edge",
            **settings,  # type: ignore[arg-type]
        )
    )


def accepted(*headers: tuple[str, str], **settings: int) -> tuple[SessionTimer, Headers]:
    timer = make_timer(**settings)
    return timer, timer.accept(make_request_of("INVITE", headers=headers), 100.0)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        # RFC 4028 table 2, with our choice where it leaves one.
        ([], []),
        ([("Session-Expires", "600")], [("Session-Expires", "600;refresher=uas")]),
        ([("Session-Expires", "600;refresher=uac")], [("Session-Expires", "600;refresher=uas")]),
        ([TIMER], [("Session-Expires", "1800;refresher=uas")]),
        ([TIMER, ("Session-Expires", "600")], [("Session-Expires", "600;refresher=uas")]),
        (
            [TIMER, ("Session-Expires", "600;refresher=uac")],
            [("Session-Expires", "600;refresher=uac"), ("Require", "timer")],
        ),
        (
            [TIMER, ("Session-Expires", "600 ; Refresher=UAS")],
            [("Session-Expires", "600;refresher=uas")],
        ),
    ],
)
def test_2xx_names_the_refresher_of_the_rfcs_table(headers: Headers, expected: Headers) -> None:
    assert accepted(*headers)[1] == expected


def test_compact_forms_count_as_well() -> None:
    _, headers = accepted(("k", "path, Timer"), ("x", "600;refresher=uac"))
    assert headers == [("Session-Expires", "600;refresher=uac"), ("Require", "timer")]


@pytest.mark.parametrize(
    ("headers", "interval"),
    [
        ([("Session-Expires", "7200")], 1800),
        ([("Session-Expires", "7200"), ("Min-SE", "3600")], 3600),
        ([("Session-Expires", "1000"), ("Min-SE", "900")], 1000),
        ([("Min-SE", "3600")], 3600),
        ([("Min-SE", "nonsense")], 1800),
    ],
)
def test_interval_is_never_raised_and_never_lowered_below_the_callers_minimum(
    headers: Headers, interval: int
) -> None:
    timer, _ = accepted(TIMER, *headers)
    assert timer.interval == interval


@pytest.mark.parametrize("value", ["", "soon", "-90", "600;refresher=\x80(", "9" * 30, "30"])
def test_value_that_cannot_be_used_is_taken_for_none(value: str) -> None:
    timer, headers = accepted(("Session-Expires", value))
    assert (timer.interval, headers) == (None, [])


def test_refresher_refreshes_after_half_of_the_interval() -> None:
    timer, _ = accepted(TIMER, ("Session-Expires", "600"))
    assert (timer.is_refresher, timer.refresh_at, timer.expires_at) == (True, 400.0, 668.0)


def test_other_side_ends_the_session_32_seconds_or_a_third_before_its_end() -> None:
    timer, _ = accepted(TIMER, ("Session-Expires", "600;refresher=uac"))
    assert (timer.is_refresher, timer.refresh_at, timer.expires_at) == (False, None, 668.0)
    timer, _ = accepted(TIMER, ("Session-Expires", "90;refresher=uac"))
    assert timer.expires_at == 160.0
    assert not timer.is_expired(159.9)
    assert timer.is_expired(160.0)


def test_request_that_does_not_speak_of_it_ends_the_timer() -> None:
    timer, _ = accepted(TIMER, ("Session-Expires", "600"))
    assert timer.accept(make_request_of("UPDATE"), 200.0) == []
    assert (timer.interval, timer.refresh_at, timer.expires_at) == (None, None, None)


@pytest.mark.parametrize(
    ("value", "interval", "refresh_at"),
    [("600;refresher=uac", 600, 400.0), ("600;refresher=uas", 600, None), ("60", 90, 145.0)],
)
def test_2xx_to_a_request_of_ours_decides(
    value: str, interval: int, refresh_at: float | None
) -> None:
    timer = make_timer()
    request = make_request_of("UPDATE")
    timer.agree(make_response_of(request, 200, headers=[("Session-Expires", value)]), 100.0)
    assert (timer.interval, timer.refresh_at) == (interval, refresh_at)
    timer.agree(make_response_of(request, 200), 200.0)
    assert (timer.interval, timer.expires_at) == (None, None)


def test_422_raises_the_interval_and_is_remembered() -> None:
    timer, _ = accepted(TIMER, ("Session-Expires", "600"))
    assert timer.refresh_headers() == [("Session-Expires", "600;refresher=uac")]
    refusal = make_response_of(make_request_of("UPDATE"), 422, headers=[("Min-SE", "900")])
    assert timer.raise_interval(refusal)
    assert timer.refresh_headers() == [
        ("Session-Expires", "900;refresher=uac"),
        ("Min-SE", "900"),
    ]
    assert timer.expires_at == 668.0
    assert not timer.raise_interval(refusal)
