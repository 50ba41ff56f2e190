"""What a request has to pass before it is processed, within a dialog and outside: RFC 3261 8.2.

With RFC 3262, 3311, 3515, 4028, 6086 and 7332 where they add to it.
"""

from __future__ import annotations

import pytest
from support.messages import (
    ANSWER,
    OFFER,
    UDP_FLOW,
    Caller,
    make_endpoint,
    methods,
    of_type,
    only,
    request_bytes,
    responses,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import InfoReceived, InviteReceived, OfferReceived, SessionEnded
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.message import Response

ALLOW = "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK, NOTIFY"
SDP = "application/sdp, multipart/mixed"
KEYS = "application/dtmf-relay, application/dtmf"


def established(caller: Caller) -> Endpoint:
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.0)
    return endpoint


def final(endpoint: Endpoint, data: bytes) -> Response:
    """The one final response to a request."""
    sent = responses(endpoint.receive_datagram(data, UDP_FLOW, 1.0))
    [response] = [response for response in sent if response.status >= 200]
    return response


REFUSALS: list[tuple[str, dict[str, object], int, tuple[str, str] | None]] = [
    # Method, what is odd about it, status, and the header that says what would have been right.
    ("REGISTER", {}, 405, ("Allow", ALLOW)),
    ("REFER", {"headers": [("Refer-To", "<sip:x@192.0.2.1>")]}, 405, ("Allow", ALLOW)),
    ("SUBSCRIBE", {"headers": [("Event", "dialog")]}, 405, ("Allow", ALLOW)),
    ("PUBLISH", {}, 405, ("Allow", ALLOW)),
    ("MESSAGE", {}, 405, ("Allow", ALLOW)),
    ("GREET", {}, 501, ("Allow", ALLOW)),
    ("INVITE", {"uri": "mailto:x@example.com", "body": OFFER}, 416, None),
    ("INVITE", {"max_forwards": 0, "body": OFFER}, 483, None),
    ("OPTIONS", {"max_forwards": 0}, 483, None),
    ("INVITE", {"headers": [("Require", "foo, timer, bar")]}, 420, ("Unsupported", "foo, bar")),
    ("OPTIONS", {"headers": [("Require", "replaces")]}, 420, ("Unsupported", "replaces")),
    ("INVITE", {"content_type": "application/pkcs7-mime", "body": b"x"}, 415, ("Accept", SDP)),
    (
        "INVITE",
        {"headers": [("Content-Encoding", "gzip")], "body": b"x"},
        415,
        ("Accept-Encoding", "identity"),
    ),
    (
        "INVITE",
        {"headers": [("Supported", "timer"), ("Session-Expires", "89")], "body": OFFER},
        422,
        ("Min-SE", "90"),
    ),
]
IDS = [f"{method}-{status}" for method, _, status, _ in REFUSALS]


@pytest.mark.parametrize(("method", "odd", "status", "header"), REFUSALS, ids=IDS)
def test_refusal_outside_a_dialog_says_what_would_have_been_right(
    method: str, odd: dict[str, object], status: int, header: tuple[str, str] | None
) -> None:
    endpoint = make_endpoint()
    data = request_bytes(method, **odd)  # type: ignore[arg-type]
    response = final(endpoint, data)
    assert response.status == status
    assert response.to.tag is not None
    if header is not None:
        assert response.headers.get(header[0]) == header[1]
    settle(endpoint, 1.0)


@pytest.mark.parametrize(("method", "odd", "status", "header"), REFUSALS, ids=IDS)
def test_refusal_within_a_dialog_says_the_same_and_the_call_goes_on(
    method: str, odd: dict[str, object], status: int, header: tuple[str, str] | None
) -> None:
    caller = Caller()
    endpoint = established(caller)
    response = final(endpoint, caller.request(method, **odd))
    assert response.status == status
    if header is not None:
        assert response.headers.get(header[0]) == header[1]
    run_timers(endpoint, 60.0)
    assert final(endpoint, caller.request("OPTIONS")).status == 200
    assert endpoint.sessions == 1


@pytest.mark.parametrize("method", ["UPDATE", "PRACK"])
def test_body_of_update_and_prack_is_inspected_too(method: str) -> None:
    caller = Caller()
    endpoint = established(caller)
    response = final(endpoint, caller.request(method, content_type="text/plain", body=b"x"))
    assert (response.status, response.headers.get("Accept")) == (415, SDP)


def test_update_with_an_interval_that_is_too_short_gets_422() -> None:
    caller = Caller()
    endpoint = established(caller)
    headers = [("Supported", "timer"), ("Session-Expires", "60")]
    response = final(endpoint, caller.request("UPDATE", headers=headers))
    assert (response.status, response.headers.get("Min-SE")) == (422, "90")


def test_short_interval_of_a_proxy_is_no_reason_to_refuse_its_caller() -> None:
    effects = make_endpoint().receive_datagram(
        request_bytes("INVITE", headers=[("Session-Expires", "60")]), UDP_FLOW, 0.0
    )
    only(effects, InviteReceived)


def test_bye_ends_the_call_whatever_hops_it_has_left() -> None:
    caller = Caller()
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request("BYE", max_forwards=0), UDP_FLOW, 1.0)
    assert statuses(effects) == [200]
    only(effects, SessionEnded)


