"""From a call of a logger to a finished line: JSON for machines, coloured text for people.

One processor does it all, because a line may cost 40 microseconds: a call has two of them.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, MutableMapping
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog

from sip_edge.logs.values import LONGEST_TRACEBACK, NUMBER_KEYS, mask_number, plain
from sip_edge.logs.writer import LineWriter

Line = dict[str, Any]
Render = Callable[[Line], bytes]

_call_id: ContextVar[str | None] = ContextVar("call_id", default=None)

_LEVEL_NAMES: Final = {"warn": "warning", "exception": "error", "msg": "info"}


def bind_call(call_id: str) -> None:
    """Put `call_id` on every line that the current task, and what it starts, will log."""
    _call_id.set(call_id)


class LineLogger:
    """What structlog hands finished lines to: one method for each level."""

    def __init__(self, name: str, writer: LineWriter) -> None:
        self.name = name
        self._writer = writer

    def debug(self, line: bytes) -> None:
        self._writer.write(line, is_urgent=False)

    info = debug
    warning = debug

    def error(self, line: bytes) -> None:
        self._writer.write(line, is_urgent=True)

    critical = error


class Finish:
    """The one processor: makes the values safe, orders the keys, renders the line."""

    def __init__(self, render: Render, *, full_numbers: bool) -> None:
        self._render = render
        self._masked = frozenset() if full_numbers else NUMBER_KEYS

    def __call__(
        self, logger: LineLogger, method: str, values: MutableMapping[str, Any]
    ) -> tuple[tuple[bytes], dict[str, Any]]:
        line: Line = {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": _LEVEL_NAMES.get(method, method),
            "event": plain(values.pop("event", "")),
            "logger": logger.name,
        }
        call_id = _call_id.get()
        if call_id is not None:
            line["call_id"] = call_id
        error = values.pop("exc_info", None)
        for key, value in values.items():
            line[key] = plain(value)
            if key in self._masked and value is not None:
                line[key] = mask_number(str(line[key]))
        if error:
            line["exception"] = _traceback(error)
        return (self._render(line),), {}


def render_json(line: Line) -> bytes:
    """One JSON object and a newline."""
    try:
        return orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE)
    except TypeError:  # What orjson cannot write: an integer beyond 64 bits.
        texts = {key: str(value) for key, value in line.items()}
        return orjson.dumps(texts, option=orjson.OPT_APPEND_NEWLINE)


def render_console(fd: int) -> Render:
    """Aligned text, in colour if `fd` is a terminal."""
    renderer = structlog.dev.ConsoleRenderer(colors=os.isatty(fd), sort_keys=False)

    def render(line: Line) -> bytes:
        return f"{renderer(None, '', line)}\n".encode(errors="backslashreplace")

    return render


def _traceback(error: object) -> str:
    """The end of a traceback, which says what happened; only its newlines are left as they are."""
    if error is True:
        text = traceback.format_exc()
    elif isinstance(error, BaseException):
        text = "".join(traceback.format_exception(error))
    elif isinstance(error, tuple):
        text = "".join(traceback.format_exception(*error))
    else:
        return ""
    lines = text[-LONGEST_TRACEBACK:].rstrip().split("\n")
    return "\n".join(plain(line) for line in lines)
