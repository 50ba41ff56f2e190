"""The routes of all numbers, answered from memory.

As long as the memory equals PostgreSQL a call is answered with no query, known number or not. While
the connection is lost, known numbers are still answered from memory (`is_stale`), and unknown ones
are asked about. While everything is being read again because too much changed at once, all numbers
are asked about, and memory is the second choice.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from enum import Enum
from typing import Final, Protocol

from sip_edge.routing.plan import Route, VoicemailMessage
from sip_edge.routing.policy import voicemail_message
from sip_edge.routing.ports import Clock, RoutesUnavailableError
from sip_edge.storage.route_keeper import (
    STANDARD_SETTINGS,
    KeeperObserver,
    RouteKeeper,
    RouteTableSettings,
    TableState,
)
from sip_edge.storage.route_memory import RouteMemory
from sip_edge.storage.route_questions import Questions
from sip_edge.storage.route_source import RouteSource

__all__ = [
    "STANDARD_SETTINGS",
    "LookupAnswer",
    "RouteObserver",
    "RouteTable",
    "RouteTableSettings",
    "TableState",
]


MESSAGES_SLICE: Final = 200
"""Numbers looked at between two looks at the event loop: about 1 ms."""


class LookupAnswer(Enum):
    """Where the answer to a look-up came from."""

    HIT = "hit"
    MISS = "miss"
    STALE_HIT = "stale_hit"
    ASKED_HIT = "asked_hit"
    ASKED_MISS = "asked_miss"
    UNAVAILABLE = "unavailable"


class RouteObserver(KeeperObserver, Protocol):
    """Told of look-ups as well. Must return at once and never raise."""

    def looked_up(self, answer: LookupAnswer) -> None:
        """A look-up was answered."""
        ...


class RouteTable:
    """Knows which way each number's calls go: implements `routing.ports.NumberDirectory`.

    `run` keeps it fresh and must run as long as the table is used.
    """

    def __init__(
        self,
        *,
        source: RouteSource,
        observer: RouteObserver,
        clock: Clock,
        settings: RouteTableSettings,
    ) -> None:
        self._observer = observer
        self._memory = RouteMemory()
        self._keeper = RouteKeeper(
            memory=self._memory, source=source, observer=observer, clock=clock, settings=settings
        )
        self._questions = Questions(source=source, timeout_seconds=settings.ask_timeout_seconds)

    @property
    def state(self) -> TableState:
        """Whether the memory can be relied on."""
        return self._keeper.state

    @property
    def reason(self) -> str:
        """Why the table is not live, in words; empty if it is."""
        return self._keeper.reason

    @property
    def entries(self) -> int:
        """How many numbers are known."""
        return len(self._memory.numbers)

    @property
    def age_seconds(self) -> float | None:
        """How long ago the memory was last known to equal PostgreSQL; None before it did."""
        return self._keeper.age_seconds

    async def wait_loaded(self) -> None:
        """Return once all routes have been loaded for the first time."""
        await self._keeper.wait_loaded()

    async def run(self) -> None:
        """Keep the table fresh and answer questions until cancelled; outages are lived through."""
        async with asyncio.TaskGroup() as group:
            group.create_task(self._questions.serve(), name="route-questions")
            group.create_task(self._keeper.run(), name="route-keeper")

    async def lookup(self, phone_number: str) -> Route | None:
        """See NumberDirectory.lookup: no query and no waiting while the table is live."""
        if self._keeper.is_current:
            route = self._memory.route(phone_number, is_stale=False)
            self._observer.looked_up(LookupAnswer.MISS if route is None else LookupAnswer.HIT)
            return route
        known = self._memory.route(phone_number, is_stale=True)
        if known is not None and self._keeper.state is not TableState.LIVE:
            self._observer.looked_up(LookupAnswer.STALE_HIT)
            return known
        return await self._ask(phone_number, known)

    async def voicemail_messages(self) -> AsyncIterator[VoicemailMessage]:
        """The message of each number that has one, in slices that do not hold up the loop.

        What changes meanwhile may be missed: whoever needs all asks again after a change.
        """
        for index, phone_number in enumerate(self._memory.numbers.keys()):
            route = self._memory.route(phone_number, is_stale=False)
            message = None if route is None else voicemail_message(route)
            if message is not None:
                yield message
            if index % MESSAGES_SLICE == MESSAGES_SLICE - 1:
                await asyncio.sleep(0)

    async def _ask(self, phone_number: str, known: Route | None) -> Route | None:
        """What PostgreSQL says, else what is known."""
        try:
            route = await self._questions.ask(phone_number)
        except RoutesUnavailableError:
            if known is None:
                self._observer.looked_up(LookupAnswer.UNAVAILABLE)
                raise
            self._observer.looked_up(LookupAnswer.STALE_HIT)
            return known
        answer = LookupAnswer.ASKED_MISS if route is None else LookupAnswer.ASKED_HIT
        self._observer.looked_up(answer)
        return route
