"""Within a dialog: RFC 3261 12.2.2, section 15; RFC 6086; OPTIONS and NOTIFY."""

from __future__ import annotations

import pytest
from support.messages import (
    ANSWER,
    EDGE,
    TCP_FLOW,
    UDP_FLOW,
    Caller,
    make_endpoint,
    methods,
    of_type,
    only,
    requests,
    response_bytes,
    responses,
    run_timers,
    settle,
    statuses,
)

from sip_edge.sip.effects import (
    EndCause,
    Event,
    InfoReceived,
    Noted,
    ResponseReceived,
    SendTo,
    SessionEnded,
)
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.flow import Address, Flow, Transport
from sip_edge.sip.message import Request


def established(caller: Caller, **values: object) -> Endpoint:
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(**values), caller.flow, 0.0)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.ack(), caller.flow, 0.0)
    return endpoint


def hung_up(caller: Caller) -> tuple[Endpoint, Request]:
    endpoint = established(caller)
    [bye] = requests(endpoint.hang_up(1, 1.0))
    return endpoint, bye


def test_bye_gets_200_and_ends_the_call_with_its_reason() -> None:
    caller = Caller()
    endpoint = established(caller)
    reason = 'Q.850;cause=16;text="Normal call clearing"'
    bye = caller.request("BYE", headers=[("Reason", reason)])
    effects = endpoint.receive_datagram(bye, UDP_FLOW, 5.0)
    assert statuses(effects) == [200]
    assert only(effects, SessionEnded) == SessionEnded(1, EndCause.BYE_RECEIVED, reason)
    settle(endpoint, 5.0)


def test_repeated_bye_is_answered_again_and_ends_nothing_more() -> None:
    caller = Caller()
    endpoint = established(caller)
    bye = caller.request("BYE")
    endpoint.receive_datagram(bye, UDP_FLOW, 5.0)
    effects = endpoint.receive_datagram(bye, UDP_FLOW, 5.5)
    assert statuses(effects) == [200]
    assert of_type(effects, SessionEnded) == []


def test_second_bye_with_another_number_gets_481() -> None:
    caller = Caller()
    endpoint = established(caller)
    endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 5.0)
    effects = endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 5.5)
    assert statuses(effects) == [481]
    assert Noted(Event.UNKNOWN_DIALOG) in effects


@pytest.mark.parametrize("method", ["INVITE", "INFO", "OPTIONS", "UPDATE", "NOTIFY"])
@pytest.mark.parametrize("cseq", [9, 10])
def test_in_dialog_request_with_a_number_that_is_not_higher_gets_500(
    method: str, cseq: int
) -> None:
    caller = Caller(cseq=10)
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request(method, cseq=cseq), UDP_FLOW, 1.0)
    assert statuses(effects) == [500]
    assert endpoint.sessions == 1


def test_number_may_leave_a_gap() -> None:
    caller = Caller()
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request("INFO", cseq=1000), UDP_FLOW, 1.0)
    assert statuses(effects) == [200]


def test_bye_ends_the_call_whatever_its_number() -> None:
    caller = Caller(cseq=29044)
    endpoint = established(caller)
    effects = endpoint.receive_datagram(caller.request("BYE", cseq=1), UDP_FLOW, 1.0)
    assert statuses(effects) == [200]
    assert only(effects, SessionEnded).cause is EndCause.BYE_RECEIVED


def test_info_gets_200_and_is_handed_on() -> None:
    caller = Caller()
    endpoint = established(caller)
    info = caller.request("INFO", content_type="application/dtmf-relay", body=b"Signal=5\r\n")
    effects = endpoint.receive_datagram(info, UDP_FLOW, 1.0)
    assert statuses(effects) == [200]
    assert only(effects, InfoReceived).request.body == b"Signal=5\r\n"


def test_info_with_a_package_that_was_not_agreed_upon_gets_469() -> None:
    caller = Caller()
    endpoint = established(caller)
    info = caller.request("INFO", headers=[("Info-Package", "g.3gpp.mid-call")])
    effects = endpoint.receive_datagram(info, UDP_FLOW, 1.0)
    [response] = responses(effects)
    assert (response.status, response.headers.get("Recv-Info")) == (469, "")
    assert of_type(effects, InfoReceived) == []


def test_options_within_the_dialog_say_what_we_can_do() -> None:
    caller = Caller()
    endpoint = established(caller)
    [response] = responses(endpoint.receive_datagram(caller.request("OPTIONS"), UDP_FLOW, 1.0))
    assert response.status == 200
    assert response.headers.get("Accept") == "application/sdp, multipart/mixed"
    assert "Allow" in response.headers
    assert response.headers.get("Supported") == "timer, 100rel"


def test_notify_within_the_dialog_gets_200() -> None:
    caller = Caller()
    endpoint = established(caller)
    notify = caller.request("NOTIFY", headers=[("Event", "refer")])
    assert statuses(endpoint.receive_datagram(notify, UDP_FLOW, 1.0)) == [200]


@pytest.mark.parametrize(("method", "status"), [("REFER", 405), ("MESSAGE", 405), ("FOO", 501)])
def test_other_methods_within_the_dialog_are_refused_with_allow(method: str, status: int) -> None:
    caller = Caller()
    endpoint = established(caller)
    [response] = responses(endpoint.receive_datagram(caller.request(method), UDP_FLOW, 1.0))
    assert response.status == status
    assert "Allow" in response.headers


def test_method_that_settings_allow_but_nobody_handles_gets_501() -> None:
    caller = Caller()
    endpoint = make_endpoint(allow=("INVITE", "ACK", "BYE", "PUBLISH"))
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    effects = endpoint.receive_datagram(caller.request("PUBLISH"), UDP_FLOW, 0.1)
    assert statuses(effects) == [501]


