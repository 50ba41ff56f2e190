"""Reads the configuration: a TOML file, overridden by the environment; all problems at once."""

from __future__ import annotations

import ipaddress
import socket
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError
from pydantic.fields import FieldInfo
from pydantic_settings import EnvSettingsSource, TomlConfigSettingsSource
from typing_extensions import override

from sip_edge.config.problems import describe, unknown_name
from sip_edge.config.settings import Config
from sip_edge.config.sip import SipSettings

PREFIX: Final = "SIP_EDGE__"
SEPARATOR: Final = "__"

_ELSEWHERE: Final = {socket.AF_INET: "192.0.2.1", socket.AF_INET6: "2001:db8::1"}
"""Addresses for documentation (RFC 5737, RFC 3849): routed like any other, and nobody's."""


class ConfigError(Exception):
    """The configuration cannot be used. `problems` has one line for each thing to put right."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in `path` (None: no file), overridden by `SIP_EDGE__...` in `environ`.

    Tables are merged, anything else is replaced. Raises ConfigError with all problems.
    """
    from_file = {} if path is None else _read_file(path)
    from_environment = _EnvironmentSource(environ)()
    problems = _unknown_sections(environ)
    config = Config.model_construct()
    try:
        config = Config(**_merge(from_file, from_environment))
    except ValidationError as error:
        problems += describe(error.errors(include_url=False))
    if problems:
        raise ConfigError(tuple(problems))
    return config


def public_address(settings: SipSettings) -> str:
    """The address that Contact and SDP advertise.

    When the listeners are bound to all addresses and none is configured, it is the one that the
    default route leaves from. Raises ConfigError if there is no such route.
    """
    if settings.public_address is not None:
        return settings.public_address
    host = ipaddress.ip_address(settings.host)
    if not host.is_unspecified:
        return settings.host
    family = socket.AF_INET if host.version == 4 else socket.AF_INET6
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as probe:
            # Connecting a UDP socket sends nothing: the kernel only chooses the way out.
            probe.connect((_ELSEWHERE[family], 9))
            return str(probe.getsockname()[0])
    except OSError as error:
        raise ConfigError(
            (
                "sip.public_address: set it to the address that callers reach; with sip.host ="
                f' "{settings.host}" and no default route it cannot be guessed ({error.strerror})',
            )
        ) from error


class _EnvironmentSource(EnvSettingsSource):
    """pydantic-settings' reader of the environment, over a mapping that is handed in.

    Names come sorted, so that `...LOCAL={json}` is read before `...LOCAL__COUNTRY`, which then
    changes it; an empty value counts as not set. What is no JSON where a table or list is wanted
    is left as text, for the model to judge together with everything else.
    """

    def __init__(self, environ: Mapping[str, str]) -> None:
        self._environ = {name.lower(): environ[name] for name in sorted(environ) if environ[name]}
        super().__init__(Config)

    @override
    def _load_env_vars(self) -> Mapping[str, str | None]:
        return self._environ

    @override
    def decode_complex_value(self, field_name: str, field: FieldInfo, value: Any) -> Any:
        try:
            return super().decode_complex_value(field_name, field, value)
        except ValueError:
            return value


def _read_file(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise ConfigError((f"{path}: there is no such file",))
    try:
        return TomlConfigSettingsSource(Config, toml_file=path)()
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ConfigError((f"{path}: is not valid TOML: {error}",)) from error
    except OSError as error:
        raise ConfigError((f"{path}: cannot be read: {error.strerror}",)) from error


def _unknown_sections(environ: Mapping[str, str]) -> list[str]:
    """Variables that name no section; pydantic-settings passes them over in silence."""
    problems = []
    for name in sorted(environ):
        if name.upper().startswith(PREFIX):
            section = name[len(PREFIX) :].lower().split(SEPARATOR)[0]
            if section not in Config.model_fields:
                problems.append(unknown_name(name, section, Config.model_fields))
    return problems


def _merge(base: dict[str, Any], override_with: dict[str, Any]) -> dict[str, Any]:
    merged = dict(base)
    for key, value in override_with.items():
        old = merged.get(key)
        if isinstance(old, dict) and isinstance(value, dict):
            merged[key] = _merge(old, value)
        else:
            merged[key] = value
    return merged
