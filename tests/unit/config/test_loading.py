"""A file, the environment, and all that can be wrong with them."""

from __future__ import annotations

from ipaddress import IPv4Network
from pathlib import Path
from typing import TypeGuard

import pytest
from pydantic import BaseModel

from sip_edge.config import Config, ConfigError, SipSettings, load_config, public_address

EXAMPLE = Path(__file__).parents[3] / "config" / "sip_edge.example.toml"


def _file(folder: Path, text: str) -> Path:
    path = folder / "edge.toml"
    path.write_text(text)
    return path


def _problems(path: Path | None, environ: dict[str, str]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        load_config(path, environ)
    return str(caught.value).splitlines()


def _example_names() -> list[tuple[str, str]]:
    names = []
    for section, field in Config.model_fields.items():
        if _is_table(field.annotation):
            names += _names_in(section, field.annotation)
    carrier = Config().carriers["local"]
    return names + [("carriers.local", name) for name in type(carrier).model_fields]


def _names_in(section: str, model: type[BaseModel]) -> list[tuple[str, str]]:
    """Settings by their table; a table within a table is one of its own."""
    names = []
    for name, field in model.model_fields.items():
        if _is_table(field.annotation):
            names += _names_in(f"{section}.{name}", field.annotation)
        else:
            names.append((section, name))
    return names


def _is_table(model: object) -> TypeGuard[type[BaseModel]]:
    return isinstance(model, type) and issubclass(model, BaseModel)


def test_example_file_holds_the_defaults() -> None:
    assert load_config(EXAMPLE, {}) == Config()


@pytest.mark.parametrize(("section", "name"), _example_names())
def test_example_file_names_every_setting(section: str, name: str) -> None:
    text = EXAMPLE.read_text()
    table = text.split(f"\n[{section}]\n", 1)[1].split("\n[", 1)[0].split("\n# [", 1)[0]
    lines = [line.removeprefix("# ") for line in table.splitlines()]

    assert any(line.startswith(f"{name} = ") for line in lines)


def test_without_file_and_environment_there_are_the_defaults() -> None:
    assert load_config(None, {"PATH": "/bin", "SIP_EDGE_OTHER": "x"}) == Config()


def test_environment_wins_over_the_file(tmp_path: Path) -> None:
    path = _file(tmp_path, "[sip]\nport = 5070\nmax_calls = 7\n")

    config = load_config(path, {"SIP_EDGE__SIP__PORT": "5080"})

    assert (config.sip.port, config.sip.max_calls) == (5080, 7)


def test_whole_table_comes_from_the_environment_as_json() -> None:
    config = load_config(
        None, {"SIP_EDGE__CARRIERS": '{"office": {"networks": ["192.0.2.0/24"], "country": "JP"}}'}
    )

    assert list(config.carriers) == ["office", "local", "twilio", "telnyx"]
    assert config.carriers["office"].networks == (IPv4Network("192.0.2.0/24"),)
    assert config.carriers["office"].country == "JP"


@pytest.mark.parametrize("table", ["SIP_EDGE__CARRIERS", "SIP_EDGE__CARRIERS__OFFICE"])
def test_one_value_inside_a_json_table_is_overridden(table: str) -> None:
    office = '{"networks": ["192.0.2.0/24"], "provider": "telnyx"}'
    value = office if table.endswith("OFFICE") else f'{{"office": {office}}}'

    config = load_config(None, {"SIP_EDGE__CARRIERS__OFFICE__COUNTRY": "US", table: value})

    assert config.carriers["office"].country == "US"
    assert config.carriers["office"].provider == "telnyx"


def test_carrier_in_a_file_keeps_what_the_environment_does_not_name(tmp_path: Path) -> None:
    path = _file(tmp_path, '[carriers.office]\nnetworks = ["192.0.2.1"]\nprovider = "twilio"\n')

    config = load_config(path, {"SIP_EDGE__CARRIERS__OFFICE__PROVIDER": "telnyx"})

    assert config.carriers["office"].provider == "telnyx"
    assert config.carriers["office"].networks == (IPv4Network("192.0.2.1/32"),)


def test_country_of_the_carrier_that_is_there_by_default_takes_one_line() -> None:
    config = load_config(None, {"SIP_EDGE__CARRIERS__LOCAL__COUNTRY": "US"})

    assert config.carriers["local"].country == "US"
    assert config.carriers["local"].networks == Config().carriers["local"].networks


def test_list_in_the_environment_is_json_or_separated_by_commas() -> None:
    as_json = {"SIP_EDGE__SIP__TRANSPORTS": '["tcp"]'}
    as_text = {"SIP_EDGE__DISPATCH__FORWARD_HEADERS": "X-Twilio-CallSid, X-Case"}

    assert load_config(None, as_json).sip.transports == ("tcp",)
    assert load_config(None, as_text).dispatch.forward_headers == ("X-Twilio-CallSid", "X-Case")


def test_empty_variable_counts_as_not_set() -> None:
    assert load_config(None, {"SIP_EDGE__SIP__PUBLIC_ADDRESS": ""}) == Config()


def test_network_that_two_carriers_claim_is_refused() -> None:
    [line] = _problems(
        None,
        {
            "SIP_EDGE__CARRIERS__A__NETWORKS": "192.0.2.0/24",
            "SIP_EDGE__CARRIERS__B__NETWORKS": "192.0.2.0/24",
        },
    )

    assert line == "carriers: 192.0.2.0/24 belongs to both a and b"


def test_missing_file_is_one_line_that_names_it(tmp_path: Path) -> None:
    path = tmp_path / "absent.toml"

    assert _problems(path, {}) == [f"{path}: there is no such file"]


def test_file_that_is_no_toml_is_one_line_that_says_where(tmp_path: Path) -> None:
    path = _file(tmp_path, "[sip]\nport 5060\n")

    [line] = _problems(path, {})

    assert line.startswith(f"{path}: is not valid TOML: ")
    assert "line 2" in line


def test_file_that_is_no_text_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_bytes(b"\xff\xfe\x00")

    [line] = _problems(path, {})

    assert line.startswith(f"{path}: is not valid TOML: ")


def test_advertised_address_is_the_configured_one_or_the_listeners() -> None:
    behind_nat = SipSettings(host="0.0.0.0", public_address="203.0.113.10")

    assert public_address(behind_nat) == "203.0.113.10"
    assert public_address(SipSettings(host="192.0.2.4")) == "192.0.2.4"


@pytest.mark.enable_socket
def test_listener_on_all_addresses_advertises_the_default_routes_address_or_asks_for_one() -> None:
    try:
        address = public_address(SipSettings(host="0.0.0.0"))
    except ConfigError as error:
        address = str(error)

    assert address != "0.0.0.0"
    assert "." in address