def test_required_extension_within_the_dialog_gets_420() -> None:
    caller = Caller()
    endpoint = established(caller)
    info = caller.request("INFO", headers=[("Require", "foo")])
    [response] = responses(endpoint.receive_datagram(info, UDP_FLOW, 1.0))
    assert (response.status, response.headers.get("Unsupported")) == (420, "foo")


def test_re_invite_with_an_unknown_body_gets_415() -> None:
    caller = Caller()
    endpoint = established(caller)
    invite = caller.request("INVITE", content_type="text/plain", body=b"hello")
    [response] = responses(endpoint.receive_datagram(invite, UDP_FLOW, 1.0))
    assert (response.status, response.headers.get("Accept")) == (
        415,
        "application/sdp, multipart/mixed",
    )


def test_bye_of_the_peer_that_crosses_ours_gets_200() -> None:
    caller = Caller()
    endpoint, _ = hung_up(caller)
    effects = endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 1.1)
    assert statuses(effects) == [200]
    assert of_type(effects, SessionEnded) == []


def test_notify_after_our_bye_gets_200_and_others_481() -> None:
    caller = Caller()
    endpoint, _ = hung_up(caller)
    answers = [
        statuses(endpoint.receive_datagram(caller.request(method), UDP_FLOW, 1.1))
        for method in ("NOTIFY", "INVITE", "INFO")
    ]
    assert answers == [[200], [481], [481]]


@pytest.mark.parametrize("status", [200, 408, 481, 603])
def test_any_final_response_to_our_bye_lets_the_session_be_forgotten(status: int) -> None:
    endpoint, bye = hung_up(Caller())
    assert endpoint.sessions == 1
    assert endpoint.receive_datagram(response_bytes(bye, status), UDP_FLOW, 1.2) == []
    assert endpoint.sessions == 0
    settle(endpoint, 1.2)


def test_our_bye_is_repeated_until_64_t1() -> None:
    endpoint, _ = hung_up(Caller())
    sent_at = [at for at, effect in run_timers(endpoint, 50.0) if isinstance(effect, SendTo)]
    assert sent_at[:5] == [1.5, 2.5, 4.5, 8.5, 12.5]
    settle(endpoint, 50.0)


def test_bye_that_cannot_be_sent_lets_the_session_be_forgotten() -> None:
    endpoint = established(Caller())
    key = only(endpoint.hang_up(1, 1.0), SendTo).key
    assert endpoint.send_failed(key, 1.1) == []
    settle(endpoint, 1.1)


def test_request_of_the_application_is_sent_and_its_response_handed_on() -> None:
    endpoint = established(Caller())
    effects = endpoint.send_request(1, "INFO", 1.0, headers=[("X-Y", "z")], body=b"hi")
    [info] = requests(effects)
    assert (info.method, info.headers.get("X-Y"), info.body) == ("INFO", "z", b"hi")
    effects = endpoint.receive_datagram(response_bytes(info, 200), UDP_FLOW, 1.1)
    assert only(effects, ResponseReceived).response.status == 200
    assert endpoint.sessions == 1


@pytest.mark.parametrize("status", [408, 481])
def test_408_or_481_to_a_request_within_the_dialog_ends_the_call(status: int) -> None:
    endpoint = established(Caller())
    [info] = requests(endpoint.send_request(1, "INFO", 1.0))
    effects = endpoint.receive_datagram(response_bytes(info, status), UDP_FLOW, 1.1)
    assert only(effects, SessionEnded) == SessionEnded(1, EndCause.PEER_GONE, None)
    settle(endpoint, 1.1)


def test_late_481_after_the_end_ends_nothing_more() -> None:
    endpoint = established(Caller())
    [info] = requests(endpoint.send_request(1, "INFO", 1.0))
    endpoint.hang_up(1, 1.1)
    effects = endpoint.receive_datagram(response_bytes(info, 481), UDP_FLOW, 1.2)
    assert of_type(effects, SessionEnded) == []
    settle(endpoint, 1.2)


def test_request_without_any_response_ends_the_call() -> None:
    endpoint = established(Caller())
    endpoint.send_request(1, "OPTIONS", 1.0)
    happened = run_timers(endpoint, 33.0)
    assert happened[-1] == (33.0, SessionEnded(1, EndCause.PEER_GONE, None))


def test_request_is_not_sent_before_the_answer_nor_after_the_end() -> None:
    caller = Caller()
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    assert endpoint.send_request(1, "INFO", 0.1) == []
    endpoint, _ = hung_up(Caller())
    assert endpoint.send_request(1, "INFO", 1.1) == []


def test_peer_is_reached_by_the_connection_of_its_last_request() -> None:
    caller = Caller(flow=TCP_FLOW)
    endpoint = established(caller)
    newer = Flow(Transport.TCP, EDGE, Address("198.51.100.7", 50000), 9)
    endpoint.receive_datagram(caller.request("INFO"), newer, 1.0)
    assert only(endpoint.hang_up(1, 2.0), SendTo).flow == newer


def test_bye_before_the_ack_stops_the_repetition_of_the_answer() -> None:
    caller = Caller()
    endpoint = make_endpoint()
    endpoint.receive_datagram(caller.invite(), UDP_FLOW, 0.0)
    endpoint.answer(1, ANSWER, 0.0)
    endpoint.receive_datagram(caller.request("BYE"), UDP_FLOW, 0.1)
    assert methods([e for _, e in run_timers(endpoint, 100.0)]) == []
    assert statuses([e for _, e in run_timers(endpoint, 100.0)]) == []
    settle(endpoint, 100.0)
