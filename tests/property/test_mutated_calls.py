"""Calls with mutated messages in them: each is answered once, nothing is raised, none stays."""

from __future__ import annotations

from collections import Counter

from hypothesis import given, settings
from hypothesis import strategies as st
from support.messages import ANSWER, UDP_FLOW, Caller, make_endpoint, of_type, run_timers
from support.sip_mutations import Mutator

from sip_edge.sip.effects import Effect, InviteReceived, OfferReceived, Send, SessionEnded
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.parser import ParseError, parse_message

METHODS = ("BYE", "INVITE", "UPDATE", "INFO", "OPTIONS", "ACK", "CANCEL", "PRACK", "NOTIFY")

steps = st.lists(
    st.tuples(
        st.sampled_from(["invite", "cancel", "ack", "request"]),
        st.sampled_from(METHODS),
        st.booleans(),
        st.sampled_from([0.0, 0.1, 1.0, 40.0]),
    ),
    min_size=1,
    max_size=12,
)


class Application:
    """Answers, rings for or refuses each call, as it is told; counts what happened to which."""

    def __init__(self, endpoint: Endpoint, decisions: list[str]) -> None:
        self._endpoint = endpoint
        self._decisions = decisions
        self.begun: Counter[int] = Counter()
        self.ended: Counter[int] = Counter()
        self.refused: set[int] = set()
        self.finals: dict[tuple[str, str | None, str], set[int]] = {}

    def take(self, effects: list[Effect], now: float) -> None:
        """Look at effects, react to them, look at those that follow."""
        for effect in effects:
            if isinstance(effect, Send) and effect.status >= 200:
                self._note(effect.data)
        for invite in of_type(effects, InviteReceived):
            self.begun[invite.session] += 1
            self.take(self._decide(invite.session, now), now)
        for offer in of_type(effects, OfferReceived):
            self.take(self._endpoint.accept_offer(offer.session, ANSWER, now), now)
        for end in of_type(effects, SessionEnded):
            self.ended[end.session] += 1

    def _note(self, data: bytes) -> None:
        try:
            message = parse_message(data)
        except ParseError:
            return  # A 400 has to repeat what was wrong.
        if message.to.tag:
            key = (message.call_id, message.to.tag, str(message.cseq))
            self.finals.setdefault(key, set()).add(int(data.split(b" ", 2)[1]))

    def _decide(self, session: int, now: float) -> list[Effect]:
        decision = self._decisions[sum(self.begun.values()) % len(self._decisions)]
        if decision == "reject":
            self.refused.add(session)
            return self._endpoint.reject(session, 486, now)
        effects = self._endpoint.ring(session, now) if decision == "ring" else []
        return effects + self._endpoint.answer(session, ANSWER, now)


@given(
    st.integers(0, 2**32),
    steps,
    st.lists(st.sampled_from(["answer", "reject", "ring"]), min_size=1, max_size=3),
)
@settings(max_examples=200, deadline=None)
def test_calls_of_mutated_messages_are_each_answered_once_and_leave_nothing(
    seed: int, script: list[tuple[str, str, bool, float]], decisions: list[str]
) -> None:
    endpoint, mutator, caller, now = make_endpoint(), Mutator(seed), Caller(), 0.0
    application = Application(endpoint, decisions)
    application.take(endpoint.receive_datagram(caller.invite(), UDP_FLOW, now), now)
    for kind, method, is_mutated, seconds in script:
        match kind:
            case "invite":
                data = caller.invite()
            case "cancel":
                data = caller.cancel()
            case "ack":
                data = caller.ack()
            case _:
                data = caller.request(method)
        if is_mutated:
            _, data = mutator.mutate(data)
        application.take(endpoint.receive_datagram(data, UDP_FLOW, now), now)
        now += seconds
        for at, effect in run_timers(endpoint, now):
            application.take([effect], at)
    for session in application.begun:
        application.take(endpoint.hang_up(session, now), now)
    for at, effect in run_timers(endpoint, now + 1000.0):
        application.take([effect], at)
    assert set(application.begun.values()) <= {1}
    assert set(application.ended.values()) <= {1}
    assert all(len(statuses) == 1 for statuses in application.finals.values())
    assert (endpoint.sessions, endpoint.transactions, endpoint.next_timeout()) == (0, 0, None)
