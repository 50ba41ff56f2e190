"""Which series of the page of metrics have ever moved, read again and again while things happen."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from types import TracebackType
from typing import Self

from support.polling import eventually

PAUSE_SECONDS = 0.1
WATCH_PATIENCE_SECONDS = 40.0
"""A speech engine that starts beside everything else needs its time."""
CONSTANT = frozenset({"sip_edge_build_info"})
"""Series whose value says nothing; their labels do."""


class MetricWatch:
    """Reads the page of one edge in a thread, until the block ends or the edge does."""

    def __init__(self, http_port: int) -> None:
        self._url = f"http://127.0.0.1:{http_port}/metrics"
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.known: set[str] = set()
        self.moved: set[str] = set()
        self.values: dict[str, float] = {}
        """The last page's."""
        self.last_page = ""

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._is_over.set()
        self._thread.join()

    async def sees(self, series: str) -> None:
        """Wait until this series is not at 0."""
        await eventually(
            lambda: self.values.get(series, 0), what=series, seconds=WATCH_PATIENCE_SECONDS
        )

    async def sees_none(self, series: str) -> None:
        """Wait until this series is at 0."""
        await eventually(
            lambda: self.values.get(series),
            lambda value: value == 0,
            what=series,
            seconds=WATCH_PATIENCE_SECONDS,
        )

    def _run(self) -> None:
        # No proxy of the environment may stand between us and the loopback address.
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        while not self._is_over.wait(PAUSE_SECONDS):
            try:
                with opener.open(self._url, timeout=5) as response:
                    page = response.read().decode()
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                continue  # Not there yet, or not any more.
            self.take(page)

    def take(self, page: str) -> None:
        """Note the series of a page, and those that are not at 0."""
        self.last_page = page
        self.values = series_of(page)
        for name, value in self.values.items():
            self.known.add(name)
            if value != 0:
                self.moved.add(name)


def series_of(page: str) -> dict[str, float]:
    """Every series of ours and its value, as the page writes it; of a histogram only its count.

    By hand, not by the client's parser: a page is read ten times a second beside calls.
    """
    series = {}
    for line in page.splitlines():
        if line.startswith("sip_edge_"):
            name, _, value = line.rpartition(" ")
            family = name.partition("{")[0]
            if family not in CONSTANT and not family.endswith(("_bucket", "_sum")):
                series[name] = float(value)
    return series
