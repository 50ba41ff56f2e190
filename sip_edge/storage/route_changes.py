"""What has changed in PostgreSQL and is not yet in memory, as the notifications say it.

A notification on `sip_edge_routes` is `<table>:<key>,<key>…` or `<table>:*` (see migration 0001).
Anything else, an empty payload included, means that everything may have changed: an older edge
understands a newer database that way, and an operator can force a reload.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

CHANNEL: Final = "sip_edge_routes"

MAX_PENDING_KEYS: Final = 5000
"""Beyond this, one pass over everything is cheaper than fetching key by key."""


@dataclass(frozen=True, slots=True)
class Changes:
    """The keys to fetch again, or everything."""

    numbers: frozenset[str]
    agents: frozenset[str]
    everything: bool


@dataclass(slots=True)
class PendingChanges:
    """Collects what the notifications name until it is taken.

    `generation` counts what was ever added: equal generations before and after a query mean that
    nothing was noticed to change meanwhile.
    """

    numbers: set[str] = field(default_factory=set)
    agents: set[str] = field(default_factory=set)
    everything: bool = False
    generation: int = 0

    def __bool__(self) -> bool:
        return self.everything or bool(self.numbers) or bool(self.agents)

    def add(self, payload: str) -> None:
        """Note what a notification says."""
        self.generation += 1
        table, _, keys = payload.partition(":")
        if table == "phone_numbers" and keys and keys != "*":
            self.numbers.update(keys.split(","))
        elif table == "agents" and keys and keys != "*":
            self.agents.update(keys.split(","))
        else:
            self.add_everything()
        if len(self.numbers) + len(self.agents) > MAX_PENDING_KEYS:
            self.add_everything()

    def add_everything(self) -> None:
        """Note that all rows must be read again."""
        self.generation += 1
        self.everything = True
        self.numbers.clear()
        self.agents.clear()

    def take(self) -> Changes:
        """All that is pending, which is then pending no more."""
        changes = Changes(frozenset(self.numbers), frozenset(self.agents), self.everything)
        self.numbers.clear()
        self.agents.clear()
        self.everything = False
        return changes
