"""Logging: structlog, filtered by level before anything is formatted, written off the hot path.

`configure_logging` once, at start; `get_logger` anywhere; `bind_call` at the start of a call's
task. Whatever logs through the standard library (asyncio, uvicorn) comes out in the same form.
Phone numbers are masked here and nowhere else, by the key that they are logged under, and in any
other text where they are written as numbers are; the configuration's secrets are taken out.
"""

from __future__ import annotations

from sip_edge.logs.pipeline import bind_call
from sip_edge.logs.setup import LogChoices, configure_logging, get_logger
from sip_edge.logs.values import mask_number, one_line
from sip_edge.logs.writer import LineWriter

__all__ = [
    "LineWriter",
    "LogChoices",
    "bind_call",
    "configure_logging",
    "get_logger",
    "mask_number",
    "one_line",
]
