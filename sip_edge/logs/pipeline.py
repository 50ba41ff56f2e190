"""From a call of a logger to a finished line: JSON for machines, coloured text for people.

One processor does it all, because a line may cost 40 microseconds: a call has two of them.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Callable, MutableMapping, Sequence
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any, Final

import orjson
import structlog

from sip_edge.logs.values import (
    LONGEST_TRACEBACK,
    NUMBER_KEYS,
    OWN_WORDS,
    mask_number,
    mask_text,
    plain,
)
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


REDACTED: Final = b"[secret]"


class Finish:
    """The one processor: makes the values safe, orders the keys, renders the line.

    Nobody logs a secret on purpose; should one of `secrets` be in a line all the same, in an error
    of a library or a message from outside, it is taken out.
    """

    def __init__(self, render: Render, *, full_numbers: bool, secrets: Sequence[str] = ()) -> None:
        self._render = render
        self._masks = not full_numbers
        self._secrets = [secret.encode() for secret in secrets]

    def __call__(
        self, logger: LineLogger, method: str, values: MutableMapping[str, Any]
    ) -> tuple[tuple[bytes], dict[str, Any]]:
        line: Line = {
            "timestamp": datetime.now(UTC).isoformat(timespec="milliseconds"),
            "level": _LEVEL_NAMES.get(method, method),
            "event": self._masked("event", plain(values.pop("event", ""))),
            "logger": logger.name,
        }
        call_id = _call_id.get()
        if call_id is not None:
            line["call_id"] = call_id
        error = values.pop("exc_info", None)
        for key, value in values.items():
            line[key] = self._masked(key, plain(value))
        if error:
            line["exception"] = self._masked("exception", _traceback(error))
        rendered = self._render(line)
        for secret in self._secrets:
            if secret in rendered:
                rendered = rendered.replace(secret, REDACTED)
        return (rendered,), {}

    def _masked(self, key: str, value: Any) -> Any:
        if not self._masks or value is None or key in OWN_WORDS:
            return value
        return mask_number(str(value)) if key in NUMBER_KEYS else mask_text(value)


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
