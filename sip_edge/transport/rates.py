"""How often each source, and all of them together, may do something: token buckets."""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

from sip_edge.transport.sources import limited_as

BURST_SECONDS: Final = 2.0
"""What may come at once: carriers' calls come in bunches, and a stall of ours makes one of them."""
MAX_SOURCES: Final = 4096
"""Sources remembered: hundreds of times what carriers send from, 1 MiB. The one that has been quiet
for longest is forgotten first, and may then begin anew: the rate of all still holds."""


class TokenBucket:
    """Allows `per_second`, and `BURST_SECONDS` of it at once. Times in seconds."""

    __slots__ = ("_at", "_tokens", "per_second")

    def __init__(self, per_second: float, now: float) -> None:
        self.per_second = per_second
        self._tokens = per_second * BURST_SECONDS
        self._at = now

    def take(self, now: float) -> bool:
        """True, and one less left, if there is one."""
        per_second = self.per_second
        elapsed = max(0.0, now - self._at)
        self._tokens = min(self._tokens + elapsed * per_second, per_second * BURST_SECONDS)
        self._at = now
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True


class SourceRates:
    """One bucket a source, and one for all if `per_second` is given."""

    def __init__(
        self,
        *,
        per_second_per_source: float,
        per_second: float | None,
        now: float,
        max_sources: int = MAX_SOURCES,
    ) -> None:
        self._per_source = per_second_per_source
        self._all = None if per_second is None else TokenBucket(per_second, now)
        self._max_sources = max_sources
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()

    def __len__(self) -> int:
        return len(self._buckets)

    def allow(self, source: str, now: float) -> bool:
        """True if `source`, a numeric address, may do it once more now.

        A source over its own rate takes nothing from the others.
        """
        source = limited_as(source)
        bucket = self._buckets.get(source)
        if bucket is None:
            if len(self._buckets) >= self._max_sources:
                self._buckets.popitem(last=False)
            bucket = self._buckets[source] = TokenBucket(self._per_source, now)
        else:
            self._buckets.move_to_end(source)
        return bucket.take(now) and self.allow_any(now)

    def allow_any(self, now: float) -> bool:
        """True if the rate of all allows once more; for sources without a rate of their own."""
        return self._all is None or self._all.take(now)
