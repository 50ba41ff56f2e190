"""What the settings are and what they may be."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from pydantic import ValidationError

from sip_edge.config import (
    CarrierSettings,
    Config,
    LimitSettings,
    MediaSettings,
    SipSettings,
)
from sip_edge.media.sdes import SrtpPolicy
from sip_edge.routing.refusal import Refusal


def test_without_configuration_this_machine_and_the_published_carriers_may_call() -> None:
    carriers = Config().carriers

    assert list(carriers) == ["local", "twilio", "telnyx"]
    assert carriers["local"].networks == (IPv4Network("127.0.0.0/8"), IPv6Network("::1/128"))
    assert IPv4Network("54.172.60.0/30") in carriers["twilio"].networks
    assert IPv4Network("192.76.120.10/32") in carriers["telnyx"].networks
    assert carriers["local"].provider is None
    assert [carriers[name].provider for name in ("twilio", "telnyx")] == ["twilio", "telnyx"]


def test_table_of_a_standard_carrier_changes_only_what_it_names() -> None:
    config = Config.model_validate({"carriers": {"telnyx": {"responses": {"no_codec": 480}}}})

    assert list(config.carriers) == ["telnyx", "local", "twilio"]
    assert config.carriers["telnyx"].responses == {Refusal.NO_CODEC: 480}
    assert config.carriers["telnyx"].has_published_networks


def test_own_networks_replace_the_published_ones() -> None:
    config = Config.model_validate({"carriers": {"twilio": {"networks": ["192.0.2.0/24"]}}})

    assert config.carriers["twilio"].networks == (IPv4Network("192.0.2.0/24"),)
    assert config.carriers["twilio"].provider == "twilio"
    assert not config.carriers["twilio"].has_published_networks


def test_carrier_that_is_not_enabled_is_not_there() -> None:
    config = Config.model_validate({"carriers": {"local": {"enabled": False}}})

    assert list(config.carriers) == ["twilio", "telnyx"]


def test_own_carrier_takes_the_published_networks_of_its_provider() -> None:
    carrier = CarrierSettings.model_validate({"provider": "telnyx", "networks": "published"})

    assert carrier.has_published_networks


def test_secret_is_never_shown() -> None:
    secret = {"secret_header": "X-Edge-Secret", "secret": "correct-horse-battery"}
    config = Config.model_validate({"carriers": {"twilio": secret}})

    assert "horse" not in repr(config) + str(config.redacted())
    assert config.carriers["twilio"].secret is not None
    assert config.carriers["twilio"].secret.get_secret_value() == "correct-horse-battery"


def test_two_secrets_hold_while_one_takes_the_others_place() -> None:
    table = {"secret_header": "X-Edge-Secret", "secret": "new-0123456789abcdef, old-0123456789abcd"}
    config = Config.model_validate({"carriers": {"twilio": table}})

    twilio = config.carriers["twilio"]
    assert twilio.secrets == (b"new-0123456789abcdef", b"old-0123456789abcd")
    assert config.carriers["telnyx"].secrets == ()


def test_source_may_not_be_allowed_more_than_all_of_them_are() -> None:
    with pytest.raises(ValidationError):
        LimitSettings(requests_per_second=10, requests_per_second_per_source=11)


def test_building_a_configuration_does_not_read_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("SIP_EDGE__SIP__PORT", "5999")

    assert Config().sip.port == 5060


def test_settings_cannot_be_changed() -> None:
    config = Config()

    with pytest.raises(ValidationError):
        config.sip.port = 5061


@pytest.mark.parametrize(
    ("port_min", "port_max", "pairs"),
    [(20000, 20001, 1), (20000, 29999, 5000), (20001, 20004, 1), (20001, 20005, 2)],
)
def test_a_pair_of_ports_begins_at_an_even_one(port_min: int, port_max: int, pairs: int) -> None:
    assert MediaSettings(port_min=port_min, port_max=port_max).pairs == pairs


@pytest.mark.parametrize(("port_min", "port_max"), [(20001, 20002), (20000, 20000), (0, 9)])
def test_port_range_without_a_pair_is_refused(port_min: int, port_max: int) -> None:
    with pytest.raises(ValidationError):
        MediaSettings(port_min=port_min, port_max=port_max)


def test_status_of_a_refusal_is_overridden_by_its_name() -> None:
    carrier = CarrierSettings.model_validate(
        {"networks": ["192.0.2.7"], "responses": {"number_busy": 480}}
    )

    assert carrier.responses == {Refusal.NUMBER_BUSY: 480}
    assert carrier.networks == (IPv4Network("192.0.2.7/32"),)


@pytest.mark.parametrize("policy", SrtpPolicy)
def test_sound_of_a_carrier_is_encrypted_as_it_offers_or_as_its_setting_says(
    policy: SrtpPolicy,
) -> None:
    config = Config.model_validate({"carriers": {"twilio": {"srtp": policy.value}}})

    assert config.carriers["twilio"].srtp is policy
    assert config.carriers["telnyx"].srtp is SrtpPolicy.OPTIONAL


def test_country_is_written_in_capitals() -> None:
    carrier = CarrierSettings.model_validate({"networks": ["192.0.2.7"], "country": "gb"})

    assert carrier.country == "GB"


def test_bracketed_and_local_host_names_become_addresses() -> None:
    assert SipSettings(host="[::1]").host == "::1"
    assert SipSettings(host="localhost").host == "127.0.0.1"


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:s3cret@db:5432/edge", "postgresql://u:***@db:5432/edge"),
        ("postgres://db/edge?password=s3cret", "postgres://db/edge"),
        ("postgresql://u:s3cret@[2001:db8::7]/edge", "postgresql://u:***@[2001:db8::7]/edge"),
    ],
)
def test_password_of_the_database_is_never_shown(dsn: str, shown: str) -> None:
    config = Config.model_validate({"database": {"dsn": dsn}})

    assert config.redacted()["database"]["dsn"] == shown  # type: ignore[index]
    assert "s3cret" not in repr(config)
    assert config.database.dsn is not None
    assert config.database.dsn.get_secret_value() == dsn


def test_rtp_may_come_from_what_the_provider_publishes_or_from_the_carriers_own_networks() -> None:
    table = {"office": {"networks": ["192.0.2.0/24"]}, "twilio": {"networks": ["198.51.100.1"]}}
    carriers = Config.model_validate({"carriers": table}).carriers

    assert carriers["office"].media_networks == (IPv4Network("192.0.2.0/24"),)
    assert carriers["local"].media_networks == carriers["local"].networks
    assert carriers["twilio"].media_networks == (IPv4Network("168.86.128.0/18"),)
    assert IPv4Network("64.16.226.0/24") in carriers["telnyx"].media_networks


def test_rtp_may_be_told_to_come_from_nowhere_else() -> None:
    config = Config.model_validate({"carriers": {"twilio": {"media_networks": []}}})

    assert config.carriers["twilio"].media_networks == ()
    assert config.carriers["twilio"].has_published_networks
