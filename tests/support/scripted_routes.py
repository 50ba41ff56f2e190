"""A route source without a database: a test decides when queries are answered, and what is lost."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from sip_edge.storage.route_memory import Digest, Problem
from sip_edge.storage.route_source import Batch, Listener
from sip_edge.storage.routes import LookupAnswer, TableState

Rows = dict[str, dict[str, Any]]


class ScriptedSource:
    """Rows that a test commits. A query sees them as they are when it is asked.

    `hold(query)` makes each later query of this kind wait, after it has read its rows, until
    `release(query)`. `is_down` refuses everything; `is_hanging` never answers.
    """

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.is_down = False
        self.is_hanging = False
        self._numbers: Rows = {}
        self._agents: Rows = {}
        self._gates: dict[str, asyncio.Event] = {}
        self._on_change: Callable[[str], None] | None = None
        self._on_lost: Callable[[], None] | None = None

    def commit_number(self, row: dict[str, Any], *, is_told: bool = True) -> None:
        self._numbers[row["phone_number"]] = row
        if is_told:
            self.notify(f"phone_numbers:{row['phone_number']}")

    def commit_agent(self, row: dict[str, Any], *, is_told: bool = True) -> None:
        self._agents[row["id"]] = row
        if is_told:
            self.notify(f"agents:{row['id']}")

    def remove_number(self, phone_number: str, *, is_told: bool = True) -> None:
        del self._numbers[phone_number]
        if is_told:
            self.notify(f"phone_numbers:{phone_number}")

    def remove_agent(self, agent_id: str, *, is_told: bool = True) -> None:
        del self._agents[agent_id]
        if is_told:
            self.notify(f"agents:{agent_id}")

    def notify(self, payload: str) -> None:
        if self._on_change is not None:
            self._on_change(payload)

    def hold(self, query: str) -> None:
        self._gates[query] = asyncio.Event()

    def release(self, query: str) -> None:
        self._gates.pop(query).set()

    def lose_connection(self) -> None:
        assert self._on_lost is not None
        self._on_change = None
        self._on_lost()

    @property
    def is_listened_to(self) -> bool:
        return self._on_change is not None

    @asynccontextmanager
    async def listen(
        self, on_change: Callable[[str], None], on_lost: Callable[[], None]
    ) -> AsyncIterator[Listener]:
        await self._answer("listen")
        self._on_change, self._on_lost = on_change, on_lost
        try:
            yield _ScriptedListener(self)
        finally:
            self._on_change = None

    async def snapshot(self) -> AsyncGenerator[Batch, None]:
        agents, numbers = list(self._agents.values()), list(self._numbers.values())
        await self._answer("snapshot")
        yield Batch(agents=agents)
        yield Batch(numbers=numbers)

    async def numbers(self, phone_numbers: Sequence[str]) -> Sequence[dict[str, Any]]:
        rows = [self._numbers[key] for key in phone_numbers if key in self._numbers]
        if phone_numbers:
            await self._answer("numbers")
        return rows

    async def agents(self, agent_ids: Sequence[str]) -> Sequence[dict[str, Any]]:
        rows = [self._agents[key] for key in agent_ids if key in self._agents]
        if agent_ids:
            await self._answer("agents")
        return rows

    async def digest(self) -> Digest:
        numbers = [row["row_hash"] for row in self._numbers.values()]
        agents = [row["row_hash"] for row in self._agents.values()]
        await self._answer("digest")
        return Digest(len(numbers), sum(numbers), len(agents), sum(agents))

    async def heartbeat(self) -> None:
        await self._answer("heartbeat")

    async def _answer(self, query: str) -> None:
        self.asked.append(query)
        if self.is_hanging:
            await asyncio.Event().wait()
        if self.is_down:
            raise ConnectionRefusedError("connection refused")
        if query in self._gates:
            await self._gates[query].wait()


class _ScriptedListener:
    def __init__(self, source: ScriptedSource) -> None:
        self._source = source

    async def heartbeat(self) -> None:
        await self._source.heartbeat()


class RouteLog:
    """Writes down what a route table tells its observer."""

    def __init__(self) -> None:
        self.answers: list[LookupAnswer] = []
        self.states: list[tuple[TableState, str]] = []
        self.loads: list[int] = []
        self.rows_refreshed = 0
        self.drifts = 0
        self.problems: list[Problem] = []

    def looked_up(self, answer: LookupAnswer) -> None:
        self.answers.append(answer)

    def state_changed(self, state: TableState, reason: str) -> None:
        self.states.append((state, reason))

    def reloaded(self, *, entries: int, seconds: float) -> None:
        self.loads.append(entries)

    def refreshed(self, *, rows: int, seconds: float) -> None:
        self.rows_refreshed += rows

    def drifted(self) -> None:
        self.drifts += 1

    def row_problem(self, problem: Problem) -> None:
        self.problems.append(problem)
