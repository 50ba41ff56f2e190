"""Identifiers that can be foreseen: each kind counts by itself."""

from __future__ import annotations

from itertools import count


class CountingIds:
    """tag-1, tag-2...; z9hG4bK-edge-1...; call-edge-1...; 1, 2...: an `IdSource`."""

    def __init__(self, name: str = "edge") -> None:
        self._name = name
        self._tags = count(1)
        self._branches = count(1)
        self._call_ids = count(1)
        self._numbers = count(1)

    def tag(self) -> str:
        return f"{self._name}-tag-{next(self._tags)}"

    def branch(self) -> str:
        return f"z9hG4bK-{self._name}-{next(self._branches)}"

    def call_id(self) -> str:
        return f"call-{self._name}-{next(self._call_ids)}"

    def number(self) -> int:
        return next(self._numbers)
