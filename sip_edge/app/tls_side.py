"""TLS for a server: the certificate, kept fresh, and what is demanded of peers."""

from __future__ import annotations

import os
import signal
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sip_edge.app.errors import StartError
from sip_edge.config import ConfigError
from sip_edge.logs import get_logger
from sip_edge.transport.certificate_watch import CertificateWatch
from sip_edge.transport.tls import (
    CertificateError,
    CertificateFiles,
    client_contexts,
    load_certificate,
    warnings_of,
)

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Callable

    from sip_edge.app.stream_events import StreamEvents
    from sip_edge.config import SipSettings

_log = get_logger("sip_edge")


class TlsSide:
    """Both ends of TLS; both are None unless `sip.transports` names it.

    The constructor raises StartError.
    """

    def __init__(
        self, *, loop: asyncio.AbstractEventLoop, settings: SipSettings, events: StreamEvents
    ) -> None:
        self._loop = loop
        self._watch: CertificateWatch | None = None
        self._handles_signal = False
        self.client_context: Callable[[str], ssl.SSLContext] | None = None
        files = _files(settings)
        if files is None:
            return
        try:
            self.client_context = client_contexts(settings.tls_ca_file, verify=settings.tls_verify)
            self._watch = CertificateWatch(loop=loop, files=files, observer=events)
        except CertificateError as error:
            raise StartError(str(error)) from error

    @property
    def server_context(self) -> Callable[[], ssl.SSLContext] | None:
        """Gives the context for the next caller."""
        return None if self._watch is None else self._watch.context

    def start(self) -> None:
        """Keep the certificate fresh from now on; SIGHUP has it read at once.

        A SIGHUP that a closing terminal sends goes on to end the process.
        """
        if self._watch is not None:
            self._watch.start()
        if not os.isatty(0):
            self._loop.add_signal_handler(signal.SIGHUP, self._reload)
            self._handles_signal = True

    def close(self) -> None:
        """Leave files and signal alone."""
        if self._watch is not None:
            self._watch.close()
        if self._handles_signal:
            self._loop.remove_signal_handler(signal.SIGHUP)
            self._handles_signal = False

    def _reload(self) -> None:
        if self._watch is None:
            _log.info("nothing_to_reload", reason="sip.transports does not name tls")
        else:
            self._watch.reload()


def check_tls(settings: SipSettings) -> list[str]:
    """Warnings about the certificate that these settings name. Raises ConfigError."""
    files = _files(settings)
    if files is None:
        return []
    problems: list[str] = []
    warnings: list[str] = []
    try:
        client_contexts(settings.tls_ca_file, verify=settings.tls_verify)
    except CertificateError as error:
        problems += error.problems
    try:
        warnings = warnings_of(load_certificate(files).validity, datetime.now(UTC))
    except CertificateError as error:
        problems += error.problems
    if problems:
        raise ConfigError(tuple(problems))
    return warnings


def _files(settings: SipSettings) -> CertificateFiles | None:
    certificate, key = settings.tls_certificate_file, settings.tls_key_file
    if "tls" not in settings.transports or certificate is None or key is None:
        return None
    return CertificateFiles(certificate, key)
