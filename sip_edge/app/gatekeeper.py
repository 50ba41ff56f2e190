"""Who may come in, from the configuration: carriers, proxies and rates made into a gate."""

from __future__ import annotations

from time import perf_counter
from typing import TYPE_CHECKING

from sip_edge.sip.effects import Event
from sip_edge.transport.gate import Gate, Proxies
from sip_edge.transport.rates import SourceRates
from sip_edge.transport.sources import CarrierTable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from sip_edge.config import Config
    from sip_edge.metrics import Metrics
    from sip_edge.sip.flow import Transport
    from sip_edge.transport.sources import Carrier


def make_gate(carriers: Iterable[Carrier], config: Config, metrics: Metrics) -> Gate:
    """The gate of a process that has just started."""
    limits, now = config.limits, perf_counter()

    def count_stranger(transport: Transport) -> None:
        metrics.dropped_sources[transport.value].inc()

    return Gate(
        carriers=CarrierTable(carriers),
        proxies=Proxies(config.sip.proxies, config.sip.proxy_source_header)
        if config.sip.proxies
        else None,
        requests=SourceRates(
            per_second_per_source=limits.requests_per_second_per_source,
            per_second=limits.requests_per_second,
            now=now,
        ),
        datagrams=SourceRates(
            per_second_per_source=limits.datagrams_per_second_per_source, per_second=None, now=now
        ),
        clock=perf_counter,
        on_stranger=count_stranger,
        on_flood=lambda: metrics.sip_event(Event.FLOOD),
    )
