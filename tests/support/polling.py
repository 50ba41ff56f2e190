"""Waiting for something in another process, without guessing how long it takes."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

PATIENCE_SECONDS = 20.0
"""Far beyond what anything here needs, so that a slow machine fails no test."""

Value = TypeVar("Value")


async def eventually(
    probe: Callable[[], Value | Awaitable[Value]],
    is_right: Callable[[Value], bool] = bool,
    *,
    what: str,
    seconds: float = PATIENCE_SECONDS,
) -> Value:
    """The first value of `probe` that `is_right`; AssertionError with the last one if none is."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        value = probe()
        if isinstance(value, Awaitable):
            value = await value
        if is_right(value):
            return value
        if asyncio.get_running_loop().time() > deadline:
            raise AssertionError(f"{what}: still {value!r} after {seconds:g} s")
        await asyncio.sleep(0.05)
