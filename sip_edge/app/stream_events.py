"""Joins what connections and certificates tell with metrics and logs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sip_edge.logs import get_logger

if TYPE_CHECKING:
    from sip_edge.metrics import Metrics
    from sip_edge.transport.connection_books import Refused

_log = get_logger("sip_edge")


class StreamEvents:
    """Counts; only what an operator must put right is logged, or a scan would fill the disk.

    Implements transport.streams.StreamObserver and transport.certificate_watch.CertificateObserver.
    """

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def connection_refused(self, why: Refused) -> None:
        """A connection was turned away."""
        self._metrics.refused_connections[why.value].inc()

    def connection_cut(self) -> None:
        """A connection was ended for what its peer did."""
        self._metrics.cut_connections.inc()

    def handshake_failed(self) -> None:
        """A TLS handshake came to nothing."""
        self._metrics.tls_failures["handshake"].inc()

    def certificate_loaded(self, expires_at: datetime) -> None:
        """A certificate is in use from now on."""
        self._metrics.tls_certificate_expiry.set(expires_at.timestamp())
        tell = _log.info if expires_at > datetime.now(UTC) else _log.warning
        tell("tls_certificate_loaded", expires_at=expires_at.isoformat())

    def certificate_refused(self, problems: tuple[str, ...]) -> None:
        """New files cannot be used; the old certificate goes on."""
        self._metrics.tls_failures["certificate"].inc()
        _log.error("tls_certificate_refused", problems=list(problems))
