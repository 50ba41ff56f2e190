"""Which series of the page of metrics have ever moved, read again and again while things happen."""

from __future__ import annotations

import threading
import urllib.error
import urllib.request
from types import TracebackType
from typing import Self

from prometheus_client.parser import text_string_to_metric_families

PAUSE_SECONDS = 0.1
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
        for name, value in series_of(page).items():
            self.known.add(name)
            if value != 0:
                self.moved.add(name)


def series_of(page: str) -> dict[str, float]:
    """Every series of ours and its value; of a histogram only how much was counted."""
    return {
        series_name(sample.name, sample.labels): sample.value
        for family in text_string_to_metric_families(page)
        for sample in family.samples
        if sample.name.startswith("sip_edge_")
        and sample.name not in CONSTANT
        and not sample.name.endswith(("_bucket", "_sum"))
    }


def series_name(name: str, labels: dict[str, str]) -> str:
    """As PromQL writes it: `name{label="value"}`, the labels in order."""
    inner = ",".join(f'{label}="{labels[label]}"' for label in sorted(labels))
    return f"{name}{{{inner}}}" if inner else name
