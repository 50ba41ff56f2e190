"""How the upgrade request is signed."""

from __future__ import annotations

import pytest

from sip_edge.agents.signature import SecretError, twilio_signature, upgrade_headers
from sip_edge.routing.plan import WorkerOptions

URL = "wss://agent.example.com/ws"
ENVIRONMENT = {"SIGNING": "12345", "TOKEN": "abc.DEF-123", "EMPTY": "", "BROKEN": "a\r\nX: y"}


def test_the_signature_is_base64_of_hmac_sha1_over_the_url() -> None:
    # openssl: printf %s "wss://agent.example.com/ws" | openssl dgst -sha1 -hmac 12345 -binary
    #          | base64
    assert twilio_signature("12345", URL) == "EkYXPDEnE1q+USz3TkWRAFcz5XI="


@pytest.mark.parametrize(
    "other",
    [
        "https://agent.example.com/ws",
        "wss://agent.example.com/ws/",
        "wss://agent.example.com:8443/ws",
        "wss://agent.example.com/ws?x=1",
    ],
)
def test_every_letter_of_the_url_counts(other: str) -> None:
    assert twilio_signature("12345", other) != twilio_signature("12345", URL)


def test_an_agent_without_secrets_gets_no_headers() -> None:
    assert upgrade_headers(URL, WorkerOptions(), ENVIRONMENT) == []


def test_secrets_come_from_the_environment_that_was_given() -> None:
    options = WorkerOptions(signing_secret="env:SIGNING", bearer_token="env:TOKEN")

    assert upgrade_headers(URL, options, ENVIRONMENT) == [
        ("X-Twilio-Signature", "EkYXPDEnE1q+USz3TkWRAFcz5XI="),
        ("Authorization", "Bearer abc.DEF-123"),
    ]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (WorkerOptions(signing_secret="env:MISSING"), "MISSING is not set"),
        (WorkerOptions(bearer_token="env:EMPTY"), "EMPTY is not set"),
        (WorkerOptions(bearer_token="env:"), "is not set"),
        (WorkerOptions(signing_secret="s3cret"), "must be env:NAME"),
        (WorkerOptions(bearer_token="s3cret"), "must be env:NAME"),
        (WorkerOptions(bearer_token="env:BROKEN"), "no header may hold"),
    ],
)
def test_a_secret_that_is_not_there_is_a_fault_of_the_configuration(
    options: WorkerOptions, why: str
) -> None:
    with pytest.raises(SecretError, match=why) as caught:
        upgrade_headers(URL, options, ENVIRONMENT)

    assert "s3cret" not in str(caught.value)
    assert "X: y" not in str(caught.value)
