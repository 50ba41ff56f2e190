"""The control API's own page of metrics: it is another process than the one that carries calls."""

from __future__ import annotations

from typing import Final

import prometheus_client
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.exposition import CONTENT_TYPE_PLAIN_0_0_4, generate_latest

CLASSES: Final = ("2xx", "3xx", "4xx", "5xx", "none")
"""Of statuses; `none` is a client that left before it had an answer."""
LATENCY: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10, 60)
"""A read takes a millisecond or two, a purchase waits for the carrier."""
OTHER: Final = "other"
FAULT: Final = 500
"""Other statuses of 5xx are outages: of the database, of a carrier."""
PURCHASES: Final = ("ordering", "bought", "active", "failed", "doubtful", "releasing", "released")
"""What can become of a number that is bought; see provisioning.number_values.PurchaseState."""


class ApiMetrics:
    """Counts and times of requests. `operations` are all names that there are."""

    def __init__(self, operations: tuple[str, ...]) -> None:
        prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]
        self.registry = CollectorRegistry()
        requests = Counter(
            "sip_edge_api_requests",
            "Requests answered, by operation and class of status",
            ["operation", "status"],
            registry=self.registry,
        )
        self._requests = {
            (operation, status): requests.labels(operation, status)
            for operation in (*operations, OTHER)
            for status in CLASSES
        }
        self._latency = Histogram(
            "sip_edge_api_request_seconds",
            "From a request's arrival to the end of its answer",
            buckets=LATENCY,
            registry=self.registry,
        )
        purchases = Counter(
            "sip_edge_api_purchases",
            "Purchases of numbers, by each state that they have entered",
            ["state"],
            registry=self.registry,
        )
        self._purchases = {state: purchases.labels(state) for state in PURCHASES}
        self.purchases_overdue = Gauge(
            "sip_edge_api_purchases_overdue",
            "Purchases under way in one state for 15 minutes and longer, of all processes",
            registry=self.registry,
        )
        self.internal_errors = Counter(
            "sip_edge_api_internal_errors",
            "Faults of ours; 0 is the only good value",
            registry=self.registry,
        )
        ProcessCollector(registry=self.registry)

    def request_ended(self, operation: str, status: int, seconds: float) -> None:
        """Count a request (api.control.services.ApiObserver)."""
        kind = f"{status // 100}xx"
        counter = self._requests.get((operation, kind if kind in CLASSES else "none"))
        if counter is None:
            counter = self._requests[OTHER, kind if kind in CLASSES else "none"]
        counter.inc()
        if status == FAULT:
            self.internal_errors.inc()
        self._latency.observe(seconds)

    def purchase_moved(self, state: str) -> None:
        """Count a purchase that has entered a state."""
        self._purchases[state].inc()

    def render(self, accept: str) -> tuple[bytes, str]:
        """The page and its content type; the plain text format, whatever is accepted."""
        return generate_latest(self.registry), CONTENT_TYPE_PLAIN_0_0_4
