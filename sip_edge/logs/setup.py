"""Sets logging up, for structlog and for what logs through the standard library."""

from __future__ import annotations

import atexit
import logging
import threading
from collections.abc import Sequence
from typing import Final, Literal, Protocol, cast

import structlog
from structlog.typing import FilteringBoundLogger
from typing_extensions import override

from sip_edge.logs.pipeline import Finish, LineLogger, render_console, render_json
from sip_edge.logs.writer import LineWriter

STANDARD_ERROR: Final = 2
"""Standard output belongs to what a command prints."""

_CHATTY: Final = ("uvicorn", "uvicorn.error", "asyncio")
"""Libraries whose INFO lines tell an operator nothing."""


class LogChoices(Protocol):
    """What an operator chooses (`config.LoggingSettings`)."""

    @property
    def format(self) -> Literal["json", "console"]: ...

    @property
    def level(self) -> Literal["debug", "info", "warning", "error"]: ...

    @property
    def full_numbers(self) -> bool: ...


def get_logger(name: str) -> FilteringBoundLogger:
    """A logger whose lines carry `logger=name`; cheap, and usable before `configure_logging`."""
    return cast("FilteringBoundLogger", structlog.get_logger(name))


def configure_logging(
    choices: LogChoices, *, secrets: Sequence[str] = (), fd: int = STANDARD_ERROR
) -> LineWriter:
    """Log to `fd` from now on, without any of `secrets`.

    The writer's `close` is called at exit; call it to end sooner.
    """
    level = logging.getLevelNamesMapping()[choices.level.upper()]
    writer = LineWriter(fd)
    atexit.register(writer.close)
    render = render_json if choices.format == "json" else render_console(fd)

    def logger_named(name: str = "") -> LineLogger:
        return LineLogger(name, writer)

    structlog.configure(
        processors=[Finish(render, full_numbers=choices.full_numbers, secrets=secrets)],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=logger_named,
        cache_logger_on_first_use=False,
    )
    _take_over_standard_logging(level)
    threading.excepthook = _report_dead_thread
    return writer


class _Bridge(logging.Handler):
    """Passes the standard library's records on to structlog."""

    @override
    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except (TypeError, ValueError):
            message = str(record.msg)
        # structlog knows the five usual levels alone.
        level = min(max(record.levelno // 10 * 10, logging.DEBUG), logging.CRITICAL)
        get_logger(record.name).log(level, message, exc_info=record.exc_info)


def _take_over_standard_logging(level: int) -> None:
    root = logging.getLogger()
    root.handlers = [_Bridge()]
    root.setLevel(level)
    for name in _CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))


def _report_dead_thread(failure: threading.ExceptHookArgs) -> None:
    name = "unknown" if failure.thread is None else failure.thread.name
    error = failure.exc_value
    if error is not None and not isinstance(error, SystemExit):
        get_logger("sip_edge.logs").error("thread_failed", thread=name, exc_info=error)
