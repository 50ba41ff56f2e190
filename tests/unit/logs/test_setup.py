"""Logging as a whole: what comes out of the file descriptor."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
import threading

import pytest
from support.log_file import LogFile

from sip_edge.config import LoggingSettings
from sip_edge.logs import get_logger


def test_lines_below_the_level_are_not_written(log: LogFile) -> None:
    log.start(LoggingSettings(level="warning"))
    logger = get_logger("x")

    logger.debug("a")
    logger.info("b")
    logger.warning("c")
    logger.error("d")

    assert [line["event"] for line in log.lines()] == ["c", "d"]


def test_standard_library_logs_in_the_same_form(log: LogFile) -> None:
    log.start(LoggingSettings())

    logging.getLogger("asyncio").warning("Executing %s took %.3f seconds", "f", 0.25)
    logging.getLogger("uvicorn.error").info("Waiting for application startup.")
    logging.getLogger("odd").log(35, "between two levels: %s", "x")
    logging.getLogger("odd").warning("%d", "broken format")

    lines = log.lines()
    assert [(line["logger"], line["level"], line["event"]) for line in lines] == [
        ("asyncio", "warning", "Executing f took 0.250 seconds"),
        ("odd", "warning", "between two levels: x"),
        ("odd", "warning", "%d"),
    ]


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
def test_thread_that_dies_is_logged(log: LogFile) -> None:
    log.start(LoggingSettings())

    def fail() -> None:
        raise RuntimeError("no port")

    thread = threading.Thread(target=fail, name="http")
    thread.start()
    thread.join()

    [line] = log.lines()
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
