"""The routes in memory: numbers, agents, and a digest that PostgreSQL can compute as well.

Pure data: it is told what the rows are and never asks. Agents are joined to a number when a call
comes, so that a change to an agent touches no number.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass
from typing import Generic, TypeVar

from sip_edge.routing.plan import AgentRecord, NumberRecord, Route
from sip_edge.storage.rows import Row, agent_from_row, number_from_row

_Record = TypeVar("_Record", NumberRecord, AgentRecord)


@dataclass(frozen=True, slots=True)
class Digest:
    """How many rows there are, and the sum of their hashes: equal digests, equal contents."""

    numbers: int
    numbers_sum: int
    agents: int
    agents_sum: int


@dataclass(frozen=True, slots=True)
class Problem:
    """A row that cannot be used as it is. `table` is `agents` or `phone_numbers`."""

    table: str
    key: str
    text: str


class Shelf(Generic[_Record]):
    """The records of one table by their key, each with the hash of the row that it was made from.

    The records are outside the garbage collector's sight, and so are dictionaries of strings and
    integers: a full collection sees two objects here, not two hundred thousand.
    """

    __slots__ = (
        "_decode",
        "_hashes",
        "_key_column",
        "_pass",
        "_records",
        "_seen_in_pass",
        "_sum",
        "_table",
    )

    def __init__(self, *, table: str, key_column: str, decode: Callable[[Row], _Record]) -> None:
        self._table = table
        self._key_column = key_column
        self._decode: Callable[[Row], _Record] = decode
        self._records: dict[str, _Record] = {}
        self._hashes: dict[str, int] = {}
        self._sum = 0
        # In which pass each key was last seen. A set for each pass would be built and thrown away
        # with 100,000 strings, which holds the loop up for 15 ms.
        self._seen_in_pass: dict[str, int] = {}
        self._pass = 0

    def __len__(self) -> int:
        return len(self._records)

    @property
    def sum(self) -> int:
        """The sum of the rows' hashes."""
        return self._sum

    def get(self, key: str | None) -> _Record | None:
        """The record of this key, None if there is none."""
        return None if key is None else self._records.get(key)

    def keys(self) -> list[str]:
        """The keys as they are now."""
        return list(self._records)

    def records(self) -> Iterable[_Record]:
        """All records; the shelf must not change meanwhile."""
        return self._records.values()

    def start_pass(self) -> None:
        """From now on all rows are stored once; `drop_unseen` then finds those that are gone."""
        self._pass += 1

    def drop_unseen(self, keys: Iterable[str]) -> None:
        """Forget those of `keys` that were not stored since the pass started."""
        self.drop([key for key in keys if self._seen_in_pass.get(key) != self._pass])

    def store(self, rows: Iterable[Row], *, except_keys: Collection[str]) -> list[Problem]:
        """Take over what is new in `rows`; returns the problems that were not known before.

        A row whose hash is known has not changed and is not decoded again. `except_keys` are left
        as they are: a newer state of these rows is known to exist.
        """
        problems = []
        for row in rows:
            key: str = row[self._key_column]
            row_hash: int = row["row_hash"]
            self._seen_in_pass[key] = self._pass
            known_hash = self._hashes.get(key)
            if known_hash == row_hash or key in except_keys:
                continue
            record = self._decode(row)
            known = self._records.get(key)
            if record.problem and (known is None or known.problem != record.problem):
                problems.append(Problem(self._table, key, record.problem))
            self._records[key] = record
            self._hashes[key] = row_hash
            self._sum += row_hash - (known_hash or 0)
        return problems

    def drop(self, keys: Iterable[str]) -> None:
        """Forget the records of these keys, those that are known."""
        for key in keys:
            self._seen_in_pass.pop(key, None)
            if self._records.pop(key, None) is not None:
                self._sum -= self._hashes.pop(key)


class RouteMemory:
    """All numbers by their E.164 number, all agents by their id."""

    __slots__ = ("agents", "numbers")

    def __init__(self) -> None:
        self.numbers = Shelf(
            table="phone_numbers", key_column="phone_number", decode=number_from_row
        )
        self.agents = Shelf(table="agents", key_column="id", decode=agent_from_row)

    @property
    def digest(self) -> Digest:
        """What PostgreSQL's digest is when the memory equals it."""
        numbers, agents = self.numbers, self.agents
        return Digest(len(numbers), numbers.sum, len(agents), agents.sum)

    def named_agents(self) -> list[str]:
        """The ids of all agents that the numbers name, known or not."""
        named: set[str | None] = set()
        for number in self.numbers.records():
            named |= {number.primary_id, number.fallback_id}
        return sorted(agent for agent in named if agent is not None)

    def route(self, phone_number: str, *, is_stale: bool) -> Route | None:
        """The number joined with its agents, None if there is no such number."""
        number = self.numbers.get(phone_number)
        if number is None:
            return None
        primary = self.agents.get(number.primary_id)
        fallback = self.agents.get(number.fallback_id)
        return Route(number, primary, fallback, is_stale)
