"""Run a test on the loop of production and on the standard one."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import Callable, Coroutine
from functools import wraps

import pytest
import uvloop


def on_both_loops(test: Callable[..., Coroutine[object, object, None]]) -> Callable[..., None]:
    """Make an asynchronous test a plain one that is run twice, with uvloop and with asyncio."""

    @pytest.mark.parametrize(
        "new_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
    )
    @wraps(test)
    def run(
        *args: object, new_loop: Callable[[], asyncio.AbstractEventLoop], **kwargs: object
    ) -> None:
        with asyncio.Runner(loop_factory=new_loop) as runner:
            runner.run(test(*args, **kwargs))

    # pytest reads the parameters from the signature that `wraps` copies: add the loop to them.
    signature = inspect.signature(test)
    loop = inspect.Parameter("new_loop", inspect.Parameter.KEYWORD_ONLY)
    run.__signature__ = signature.replace(parameters=[*signature.parameters.values(), loop])  # type: ignore[attr-defined]
    return run
