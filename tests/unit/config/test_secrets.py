"""Which texts of a configuration are secrets."""

from __future__ import annotations

from sip_edge.config import Config
from sip_edge.config.secrets import secrets_in


def test_secrets_of_carriers_and_the_passwords_of_urls_are_found_longest_first() -> None:
    secret = "correct-horse-battery,staple-0123456789"
    config = Config.model_validate(
        {
            "database": {"dsn": "postgresql://edge:p%40ssword-of-db@db.example.com:5432/edge"},
            "carriers": {"twilio": {"secret_header": "X-Edge-Secret", "secret": secret}},
        }
    )

    assert secrets_in(config) == (
        secret,
        "correct-horse-battery",
        "staple-0123456789",
        "p%40ssword-of-db",
        "p@ssword-of-db",
    )


def test_url_without_a_password_and_a_configuration_without_secrets_hold_none() -> None:
    without = Config.model_validate({"database": {"dsn": "postgresql://db.example.com/edge"}})

    assert secrets_in(without) == ()
    assert secrets_in(Config()) == ()


def test_word_that_stands_in_many_lines_is_not_taken_for_a_secret() -> None:
    config = Config.model_validate({"database": {"dsn": "postgresql://postgres:postgres@db/edge"}})

    assert secrets_in(config) == ()
