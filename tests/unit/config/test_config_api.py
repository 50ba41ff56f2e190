"""Settings of the control API."""

from __future__ import annotations

import base64

import pytest
from pydantic import SecretStr

from sip_edge.config import ConfigError, encryption_key, load_config

KEY = bytes(range(32))
KEY_TEXT = base64.b64encode(KEY).decode()


def problems(**variables: str) -> tuple[str, ...]:
    """What is wrong with these settings of `[api]`."""
    environ = {f"SIP_EDGE__API__{name.upper()}": value for name, value in variables.items()}
    with pytest.raises(ConfigError) as caught:
        load_config(None, environ)
    return caught.value.problems


@pytest.mark.parametrize(
    "text", [KEY_TEXT, base64.urlsafe_b64encode(KEY).decode(), KEY.hex(), f" {KEY_TEXT}\n"]
)
def test_key_is_32_bytes_however_they_are_written(text: str) -> None:
    assert encryption_key(SecretStr(text)) == KEY


@pytest.mark.parametrize("text", ["hunter2", "AAAA", KEY_TEXT[:-4], "ü" * 44, "0" * 63])
def test_what_is_no_key_is_refused_and_never_repeated(text: str) -> None:
    (problem,) = problems(encryption_key=text)

    assert "must be 32 bytes" in problem
    assert text not in problem


def test_keys_stay_out_of_what_is_shown() -> None:
    config = load_config(
        None,
        {
            "SIP_EDGE__API__ENCRYPTION_KEY": KEY_TEXT,
            "SIP_EDGE__API__PREVIOUS_ENCRYPTION_KEYS": f"{KEY.hex()}, {KEY_TEXT}",
        },
    )

    assert len(config.api.previous_encryption_keys) == 2
    assert KEY_TEXT not in str(config.redacted())
    assert KEY.hex() not in str(config.redacted()) + repr(config)


def test_old_keys_make_no_sense_without_a_new_one() -> None:
    (problem,) = problems(previous_encryption_keys=KEY_TEXT)

    assert "must not be set without encryption_key" in problem


def test_tokens_need_issuer_audience_and_keys() -> None:
    (problem,) = problems(jwt_issuer="https://auth.example.com/")

    assert "must be set together" in problem


def test_key_set_is_not_fetched_in_clear() -> None:
    (problem,) = problems(jwt_keys="http://auth.example.com/jwks.json")

    assert "https://" in problem


def test_workers_may_be_anywhere_unless_the_operator_says_otherwise() -> None:
    config = load_config(None, {})
    assert [str(network) for network in config.dispatch.worker_networks] == ["0.0.0.0/0", "::/0"]

    narrowed = load_config(None, {"SIP_EDGE__DISPATCH__WORKER_NETWORKS": "10.0.0.0/8"})
    assert [str(network) for network in narrowed.dispatch.worker_networks] == ["10.0.0.0/8"]
