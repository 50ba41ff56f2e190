"""What is said of a setting that is wrong: one line, its key, what it may be; never a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip_edge.config import ConfigError, load_config


def _problems(path: Path | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ)
    return str(caught.value).splitlines()


def test_all_problems_are_reported_at_once_with_their_key_and_what_is_allowed(
    tmp_path: Path,
) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        """
        [sip]
        port = 70000
        prot = 5060
        max_calls = true
        [dispatch]
        accept_timeout_seconds = "soon"
        forward_headers = ["Via"]
        [logging]
        level = "loud"
        [shutdwn]
        [carriers.a]
        networks = ["10.0.0.1/8"]
        country = "UK"
        responses = { number_bsy = 480, no_codec = 200 }
        """,
    )

    problems = _problems(path, {"SIP_EDGE__HTPP__PORT": "1", "SIP_EDGE__HTTP__PORT": "x"})

    assert problems == [
        "SIP_EDGE__HTPP__PORT: unknown setting; did you mean 'http'?",
        "sip.port = 70000: must be a whole number from 0 to 65535",
        "sip.max_calls = true: must be a whole number from 1 to 1000000",
        "sip.prot: unknown setting; did you mean 'port'?",
        'http.port = "x": must be a whole number from 0 to 65535',
        'dispatch.accept_timeout_seconds = "soon": must be a number above 0 and at most 86400',
        'dispatch.forward_headers.0 = "Via": must be the name of an X- header such as'
        ' "X-Twilio-CallSid"',
        'carriers.a.networks.0 = "10.0.0.1/8": 10.0.0.1/8 has host bits set; must be a network'
        ' such as "192.0.2.0/24" or one address',
        'carriers.a.country = "UK": must be a country\'s two letters (ISO 3166) such as "US" or'
        ' "GB"',
        "carriers.a.responses.number_bsy: unknown setting; did you mean 'number_busy'?",
        "carriers.a.responses.no_codec = 200: must be a status from 400 to 699",
        "logging.level = \"loud\": must be one of 'debug', 'info', 'warning' or 'error'",
        "shutdwn: unknown setting; did you mean 'shutdown'?",
    ]


@pytest.mark.parametrize(
    ("name", "value", "problem"),
    [
        ("SIP__HOST", "edge.example.com", "must be a numeric IPv4 or IPv6 address"),
        ("SIP__PUBLIC_ADDRESS", "0.0.0.0", "must be an address that callers can reach"),
        ("SIP__TRANSPORTS", "udp,udp", "transports names one of them twice"),
        ("SIP__USER_AGENT", "edge\r\nEvil: 1", "must be visible ASCII text"),
        ("SIP__SESSION_EXPIRES_SECONDS", "89", "must be a whole number from 90 to 86400"),
        ("SIP__MIN_SE_SECONDS", "1801", "must not be below min_se_seconds"),
        ("MEDIA__PORT_MIN", "30000", "port_min (30000) must be below port_max (29999)"),
        ("MEDIA__SYMMETRIC", "maybe", "must be true or false"),
        ("DISPATCH__ACCEPT_TIMEOUT_SECONDS", "11", "must not exceed deadline_seconds (10)"),
        ("DISPATCH__WORKER_CA_FILE", "/nonexistent/ca.pem", "is not a file"),
        ("VOICEMAIL", "no table", "must be a table"),
        (
            "DISPATCH__DENIED_NETWORKS",
            "{}",
            'denied_networks = {}: must be a list such as ["a", "b"]',
        ),
        ("SIP__TRANSPORTS", "[]", "sip.transports = []: must not be empty"),
        ("CARRIERS", "{broken", "must be a table"),
        (
            "CARRIERS",
            '{"local": {"enabled": 0}, "twilio": {"enabled": 0}, "telnyx": {"enabled": 0}}',
            "carriers: at least one carrier must be enabled",
        ),
        ("CARRIERS__TWILIO__SRTP", "yes", "must be 'off', 'optional' or 'required'"),
        ("CARRIERS__OFFICE__COUNTRY", "US", "carriers.office.networks: is required"),
        ("SIP__PORT__DEEPER", "1", "must be a whole number from 0 to 65535"),
    ],
)
def test_wrong_value_is_answered_with_what_is_allowed(name: str, value: str, problem: str) -> None:
    [line] = _problems(None, {f"SIP_EDGE__{name}": value})

    assert line.endswith(problem)


@pytest.mark.parametrize(
    "environ",
    [
        {"SIP_EDGE__DATABASE__DSN": "mysql://u:s3cret@db/edge"},
        {"SIP_EDGE__DATABASE__DNS": "postgresql://u:s3cret@db/edge"},
        {"SIP_EDGE__DATABASE": "postgresql://u:s3cret@db/edge"},
        {"SIP_EDGE__DATABASE": '{"dsn": ["postgresql://u:s3cret@db/edge"]}'},
        {"SIP_EDGE__DATABASES": "postgresql://u:s3cret@db/edge"},
    ],
)
def test_problem_with_a_secret_does_not_print_it(environ: dict[str, str]) -> None:
    [line] = _problems(None, environ)

    assert "s3cret" not in line
    assert "atabase" in line.lower()


def test_long_value_is_cut_short_in_its_problem() -> None:
    [line] = _problems(None, {"SIP_EDGE__SIP__HOST": "x" * 10_000})

    assert len(line) < 200


def test_secret_is_not_repeated_when_it_is_wrong_and_needs_its_header() -> None:
    bad = _problems(
        None,
        {
            "SIP_EDGE__CARRIERS__TWILIO__SECRET": "hunter2",
            "SIP_EDGE__CARRIERS__TWILIO__SECRET_HEADER": "X-Edge-Secret",
        },
    )
    alone = _problems(None, {"SIP_EDGE__CARRIERS__TWILIO__SECRET": "correct-horse-battery"})

    assert bad == [
        "carriers.twilio.secret: must have 16 to 256 letters, digits, - and _;"
        " two, with a comma between them, while it is being changed"
    ]
    assert alone == ["carriers.twilio: secret and secret_header belong together"]


def test_secret_header_may_not_be_forwarded_to_workers() -> None:
    [line] = _problems(
        None,
        {
            "SIP_EDGE__CARRIERS__TWILIO__SECRET": "correct-horse-battery",
            "SIP_EDGE__CARRIERS__TWILIO__SECRET_HEADER": "X-Edge-Secret",
            "SIP_EDGE__DISPATCH__FORWARD_HEADERS": "X-Case, x-edge-secret",
        },
    )

    assert line == (
        "carriers: dispatch.forward_headers must not name X-Edge-Secret,"
        " the secret_header of twilio"
    )


def test_carrier_without_networks_is_told_what_it_lacks() -> None:
    [missing] = _problems(None, {"SIP_EDGE__CARRIERS__OFFICE__COUNTRY": "US"})
    [unknown] = _problems(None, {"SIP_EDGE__CARRIERS__OFFICE__NETWORKS": "published"})

    assert missing == "carriers.office.networks: is required"
    assert unknown == 'carriers.office: networks = "published" needs a provider: twilio or telnyx'
