"""How fast work that nobody waits for may be done, and what is not worth another try."""

from __future__ import annotations

from collections import OrderedDict


class Pace:
    """A token bucket: `per_minute` on average, `burst` at once after a rest."""

    def __init__(self, *, per_minute: float, burst: float, now: float) -> None:
        self._per_second = per_minute / 60
        self._burst = burst
        self._tokens = burst
        self._at = now

    def wait_seconds(self, now: float) -> float:
        """How long until the next piece of work may begin; 0 if it may begin now."""
        self._fill(now)
        return max(0.0, (1.0 - self._tokens) / self._per_second)

    def take(self, now: float) -> None:
        """A piece of work begins."""
        self._fill(now)
        self._tokens -= 1.0

    def _fill(self, now: float) -> None:
        self._tokens = min(self._burst, self._tokens + (now - self._at) * self._per_second)
        self._at = now


class Failures:
    """Which keys have failed, how often, and until when they are left alone.

    After `max_attempts` a key rests for `give_up_seconds`, then it has all its attempts again.
    Before that it rests for `retry_seconds`, and four times as long after each further failure.
    """

    def __init__(
        self, *, max_attempts: int, retry_seconds: float, give_up_seconds: float, most: int
    ) -> None:
        self._max_attempts = max_attempts
        self._retry_seconds = retry_seconds
        self._give_up_seconds = give_up_seconds
        self._most = most
        self._known: OrderedDict[str, tuple[int, float]] = OrderedDict()

    def note(self, key: str, now: float) -> float | None:
        """It failed: when to try again, None if it is given up."""
        attempts, _ = self._known.pop(key, (0, 0.0))
        attempts += 1
        is_over = attempts >= self._max_attempts
        if is_over:
            attempts, rest = 0, self._give_up_seconds
        else:
            rest = self._retry_seconds * 4 ** (attempts - 1)
        self._known[key] = (attempts, now + rest)
        while len(self._known) > self._most:
            self._known.popitem(last=False)
        return None if is_over else now + rest

    def is_resting(self, key: str, now: float) -> bool:
        """True if it failed and its time has not come yet."""
        known = self._known.get(key)
        return known is not None and now < known[1]

    def forget(self, key: str) -> None:
        """It succeeded."""
        self._known.pop(key, None)
