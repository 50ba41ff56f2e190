"""How much one key may ask: a bucket of tokens for each, that fills up again."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

MOST_KEYS: Final = 10_000
"""Buckets kept; the one that was not used for longest goes first, and was full by then."""


@dataclass(slots=True)
class _Bucket:
    tokens: float
    at: float


class RateLimit:
    """`per_minute` requests a minute for each key, a sixth of them at once. Clock in seconds."""

    def __init__(self, *, per_minute: int, clock: Callable[[], float]) -> None:
        self._per_second = per_minute / 60
        self._most = max(1.0, per_minute / 6)
        self._clock = clock
        self._buckets: OrderedDict[UUID, _Bucket] = OrderedDict()

    def wait_seconds(self, key: UUID) -> float:
        """0 if the request may pass, which counts it; else how long until the next one may."""
        now = self._clock()
        bucket = self._buckets.get(key)
        if bucket is None:
            bucket = self._buckets[key] = _Bucket(self._most, now)
            if len(self._buckets) > MOST_KEYS:
                self._buckets.popitem(last=False)
        else:
            self._buckets.move_to_end(key)
        bucket.tokens = min(self._most, bucket.tokens + (now - bucket.at) * self._per_second)
        bucket.at = now
        if bucket.tokens >= 1:
            bucket.tokens -= 1
            return 0.0
        return (1 - bucket.tokens) / self._per_second
