"""A loop whose clock jumps: hours of waiting take no time, and instants are exact."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

_Result = TypeVar("_Result")


class _JumpingSelector(selectors.SelectSelector):
    """Instead of waiting, moves its loop's clock to the next timer."""

    loop: VirtualTimeLoop

    def select(self, timeout: float | None = None) -> list[Any]:
        ready = super().select(0)
        if ready:
            return ready
        if timeout is None:
            raise RuntimeError("the test waits for something that will never happen")
        self.loop.clock += timeout
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """`clock` is what `time()` returns; it moves only when there is nothing else to do."""

    BEGIN = 1000.0

    def __init__(self) -> None:
        selector = _JumpingSelector()
        super().__init__(selector)
        selector.loop = self
        self.clock = self.BEGIN
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self.clock


def run(coroutine: Coroutine[Any, Any, _Result]) -> _Result:
    """Run a coroutine to its end on a loop of its own with virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(coroutine)
