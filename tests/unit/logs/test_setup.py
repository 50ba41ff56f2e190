"""Logging as a whole: what comes out of the file descriptor."""

from __future__ import annotations

import asyncio
import json
import logging
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import structlog

from sip_edge.config import LoggingSettings
from sip_edge.logs import bind_call, configure_logging, get_logger

Start = Callable[[LoggingSettings], None]
Read = Callable[[], str]


@pytest.fixture
def log(tmp_path: Path) -> Iterator[tuple[Start, Read]]:
    """Start logging into a file; read what was written. All that was set up is undone."""
    root = logging.getLogger()
    before = root.handlers[:], root.level, threading.excepthook
    path = tmp_path / "log"
    fd = os.open(path, os.O_WRONLY | os.O_CREAT)
    writers = []

    def start(settings: LoggingSettings) -> None:
        writers.append(configure_logging(settings, fd=fd))

    def read() -> str:
        writers[-1].flush(10)
        return path.read_text()

    yield start, read
    for writer in writers:
        writer.close()
    os.close(fd)
    structlog.reset_defaults()
    root.handlers, root.level, threading.excepthook = before


def _lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


def test_line_is_one_json_object(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings())

    get_logger("sip_edge.app").info("routes_loaded", count=3, seconds=0.25)

    [line] = _lines(read())
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "routes_loaded",
        "logger": "sip_edge.app",
        "count": 3,
        "seconds": 0.25,
    }


def test_lines_below_the_level_are_not_written(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings(level="warning"))
    logger = get_logger("x")

    logger.debug("a")
    logger.info("b")
    logger.warning("c")
    logger.error("d")

    assert [line["event"] for line in _lines(read())] == ["c", "d"]


def test_numbers_are_masked_under_the_keys_of_numbers(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings())

    get_logger("x").info("e", called_number="+12025550123", caller="Ann <tel:+12025550124>", n=None)

    [line] = _lines(read())
    assert line["called_number"] == "+1202*****23"
    assert line["caller"] == "Ann <tel:+1202*****24>"


def test_numbers_are_written_in_full_when_that_was_chosen(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings(full_numbers=True))

    get_logger("x").info("e", called_number="+12025550123", caller_number=None)

    [line] = _lines(read())
    assert (line["called_number"], line["caller_number"]) == ("+12025550123", None)


def test_remote_text_cannot_forge_a_line(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings(format="console"))

    get_logger("x").warning("bad\nevent", user_agent="x\n2026-01-01 error forged", raw=b"\x1b[2J")

    text = read()
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_console_line_is_readable(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings(format="console"))

    get_logger("sip_edge.app").info("listening", transport="udp", port=5060)

    text = read()
    assert "listening" in text
    assert "transport=udp" in text
    assert "port=5060" in text


@pytest.mark.asyncio
async def test_each_task_logs_the_id_of_its_own_call(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings())

    async def serve(call_id: str) -> None:
        bind_call(call_id)
        await asyncio.sleep(0)
        get_logger("x").info("served")

    await asyncio.gather(serve("one"), serve("two"))
    get_logger("x").info("outside")

    assert [line.get("call_id") for line in _lines(read())] == ["one", "two", None]


def test_exception_is_written_with_its_traceback(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings())

    try:
        raise ValueError("no such agent\x1b[2J")
    except ValueError:
        get_logger("x").exception("failed")
    get_logger("x").error("failed", exc_info=KeyError("given"))

    first, second = _lines(read())
    assert first["level"] == "error"
    assert first["exception"].startswith("Traceback")
    assert first["exception"].endswith("ValueError: no such agent\\x1b[2J")
    assert second["exception"] == "KeyError: 'given'"


def test_value_that_json_cannot_hold_is_written_as_text(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings())

    get_logger("x").info("e", huge=1 << 80, error=OSError(111, "refused"))

    [line] = _lines(read())
    assert line["huge"] == str(1 << 80)
    assert line["error"] == "[Errno 111] refused"


def test_standard_library_logs_in_the_same_form(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings())

    logging.getLogger("asyncio").warning("Executing %s took %.3f seconds", "f", 0.25)
    logging.getLogger("uvicorn.error").info("Waiting for application startup.")
    logging.getLogger("odd").log(35, "between two levels: %s", "x")
    logging.getLogger("odd").warning("%d", "broken format")

    lines = _lines(read())
    assert [(line["logger"], line["level"], line["event"]) for line in lines] == [
        ("asyncio", "warning", "Executing f took 0.250 seconds"),
        ("odd", "warning", "between two levels: x"),
        ("odd", "warning", "%d"),
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread_that_dies_is_logged(log: tuple[Start, Read]) -> None:
    start, read = log
    start(LoggingSettings())

    def fail() -> None:
        raise RuntimeError("no port")

    thread = threading.Thread(target=fail, name="http")
    thread.start()
    thread.join()

    [line] = _lines(read())
    assert (line["event"], line["thread"]) == ("thread_failed", "http")
    assert line["exception"].endswith("RuntimeError: no port")


@pytest.mark.parametrize("end", ["", "raise RuntimeError('crash')", "raise SystemExit(3)"])
def test_last_line_is_written_however_the_process_ends(end: str) -> None:
    program = (
        "from sip_edge.config import LoggingSettings\n"
        "from sip_edge.logs import configure_logging, get_logger\n"
        "configure_logging(LoggingSettings())\n"
        "get_logger('x').info('last_words')\n"
    )

    result = subprocess.run(
        [sys.executable, "-c", program + end],
        capture_output=True,
        env={"PATH": os.environ["PATH"]},
        check=False,
        timeout=60,
    )

    assert b'"event":"last_words"' in result.stderr
    assert result.stdout == b""
