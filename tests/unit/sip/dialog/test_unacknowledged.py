"""RFC 3261 13.3.1.4."""

from __future__ import annotations

from support.messages import TCP_FLOW

from sip_edge.sip.dialog.unacknowledged import UnacknowledgedAnswer
from sip_edge.sip.effects import Event, Noted, Send
from sip_edge.sip.timers import DEFAULT_TIMERS


def make_answer(now: float = 0.0) -> UnacknowledgedAnswer:
    sent = Send(b"SIP/2.0 200 OK\r\n\r\n", TCP_FLOW, 200)
    return UnacknowledgedAnswer(sent=sent, carries_offer=False, settings=DEFAULT_TIMERS, now=now)


def test_2xx_is_repeated_at_doubling_intervals_capped_by_t2_over_tcp_too() -> None:
    answer, sent_at = make_answer(), []
    while not answer.is_expired(answer.next_timeout()):
        deadline = answer.next_timeout()
        if answer.handle_timer(deadline):
            sent_at.append(deadline)
    assert sent_at == [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert answer.next_timeout() == 32.0


def test_repetition_is_not_counted_as_a_response_sent_for_the_first_time() -> None:
    repeated = Send(b"SIP/2.0 200 OK\r\n\r\n", TCP_FLOW, 0)
    assert make_answer().handle_timer(0.5) == [repeated, Noted(Event.RETRANSMISSION_SENT)]


def test_nothing_is_repeated_before_t1() -> None:
    assert make_answer(now=10.0).handle_timer(10.4) == []


def test_answer_expires_after_64_t1() -> None:
    answer = make_answer(now=10.0)
    assert (answer.is_expired(41.9), answer.is_expired(42.0)) == (False, True)
