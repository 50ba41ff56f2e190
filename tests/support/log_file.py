"""Logging into a file that a test reads."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sip_edge.config import LoggingSettings
from sip_edge.logs import LineWriter, configure_logging


class LogFile:
    """Starts logging into the file and reads what was written."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path = path
        self._fd = fd
        self._writers: list[LineWriter] = []

    def start(self, settings: LoggingSettings, *, secrets: tuple[str, ...] = ()) -> None:
        """Log as `settings` say from now on."""
        self._writers.append(configure_logging(settings, secrets=secrets, fd=self._fd))

    def text(self) -> str:
        """All that was written."""
        self._writers[-1].flush(10)
        return self._path.read_text()

    def lines(self) -> list[dict[str, Any]]:
        """The same, read as JSON."""
        return [json.loads(line) for line in self.text().splitlines()]

    def close(self) -> None:
        """End the writers' threads."""
        for writer in self._writers:
            writer.close()
        os.close(self._fd)
