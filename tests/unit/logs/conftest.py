"""Logging that is set up for one test and undone after it."""

from __future__ import annotations

import logging
import os
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
import structlog
from support.log_file import LogFile


@pytest.fixture
def log(tmp_path: Path) -> Iterator[LogFile]:
    root = logging.getLogger()
    before = root.handlers[:], root.level, threading.excepthook
    path = tmp_path / "log"
    file = LogFile(path, os.open(path, os.O_WRONLY | os.O_CREAT))
    yield file
    file.close()
    structlog.reset_defaults()
    root.handlers, root.level, threading.excepthook = before
