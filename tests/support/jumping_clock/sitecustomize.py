"""Lets the wall clock of a Python process jump: put this folder first in its PYTHONPATH.

The seconds in the file that CLOCK_JUMP names are added to every reading of the time of day, by
`time.time` and by `datetime`. The machine's own clock, and the monotonic ones, stay as they are.
"""

from __future__ import annotations

import datetime
import os
import time
from pathlib import Path

_FILE = Path(os.environ["CLOCK_JUMP"])
_time, _time_ns, _datetime = time.time, time.time_ns, datetime.datetime


def _jump() -> float:
    try:
        return float(_FILE.read_text())
    except (OSError, ValueError):
        return 0.0


class _Meta(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _datetime)


class _JumpingDatetime(_datetime, metaclass=_Meta):
    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> _datetime:  # type: ignore[override]
        return _datetime.now(tz) + datetime.timedelta(seconds=_jump())

    @classmethod
    def utcnow(cls) -> _datetime:  # type: ignore[override]
        return cls.now(datetime.UTC).replace(tzinfo=None)


time.time = lambda: _time() + _jump()
time.time_ns = lambda: _time_ns() + int(_jump() * 1e9)
datetime.datetime = _JumpingDatetime  # type: ignore[misc]
