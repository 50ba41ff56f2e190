"""TLS contexts: our certificate for callers, and what we demand of peers that we call.

TLS 1.2 or later with forward secrecy and authenticated encryption, which is what Twilio, Telnyx and
every current SIP stack offer; an RSA certificate of a public authority, or Twilio will not call.
"""

from __future__ import annotations

import ssl
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from sip_edge.transport.x509 import DerError, Validity, validity

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime
    from pathlib import Path

CIPHERS: Final = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""For TLS 1.2; those of 1.3 are all good. Twilio's list begins with the same."""
MAX_FILE_BYTES: Final = 1 << 20
"""A certificate with its chain takes 10 KiB; who names a disk image should be told, not served."""
WARN_DAYS: Final = 14
"""A certificate that ends within so many days ought to have been renewed: ACME does it at 30."""

_END: Final = "-----END CERTIFICATE-----"
_BEGIN: Final = "-----BEGIN CERTIFICATE-----"


class CertificateError(Exception):
    """The certificate or its key cannot be used. `problems` has one line for each reason."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


@dataclass(frozen=True, slots=True)
class CertificateFiles:
    """Where the certificate (with its chain, PEM) and its key are."""

    certificate: Path
    key: Path


@dataclass(frozen=True, slots=True)
class ServerCertificate:
    """A certificate that was loaded: what to shake hands with, and how long."""

    context: ssl.SSLContext
    validity: Validity


def load_certificate(files: CertificateFiles) -> ServerCertificate:
    """Read both files. Raises CertificateError with every reason at once."""
    problems: list[str] = []
    certificate = _read(files.certificate, "tls_certificate_file", problems)
    key = _read(files.key, "tls_key_file", problems)
    dates: Validity | None = None
    if certificate is not None:
        try:
            dates = _dates(certificate)
        except ValueError:
            problems.append(f"sip.tls_certificate_file {files.certificate}: no certificate in PEM")
    if key is not None and "PRIVATE KEY-----" not in key:
        problems.append(f"sip.tls_key_file {files.key}: no private key in PEM")
    if problems or dates is None:
        raise CertificateError(tuple(problems))
    return ServerCertificate(_server_context(files), dates)


def warnings_of(dates: Validity, now: datetime) -> list[str]:
    """What callers will object to, now or soon."""
    day = f"{dates.not_after:%Y-%m-%d %H:%M} UTC"
    if now < dates.not_before:
        return [f"the TLS certificate is not valid before {dates.not_before:%Y-%m-%d %H:%M} UTC"]
    if now >= dates.not_after:
        return [f"the TLS certificate expired on {day}"]
    days = (dates.not_after - now).days
    return [f"the TLS certificate expires on {day}, in {days} days"] if days < WARN_DAYS else []


def client_contexts(ca_file: Path | None, *, verify: bool) -> Callable[[str], ssl.SSLContext]:
    """What to demand of a peer that we call, by its name ("" for an address).

    With `verify` its certificate must chain to `ca_file` (None: the system's authorities) and be
    for that name; an address, as in carriers' Record-Routes, is in nobody's certificate, so that
    only the chain counts there. Raises CertificateError if `ca_file` cannot be used.
    """
    try:
        named = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
        unnamed = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    except OSError as error:
        why = error.strerror or error.reason if isinstance(error, ssl.SSLError) else error.strerror
        raise CertificateError((f"sip.tls_ca_file {ca_file}: {why}",)) from error
    for context in (named, unnamed):
        context.minimum_version = ssl.TLSVersion.TLSv1_2
    unnamed.check_hostname = False
    if not verify:
        named.check_hostname = False
        for context in (named, unnamed):
            context.verify_mode = ssl.CERT_NONE
    return lambda name: named if name else unnamed


def _server_context(files: CertificateFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    # A peer that renegotiates again and again would have us compute for nothing.
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE
    try:
        # Without a password function OpenSSL would ask the terminal.
        context.load_cert_chain(files.certificate, files.key, password=lambda: b"")
    except ssl.SSLError as error:
        raise CertificateError((_explain(files, error),)) from error
    except OSError as error:
        raise CertificateError((f"sip.tls_key_file {files.key}: {error.strerror}",)) from error
    return context


def _explain(files: CertificateFiles, error: ssl.SSLError) -> str:
    if error.reason == "KEY_VALUES_MISMATCH":
        return (
            f"sip.tls_key_file {files.key}: is not the key of the certificate in"
            f" {files.certificate}"
        )
    if error.reason in ("KEY_TYPE_MISMATCH", "EE_KEY_TOO_SMALL", "CA_MD_TOO_WEAK"):
        text = error.reason.replace("_", " ").lower()
        return f"sip.tls_certificate_file {files.certificate}: {text}"
    return (
        f"sip.tls_key_file {files.key}: cannot be used with {files.certificate}"
        f" ({error.reason or 'encrypted or malformed'}); a key with a password is not supported"
    )


def _read(path: Path, setting: str, problems: list[str]) -> str | None:
    try:
        with path.open("rb") as file:
            data = file.read(MAX_FILE_BYTES + 1)
    except OSError as error:
        problems.append(f"sip.{setting} {path}: {error.strerror}")
        return None
    if len(data) > MAX_FILE_BYTES:
        problems.append(f"sip.{setting} {path}: is larger than {MAX_FILE_BYTES} bytes")
        return None
    return data.decode("latin-1")


def _dates(text: str) -> Validity:
    """The validity of the first certificate: ours, its issuers follow. Raises ValueError."""
    begin, end = text.find(_BEGIN), text.find(_END)
    if begin < 0 or end < begin:
        raise DerError("no certificate")
    return validity(ssl.PEM_cert_to_DER_cert(text[begin : end + len(_END)]))
