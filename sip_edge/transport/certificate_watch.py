"""Takes a renewed certificate into use while calls go on: no restart, no lost connection.

The files are looked at now and then, and at once when asked (SIGHUP). A pair that cannot be used,
as between the writing of one file and the other, changes nothing: the old one goes on, the failure
is told once, and the next look tries again.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Final, Protocol

from sip_edge.transport.tls import CertificateError, load_certificate

if TYPE_CHECKING:
    import asyncio
    import ssl
    from datetime import datetime

    from sip_edge.transport.tls import CertificateFiles

LOOK_SECONDS: Final = 30.0
"""Between two looks at the files: renewals come with weeks to spare, and a look is two calls."""

_Seen = tuple[tuple[int, int, int] | None, ...]


class CertificateObserver(Protocol):
    """Told what became of the files."""

    def certificate_loaded(self, expires_at: datetime) -> None: ...

    def certificate_refused(self, problems: tuple[str, ...]) -> None: ...


class CertificateWatch:
    """Holds the certificate of the moment. The constructor raises CertificateError."""

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        files: CertificateFiles,
        observer: CertificateObserver,
        look_seconds: float = LOOK_SECONDS,
    ) -> None:
        self._loop = loop
        self._files = files
        self._observer = observer
        self._look_seconds = look_seconds
        self._seen = self._look()
        self._is_refused = False
        self._certificate = load_certificate(files)
        self._timer: asyncio.TimerHandle | None = None
        observer.certificate_loaded(self._certificate.validity.not_after)

    def context(self) -> ssl.SSLContext:
        """What to shake hands with now."""
        return self._certificate.context

    def start(self) -> None:
        """Look at the files from now on."""
        self._timer = self._loop.call_later(self._look_seconds, self._turn)

    def close(self) -> None:
        """Look no more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def reload(self) -> None:
        """Read the files now, changed or not."""
        seen = self._look()
        try:
            certificate = load_certificate(self._files)
        except CertificateError as error:
            if seen != self._seen or not self._is_refused:
                self._observer.certificate_refused(error.problems)
            self._is_refused = True
        else:
            self._certificate = certificate
            self._is_refused = False
            self._observer.certificate_loaded(certificate.validity.not_after)
        self._seen = seen

    def _turn(self) -> None:
        if self._is_refused or self._look() != self._seen:
            self.reload()
        self.start()

    def _look(self) -> _Seen:
        """What tells a changed file: also one that was moved into place with an older date."""
        seen: list[tuple[int, int, int] | None] = []
        for path in (self._files.certificate, self._files.key):
            try:
                found = os.stat(path)
            except OSError:
                seen.append(None)
            else:
                seen.append((found.st_mtime_ns, found.st_size, found.st_ino))
        return tuple(seen)
