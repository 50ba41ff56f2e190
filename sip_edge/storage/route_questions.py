"""Asking PostgreSQL about single numbers while the memory cannot be relied on.

Questions that are waiting are asked together, in one query at a time: however many calls come in
while the table is stale, PostgreSQL sees one query. A question never joins a query that is already
under way, whose answer may be older than the change that the caller has just seen committed.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from sip_edge.routing.plan import Route
from sip_edge.routing.ports import RoutesUnavailableError
from sip_edge.storage.pool import DATABASE_ERRORS
from sip_edge.storage.route_memory import RouteMemory
from sip_edge.storage.route_source import RouteSource

MAX_WAITING_NUMBERS: Final = 1000
"""More numbers than this are not asked about at once; a flood of calls meets this bound."""

_Answer = Route | str | None
"""The route, None for no such number, or in words why it cannot be known."""


class Questions:
    """Answers questions about numbers as long as `serve` runs."""

    def __init__(self, *, source: RouteSource, timeout_seconds: float) -> None:
        self._source = source
        self._timeout_seconds = timeout_seconds
        self._waiting: dict[str, asyncio.Future[_Answer]] = {}
        self._wake = asyncio.Event()

    async def ask(self, phone_number: str) -> Route | None:
        """What PostgreSQL knows of the number now.

        Raises RoutesUnavailableError if it does not answer in time or too much is being asked.
        """
        future = self._waiting.get(phone_number)
        if future is None:
            if len(self._waiting) >= MAX_WAITING_NUMBERS:
                raise RoutesUnavailableError("too many numbers are being asked about")
            future = asyncio.get_running_loop().create_future()
            self._waiting[phone_number] = future
            self._wake.set()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                # The question may be shared: a caller who leaves must not take it away from others.
                answer = await asyncio.shield(future)
        except TimeoutError as error:
            raise RoutesUnavailableError("PostgreSQL did not answer in time") from error
        if isinstance(answer, str):
            raise RoutesUnavailableError(answer)
        return answer

    async def serve(self) -> None:
        """Answer questions until cancelled."""
        while True:
            await self._wake.wait()
            self._wake.clear()
            asked, self._waiting = self._waiting, {}
            answers = await self._answers(list(asked))
            for phone_number, future in asked.items():
                if isinstance(answers, str):
                    future.set_result(answers)
                else:
                    future.set_result(answers.route(phone_number, is_stale=False))

    async def _answers(self, phone_numbers: Sequence[str]) -> RouteMemory | str:
        """A memory of just these numbers and their agents, or why there is none."""
        answers = RouteMemory()
        try:
            async with asyncio.timeout(self._timeout_seconds):
                numbers = await self._source.numbers(phone_numbers)
                answers.numbers.store(numbers, except_keys=())
                agents = await self._source.agents(answers.named_agents())
                answers.agents.store(agents, except_keys=())
        except DATABASE_ERRORS as error:
            return f"PostgreSQL cannot be asked: {error or type(error).__name__}"
        return answers
