"""From a call of a logger to a finished line."""

from __future__ import annotations

import asyncio

import pytest
from support.log_file import LogFile

from sip_edge.config import LoggingSettings
from sip_edge.logs import bind_call, get_logger


def test_line_is_one_json_object(log: LogFile) -> None:
    log.start(LoggingSettings())

    get_logger("sip_edge.app").info("routes_loaded", count=3, seconds=0.25)

    [line] = log.lines()
    assert line.pop("timestamp").endswith("+00:00")
    assert line == {
        "level": "info",
        "event": "routes_loaded",
        "logger": "sip_edge.app",
        "count": 3,
        "seconds": 0.25,
    }


def test_numbers_are_masked_under_the_keys_of_numbers(log: LogFile) -> None:
    log.start(LoggingSettings())

    get_logger("x").info("e", called_number="+12025550123", caller="Ann <tel:+12025550124>", n=None)

    [line] = log.lines()
    assert line["called_number"] == "+1202*****23"
    assert line["caller"] == "Ann <tel:+1202*****24>"


def test_numbers_are_masked_in_every_other_text_too(log: LogFile) -> None:
    log.start(LoggingSettings())

    get_logger("x").info(
        "call to +12025550123",
        sip_call_id="2025550123@pbx.example.com",
        attempts=[{"role": "primary", "detail": "ws://w/?to=%2B12025550124: refused"}],
        reason={"uri": ["sip:+12025550125@carrier.example.com"]},
    )

    assert "55501" not in log.text()
    [line] = log.lines()
    assert line["event"] == "call to +1202*****23"
    assert line["sip_call_id"] == "2025****23@pbx.example.com"


def test_numbers_in_a_traceback_are_masked(log: LogFile) -> None:
    log.start(LoggingSettings())

    try:
        raise ValueError("no route to sip:+12025550123@carrier.example.com")
    except ValueError:
        get_logger("x").exception("failed")

    [line] = log.lines()
    assert "sip:+1202*****23@carrier" in line["exception"]


def test_secret_is_taken_out_wherever_it_stands(log: LogFile) -> None:
    log.start(LoggingSettings(), secrets=("correct-horse-battery",))

    try:
        raise ValueError("bad header: X-Edge-Secret: correct-horse-battery")
    except ValueError:
        get_logger("x").exception("correct-horse-battery", detail=["correct-horse-battery"])

    assert "horse" not in log.text()
    [line] = log.lines()
    assert line["event"] == "[secret]"


def test_numbers_are_written_in_full_when_that_was_chosen(log: LogFile) -> None:
    log.start(LoggingSettings(full_numbers=True))

    get_logger("x").info("e", called_number="+12025550123", caller_number=None)

    [line] = log.lines()
    assert (line["called_number"], line["caller_number"]) == ("+12025550123", None)


def test_remote_text_cannot_forge_a_line(log: LogFile) -> None:
    log.start(LoggingSettings(format="console"))

    get_logger("x").warning("bad\nevent", user_agent="x\n2026-01-01 error forged", raw=b"\x1b[2J")

    text = log.text()
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text


def test_console_line_is_readable(log: LogFile) -> None:
    log.start(LoggingSettings(format="console"))

    get_logger("sip_edge.app").info("listening", transport="udp", port=5060)

    text = log.text()
    assert "listening" in text
    assert "transport=udp" in text
    assert "port=5060" in text


@pytest.mark.asyncio
async def test_each_task_logs_the_id_of_its_own_call(log: LogFile) -> None:
    log.start(LoggingSettings())

    async def serve(call_id: str) -> None:
        bind_call(call_id)
        await asyncio.sleep(0)
        get_logger("x").info("served")

    await asyncio.gather(serve("one"), serve("two"))
    get_logger("x").info("outside")

    assert [line.get("call_id") for line in log.lines()] == ["one", "two", None]


def test_exception_is_written_with_its_traceback(log: LogFile) -> None:
    log.start(LoggingSettings())

    try:
        raise ValueError("no such agent\x1b[2J")
    except ValueError:
        get_logger("x").exception("failed")
    get_logger("x").error("failed", exc_info=KeyError("given"))

    first, second = log.lines()
    assert first["level"] == "error"
    assert first["exception"].startswith("Traceback")
    assert first["exception"].endswith("ValueError: no such agent\\x1b[2J")
    assert second["exception"] == "KeyError: 'given'"


def test_value_that_json_cannot_hold_is_written_as_text(log: LogFile) -> None:
    log.start(LoggingSettings())

    get_logger("x").info("e", huge=1 << 80, error=OSError(111, "refused"))

    [line] = log.lines()
    assert line["huge"] == str(1 << 80)
    assert line["error"] == "[Errno 111] refused"