@pytest.mark.parametrize(
    ("values", "status", "header"),
    [
        ({}, 200, None),
        ({"content_type": "application/dtmf-relay", "body": b"Signal=5\r\n"}, 200, None),
        ({"content_type": "Application/DTMF ; x=y", "body": b"5"}, 200, None),
        ({"content_type": "text/plain", "body": b"5"}, 415, ("Accept", KEYS)),
        ({"content_type": "application/isup", "body": b"5"}, 415, ("Accept", KEYS)),
        ({"content_type": None, "body": b"5"}, 415, ("Accept", KEYS)),
        ({"headers": [("Info-Package", "foo")]}, 469, ("Recv-Info", "")),
        (
            {
                "headers": [("Content-Disposition", "signal;handling=optional")],
                "content_type": "application/isup",
                "body": b"x",
            },
            200,
            None,
        ),
    ],
)
def test_info_is_taken_where_it_says_something_that_we_read(
    values: dict[str, object], status: int, header: tuple[str, str] | None
) -> None:
    caller = Caller()
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request("INFO", **values), UDP_FLOW, 1.0)
    [response] = responses(effects)
    assert response.status == status
    if header is not None:
        assert response.headers.get(header[0]) == header[1]
    content_type = str(values.get("content_type", "")).lower()
    has_keys = status == 200 and "dtmf" in content_type
    assert len(of_type(effects, InfoReceived)) == has_keys


@pytest.mark.parametrize("method", ["BYE", "INFO", "UPDATE", "NOTIFY", "PRACK", "INVITE"])
@pytest.mark.parametrize("to_tag", ["nobody", None])
def test_request_without_its_dialog_gets_481(method: str, to_tag: str | None) -> None:
    if (method, to_tag) == ("INVITE", None):
        return  # That is a call.
    endpoint = make_endpoint()
    assert final(endpoint, request_bytes(method, to_tag=to_tag)).status == 481
    settle(endpoint, 1.0)


def test_options_tell_what_we_can_do_wherever_they_are_asked() -> None:
    caller = Caller()
    endpoint = established(caller)
    outside = final(endpoint, request_bytes("OPTIONS", call_id="other", branch="z9hG4bK-other"))
    within = final(endpoint, caller.request("OPTIONS"))
    for response in (outside, within):
        found = [(name, value) for name, value in response.headers if name.startswith(("A", "Su"))]
        assert found == [
            ("Allow", ALLOW),
            ("Supported", "timer, 100rel"),
            ("Accept", SDP),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
        ]


def test_notify_of_a_transfer_gets_200_within_the_dialog_even_after_our_bye() -> None:
    caller = Caller()
    endpoint = established(caller)
    headers = [("Event", "refer"), ("Subscription-State", "active")]
    content = {"content_type": "message/sipfrag", "body": b"SIP/2.0 100 Trying"}
    notify = caller.request("NOTIFY", headers=headers, **content)
    assert final(endpoint, notify).status == 200
    assert methods(endpoint.hang_up(1, 2.0)) == ["BYE"]
    assert final(endpoint, caller.request("NOTIFY", headers=headers, **content)).status == 200


def test_method_is_looked_at_before_a_request_is_taken_for_merged() -> None:
    endpoint = make_endpoint()
    for way in ("1", "2"):
        data = request_bytes("MESSAGE", branch=f"z9hG4bK-way-{way}")
        assert final(endpoint, data).status == 405


@pytest.mark.parametrize(
    ("is_early", "body", "expected"),
    [
        (True, b"", 200),
        (True, OFFER, 500),
        (False, b"", 200),
        (False, OFFER, None),
    ],
)
def test_update_in_early_and_confirmed_dialogs(
    is_early: bool, body: bytes, expected: int | None
) -> None:
    caller = Caller()
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.ring(1, 0.0)
    if not is_early:
        endpoint.answer(1, ANSWER, 0.0)
        endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.0)
    effects = endpoint.receive_datagram(caller.request("UPDATE", body=body), UDP_FLOW, 1.0)
    if expected is None:
        only(effects, OfferReceived)
        effects = endpoint.accept_offer(1, ANSWER, 1.0)
        expected = 200
    [response] = responses(effects)
    assert response.status == expected
    assert ("Retry-After" in response.headers) == (expected == 500)


@pytest.mark.parametrize(
    ("supported", "allow", "refresh"),
    [
        # Telnyx lists timer and UPDATE, Twilio neither; neither asks for an interval.
        ("timer,path", "INVITE,ACK,BYE,CANCEL,OPTIONS,MESSAGE,INFO,UPDATE,REFER,NOTIFY", "UPDATE"),
        ("timer", "ACK,BYE,CANCEL,INVITE,OPTIONS,REFER,NOTIFY", "INVITE"),
        ("path", "ACK,BYE,CANCEL,INVITE,OPTIONS,REFER,NOTIFY", None),
    ],
)
def test_carriers_are_asked_by_what_they_know_and_required_nothing(
    supported: str, allow: str, refresh: str | None
) -> None:
    caller = Caller()
    endpoint = make_endpoint()
    headers = [("Supported", supported), ("Allow", allow)]
    endpoint.receive_datagram(caller.invite(headers=headers), UDP_FLOW, 0.0)
    [answer] = responses(endpoint.answer(1, ANSWER, 0.0))
    endpoint.receive_datagram(caller.ack(), UDP_FLOW, 0.0)
    assert "Require" not in answer.headers
    interval = None if refresh is None else "1800;refresher=uas"
    assert answer.headers.get("Session-Expires") == interval
    happened = run_timers(endpoint, 900.0)
    assert methods([effect for at, effect in happened if at == 900.0]) == (
        [] if refresh is None else [refresh]
    )
    assert endpoint.sessions == 1
