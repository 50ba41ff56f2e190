"""The settings of SIP's listeners: what fits together and what does not."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip_edge.config import ConfigError, SipSettings, load_config

FILES = {
    "SIP_EDGE__SIP__TLS_CERTIFICATE_FILE": "/etc/tls/cert.pem",
    "SIP_EDGE__SIP__TLS_KEY_FILE": "/etc/tls/key.pem",
}


def settings(**environ: str) -> SipSettings:
    return load_config(None, {f"SIP_EDGE__SIP__{name}": environ[name] for name in environ}).sip


def problem(environ: dict[str, str]) -> str:
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ)
    return str(caught.value)


def test_tls_is_off_until_it_is_named() -> None:
    assert SipSettings().transports == ("udp", "tcp")
    assert SipSettings().tls_port == 5061


def test_tls_with_its_files_is_taken_without_looking_at_them() -> None:
    """Other commands of the same configuration may not be allowed to read the key."""
    sip = settings(
        TRANSPORTS="udp, tls", TLS_CERTIFICATE_FILE="/no/cert.pem", TLS_KEY_FILE="/no/key.pem"
    )

    assert sip.transports == ("udp", "tls")
    assert sip.tls_certificate_file == Path("/no/cert.pem")


@pytest.mark.parametrize("missing", list(FILES))
def test_tls_needs_both_files(missing: str) -> None:
    environ = {name: FILES[name] for name in FILES if name != missing}

    told = problem({**environ, "SIP_EDGE__SIP__TRANSPORTS": "tls"})

    assert 'transports names "tls", which needs tls_certificate_file and tls_key_file' in told


def test_files_without_tls_are_a_mistake() -> None:
    assert 'transports does not name "tls"' in problem(FILES)


def test_tcp_and_tls_cannot_share_a_port() -> None:
    environ = {
        **FILES,
        "SIP_EDGE__SIP__TRANSPORTS": "tcp, tls",
        "SIP_EDGE__SIP__PORT": "5061",
    }

    assert "tls_port must not be the port of TCP" in problem(environ)


@pytest.mark.parametrize("port", ["0", "65536", "true"])
def test_tls_port_that_cannot_be_told_to_callers_is_refused(port: str) -> None:
    assert "sip.tls_port" in problem({"SIP_EDGE__SIP__TLS_PORT": port})


@pytest.mark.parametrize("transports", ["", "sctp", "udp, udp", "udp, tcp, tls, udp"])
def test_transports_are_known_ones_each_named_once(transports: str) -> None:
    if transports == "":
        assert settings(TRANSPORTS="").transports == ("udp", "tcp")
    else:
        assert "sip" in problem({**FILES, "SIP_EDGE__SIP__TRANSPORTS": transports})


@pytest.mark.parametrize(
    ("host", "public"), [("0.0.0.0", "2001:db8::10"), ("::", "203.0.113.10"), ("::1", "127.0.0.1")]
)
def test_public_address_is_of_the_listeners_family(host: str, public: str) -> None:
    told = problem({"SIP_EDGE__SIP__HOST": host, "SIP_EDGE__SIP__PUBLIC_ADDRESS": public})

    assert f"public_address ({public}) and host ({host}) must both be IPv4 or both IPv6" in told


def test_public_address_of_the_listeners_family_is_taken() -> None:
    sip = settings(HOST="::", PUBLIC_ADDRESS="2001:db8::10")

    assert (sip.host, sip.public_address) == ("::", "2001:db8::10")
