"""What is said of certificate files that cannot be used, and what a client would get."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.stream_world import TLS_FILES

from sip_edge.transport.tls import (
    CertificateError,
    CertificateFiles,
    client_contexts,
    load_certificate,
    warnings_of,
)
from sip_edge.transport.x509 import Validity

EDGE = TLS_FILES / "edge.pem"
EDGE_KEY = TLS_FILES / "edge.key"


def problems(certificate: Path, key: Path) -> list[str]:
    with pytest.raises(CertificateError) as caught:
        load_certificate(CertificateFiles(certificate, key))
    return [problem.replace(f"{TLS_FILES}/", "") for problem in caught.value.problems]


def handshake(server: ssl.SSLContext, client: ssl.SSLContext, name: str) -> ssl.SSLObject:
    """Shake hands in memory; the client's end. Raises ssl.SSLError."""
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    ours = server.wrap_bio(to_server, to_client, server_side=True)
    theirs = client.wrap_bio(to_client, to_server, server_hostname=name)
    for _ in range(4):
        for end in (theirs, ours):
            try:
                end.do_handshake()
            except ssl.SSLWantReadError:
                continue
    return theirs


def test_good_pair_is_loaded_with_its_dates() -> None:
    loaded = load_certificate(CertificateFiles(EDGE, EDGE_KEY))

    assert loaded.validity.not_after == datetime(2126, 11, 1, tzinfo=UTC)


def test_certificate_that_has_expired_is_loaded_all_the_same() -> None:
    files = CertificateFiles(TLS_FILES / "expired.pem", TLS_FILES / "expired.key")

    assert load_certificate(files).validity.not_after == datetime(2021, 1, 1, tzinfo=UTC)


def test_every_problem_of_both_files_is_told_at_once(tmp_path: Path) -> None:
    nonsense = tmp_path / "nonsense.pem"
    nonsense.write_text("-----BEGIN CERTIFICATE-----\n???\n-----END CERTIFICATE-----\n")

    assert problems(nonsense, tmp_path / "missing.key") == [
        f"sip.tls_key_file {tmp_path}/missing.key: No such file or directory",
        f"sip.tls_certificate_file {nonsense}: no certificate in PEM",
    ]


def test_key_of_another_certificate_is_named() -> None:
    assert problems(EDGE, TLS_FILES / "renewed.key") == [
        "sip.tls_key_file renewed.key: is not the key of the certificate in edge.pem"
    ]


def test_key_with_a_password_is_refused_and_nobody_is_asked_for_it() -> None:
    (problem,) = problems(EDGE, TLS_FILES / "encrypted.key")

    assert problem.endswith("a key with a password is not supported")


def test_files_that_were_mixed_up_are_told() -> None:
    assert problems(EDGE_KEY, EDGE) == [
        "sip.tls_certificate_file edge.key: no certificate in PEM",
        "sip.tls_key_file edge.pem: no private key in PEM",
    ]


def test_folder_and_huge_file_are_told(tmp_path: Path) -> None:
    huge = tmp_path / "huge.key"
    with huge.open("wb") as file:
        file.truncate(1 << 21)

    assert problems(tmp_path, huge) == [
        f"sip.tls_certificate_file {tmp_path}: Is a directory",
        f"sip.tls_key_file {huge}: is larger than 1048576 bytes",
    ]


@pytest.mark.parametrize(
    ("now", "warnings"),
    [
        (datetime(2026, 1, 1, tzinfo=UTC), []),
        (datetime(2026, 5, 15, tzinfo=UTC), []),
        (
            datetime(2026, 5, 25, tzinfo=UTC),
            ["the TLS certificate expires on 2026-06-01 00:00 UTC, in 7 days"],
        ),
        (
            datetime(2026, 6, 1, tzinfo=UTC),
            ["the TLS certificate expired on 2026-06-01 00:00 UTC"],
        ),
        (
            datetime(2025, 1, 1, tzinfo=UTC),
            ["the TLS certificate is not valid before 2026-01-01 00:00 UTC"],
        ),
    ],
)
def test_dates_that_callers_will_object_to_are_warned_of(
    now: datetime, warnings: list[str]
) -> None:
    dates = Validity(datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 6, 1, tzinfo=UTC))

    assert warnings_of(dates, now) == warnings


def test_handshake_of_today_has_forward_secrecy() -> None:
    server = load_certificate(CertificateFiles(EDGE, EDGE_KEY)).context
    client = ssl.create_default_context(cafile=str(EDGE))
    client.maximum_version = ssl.TLSVersion.TLSv1_2

    cipher = handshake(server, client, "edge.test").cipher()

    assert cipher is not None
    assert cipher[0].startswith("ECDHE-ECDSA-AES")
    assert cipher[1] == "TLSv1.2"


@pytest.mark.filterwarnings("ignore:ssl.TLSVersion:DeprecationWarning")
def test_version_of_yesterday_is_refused() -> None:
    server = load_certificate(CertificateFiles(EDGE, EDGE_KEY)).context
    client = ssl.create_default_context(cafile=str(EDGE))
    client.minimum_version = client.maximum_version = ssl.TLSVersion.TLSv1_1
    client.set_ciphers("ALL:@SECLEVEL=0")

    with pytest.raises(ssl.SSLError):
        handshake(server, client, "edge.test")


def test_cipher_without_forward_secrecy_is_refused() -> None:
    server = load_certificate(CertificateFiles(EDGE, EDGE_KEY)).context
    client = ssl.create_default_context(cafile=str(EDGE))
    client.maximum_version = ssl.TLSVersion.TLSv1_2
    client.set_ciphers("ECDHE-ECDSA-AES128-SHA256:AES128-GCM-SHA256")

    with pytest.raises(ssl.SSLError):
        handshake(server, client, "edge.test")


def test_peer_with_a_name_must_prove_it_and_one_with_an_address_its_chain() -> None:
    server = load_certificate(CertificateFiles(EDGE, EDGE_KEY)).context
    contexts = client_contexts(EDGE, verify=True)

    handshake(server, contexts("edge.test"), "edge.test")
    handshake(server, contexts(""), "192.0.2.1")
    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, contexts("other.test"), "other.test")


def test_peer_of_an_unknown_authority_is_refused_unless_nothing_is_verified() -> None:
    server = load_certificate(CertificateFiles(EDGE, EDGE_KEY)).context

    with pytest.raises(ssl.SSLCertVerificationError):
        handshake(server, client_contexts(TLS_FILES / "ca.pem", verify=True)(""), "192.0.2.1")
    handshake(server, client_contexts(None, verify=False)("other.test"), "other.test")


@pytest.mark.parametrize("name", ["missing.pem", "edge.key"])
def test_authorities_that_cannot_be_read_are_told(name: str) -> None:
    with pytest.raises(CertificateError, match=rf"^sip.tls_ca_file .*{name}: "):
        client_contexts(TLS_FILES / name, verify=True)
