"""Whatever comes in whatever order: one final response, one end, nothing left behind."""

from __future__ import annotations

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import initialize
from support.any_order import AnyOrder
from support.messages import (
    ANSWER,
    CALLER_HOP,
    EDGE,
    OFFER,
    UDP_FLOW,
    make_endpoint,
)
from support.network import Party, SimulatedLink

from sip_edge.sip.effects import (
    Acknowledged,
    AnswerReceived,
    Effect,
    EndCause,
    InviteReceived,
    SessionEnded,
)
from sip_edge.sip.flow import Address, Flow, Transport

SETTINGS = settings(
    max_examples=80,
    stateful_step_count=40,
    deadline=None,
    report_multiple_bugs=False,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TIMERS = ([], ["90;refresher=uac"], ["90"], ["600"])


class AnyOrderWithinACall(AnyOrder):
    """The same, with a call that is there from the beginning: ringing, or answered."""

    @initialize(
        body=st.sampled_from([OFFER, b""]),
        interval=st.sampled_from(TIMERS),
        is_reliable=st.booleans(),
        may_update=st.booleans(),
        is_answered=st.booleans(),
    )
    def begin(
        self,
        body: bytes,
        interval: list[str],
        is_reliable: bool,
        may_update: bool,
        is_answered: bool,
    ) -> None:
        headers = [("Session-Expires", value) for value in interval]
        headers.append(("Supported", "timer" if interval else "path"))
        headers += [("Require", "100rel")] if is_reliable else []
        headers += [("Allow", "INVITE, UPDATE")] if may_update else []
        self.call(body=body, flow=UDP_FLOW, headers=headers)
        self.command(index=0, command="ring")
        if is_answered:
            if is_reliable:
                self.acknowledge_provisional(index=0, body=b"" if body else ANSWER, off_by=0)
            self.command(index=0, command="answer")
            caller = self.callers[0]
            ack = caller.ack(cseq=caller.first_cseq, body=b"" if body else ANSWER)
            self.receive(ack, UDP_FLOW)


AnyOrder.TestCase.settings = SETTINGS
AnyOrderWithinACall.TestCase.settings = SETTINGS
test_any_order_of_events_ends_in_peace = AnyOrder.TestCase
test_any_order_of_events_within_a_call_ends_in_peace = AnyOrderWithinACall.TestCase


FATES = st.lists(
    st.lists(st.sampled_from([0.001, 0.02, 0.3, 0.7]), max_size=3), max_size=24
).filter(lambda fates: sum(not fate for fate in fates) <= 5)


@settings(max_examples=100, deadline=None)
@given(fates=FATES)
def test_call_over_a_bad_link_is_set_up_once_and_torn_down(fates: list[list[float]]) -> None:
    """At most five datagrams are lost, any are repeated, delayed or overtaken.

    The callee refreshes the session every 45 seconds.
    """
    callee = Party(make_endpoint(session_expires=90), UDP_FLOW)
    caller = Party(
        make_endpoint(public_host="198.51.100.7"),
        Flow(Transport.UDP, Address("198.51.100.7", 5060), EDGE, 0),
    )
    link = SimulatedLink(
        caller, callee, lambda number: fates[number] if number < len(fates) else [0.02]
    )

    def answer_calls(effect: Effect, now: float) -> list[Effect]:
        if isinstance(effect, InviteReceived):
            number = effect.session
            link.at(now + 1.0, callee, lambda at: callee.endpoint.ring(number, at))
            link.at(now + 2.0, callee, lambda at: callee.endpoint.answer(number, ANSWER, at))
        return []

    callee.react = answer_calls
    session, effects = caller.endpoint.invite(
        uri="sip:+12025550199@203.0.113.10",
        from_="<sip:+12025550123@198.51.100.7>",
        to="<sip:+12025550199@203.0.113.10>",
        hop=CALLER_HOP,
        sdp=OFFER,
        now=0.0,
    )
    link.perform(caller, effects)
    link.at(400.0, caller, lambda at: caller.endpoint.hang_up(session, at))
    link.run(until=1000.0)

    assert len(callee.seen(InviteReceived)) == 1
    assert len(caller.seen(AnswerReceived)) == 1
    assert len(callee.seen(Acknowledged)) == 1
    assert len(callee.seen(SessionEnded)) == len(caller.seen(SessionEnded)) == 1
    assert callee.seen(SessionEnded)[0].cause is EndCause.BYE_RECEIVED
    for party in (caller, callee):
        assert (party.endpoint.sessions, party.endpoint.transactions) == (0, 0)
        assert party.endpoint.next_timeout() is None
