"""A link between two SIP endpoints in virtual time: it loses, repeats and reorders on purpose."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from itertools import count
from typing import TypeVar

from sip_edge.sip.effects import Effect, Noted, Send, SendTo
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.flow import Flow

EffectType = TypeVar("EffectType")

Fate = Callable[[int], Sequence[float]]
"""Of the nth datagram (from 0): when each copy arrives, in seconds from now; none: it is lost."""


@dataclass
class Party:
    """One end. `flow` is what its messages come on; `react` is its application."""

    endpoint: Endpoint
    flow: Flow
    react: Callable[[Effect, float], list[Effect]] = lambda _effect, _now: []
    events: list[tuple[float, Effect]] = field(default_factory=list)

    def seen(self, wanted: type[EffectType]) -> list[EffectType]:
        """What its application was told, of one type."""
        return [effect for _, effect in self.events if isinstance(effect, wanted)]


class SimulatedLink:
    """Carries datagrams between two parties; `step` jumps to whatever happens next."""

    def __init__(self, left: Party, right: Party, fate: Fate = lambda _number: [0.02]) -> None:
        self.now = 0.0
        self.sent = 0
        self._parties = (left, right)
        self._fate = fate
        self._serial = count()
        self._queue: list[tuple[float, int, Party, bytes]] = []
        self._later: list[tuple[float, int, Party, Callable[[float], list[Effect]]]] = []

    def perform(self, party: Party, effects: Sequence[Effect]) -> None:
        """Do what an endpoint asks for."""
        left, right = self._parties
        for effect in effects:
            if isinstance(effect, Send | SendTo):
                self._carry(right if party is left else left, effect.data)
            elif not isinstance(effect, Noted):
                party.events.append((self.now, effect))
                self.perform(party, party.react(effect, self.now))

    def at(self, when: float, party: Party, command: Callable[[float], list[Effect]]) -> None:
        """Have a party's application do something at an instant."""
        heappush(self._later, (when, next(self._serial), party, command))

    def step(self) -> bool:
        """Go on to the next arrival, command or timer; False if nothing will ever happen."""
        instants = [entry[0] for entry in (*self._queue[:1], *self._later[:1])]
        for party in self._parties:
            timeout = party.endpoint.next_timeout()
            if timeout is not None:
                instants.append(timeout)
        if not instants:
            return False
        self.now = max(self.now, min(instants))
        self._deliver()
        for party in self._parties:
            self.perform(party, party.endpoint.handle_timer(self.now))
        return True

    def run(self, until: float) -> None:
        """Step until nothing happens any more, or the time is up."""
        while self.now < until and self.step():
            pass

    def _carry(self, destination: Party, data: bytes) -> None:
        for delay in self._fate(self.sent):
            heappush(self._queue, (self.now + delay, next(self._serial), destination, data))
        self.sent += 1

    def _deliver(self) -> None:
        while self._queue and self._queue[0][0] <= self.now:
            _, _, party, data = heappop(self._queue)
            self.perform(party, party.endpoint.receive_datagram(data, party.flow, self.now))
        while self._later and self._later[0][0] <= self.now:
            _, _, party, command = heappop(self._later)
            self.perform(party, command(self.now))
