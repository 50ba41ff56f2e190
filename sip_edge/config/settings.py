"""The whole configuration: one frozen model for each owner, every default checked.

`config/sip_edge.example.toml` says in one line why each of them exists; a test keeps the two equal.
"""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import (
    Field,
    SecretStr,
    ValidationInfo,
    field_serializer,
    field_validator,
    model_validator,
)
from pydantic_settings import (
    BaseSettings,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
)
from typing_extensions import override

from sip_edge.config.api import ApiSettings
from sip_edge.config.carriers import CarrierSettings, with_standard_carriers
from sip_edge.config.fields import (
    LONGEST_SECONDS,
    CarrierName,
    CommaList,
    HeaderName,
    Network,
    NetworkList,
    NotBool,
    Port,
    Seconds,
    without_password,
)
from sip_edge.config.limits import LimitSettings
from sip_edge.config.media import MediaSettings
from sip_edge.config.secrets import secrets_in
from sip_edge.config.section import Section
from sip_edge.config.sip import SipSettings


class HttpSettings(Section):
    """The listener for metrics, health and readiness."""

    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 8080


class DatabaseSettings(Section):
    """PostgreSQL: a server of your own (`dsn`) or the embedded one (`data_dir`)."""

    dsn: SecretStr | None = None
    data_dir: Path = Path("data/postgres")
    spool_dir: Path = Path("data/spool")
    heartbeat_seconds: Seconds = 5.0
    reconcile_seconds: Seconds = 60.0

    @field_validator("dsn", mode="after")
    @classmethod
    def _check_dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and without_password(value.get_secret_value()) is None:
            raise ValueError("must be a URL such as postgresql://user:password@host:5432/name")
        return value

    @field_serializer("dsn", when_used="json")
    def _redact_dsn(self, value: SecretStr | None) -> str | None:
        return None if value is None else without_password(value.get_secret_value())


class DispatchSettings(Section):
    """How a call is offered to agents' workers."""

    accept_timeout_seconds: Seconds = 0.9
    ringing_after_seconds: Seconds = 2.0
    deadline_seconds: Seconds = 10.0
    first_audio_timeout_seconds: Seconds | None = None
    ping_seconds: Seconds = 20.0
    forward_headers: Annotated[tuple[HeaderName, ...], Field(max_length=32), CommaList] = ()
    worker_ca_file: Path | None = None
    worker_networks: NetworkList = (
        ipaddress.IPv4Network("0.0.0.0/0"),
        ipaddress.IPv6Network("::/0"),
    )
    denied_networks: NetworkList = (
        ipaddress.IPv4Network("0.0.0.0/8"),
        ipaddress.IPv4Network("169.254.0.0/16"),
        ipaddress.IPv4Network("224.0.0.0/4"),
        ipaddress.IPv4Network("100.100.100.200/32"),
        ipaddress.IPv4Network("168.63.129.16/32"),
        ipaddress.IPv4Network("192.0.0.192/32"),
        ipaddress.IPv6Network("::/128"),
        ipaddress.IPv6Network("fe80::/10"),
        ipaddress.IPv6Network("ff00::/8"),
        ipaddress.IPv6Network("fd00:ec2::254/128"),
        ipaddress.IPv6Network("fd20:ce::254/128"),
    )

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.accept_timeout_seconds > self.deadline_seconds:
            raise ValueError(
                f"accept_timeout_seconds ({self.accept_timeout_seconds:g}) must not exceed"
                f" deadline_seconds ({self.deadline_seconds:g})"
            )
        if self.worker_ca_file is not None and not self.worker_ca_file.is_file():
            raise ValueError(f"worker_ca_file {str(self.worker_ca_file)!r} is not a file")
        return self


class VoicemailSettings(Section):
    """Where messages are kept and when a recording ends."""

    directory: Path = Path("data/voicemail")
    max_seconds: Seconds = 120.0
    silence_seconds: Seconds = 5.0


class LoggingSettings(Section):
    """What is logged, and how."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"
    full_numbers: bool = False


class ShutdownSettings(Section):
    """How the server ends."""

    drain_seconds: Annotated[
        float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False), NotBool
    ] = 60.0


class Config(BaseSettings):
    """The whole configuration. `Config()` is all defaults; `load_config` reads the outside."""

    model_config = SettingsConfigDict(
        frozen=True,
        extra="forbid",
        validate_default=True,
        env_prefix="SIP_EDGE__",
        env_nested_delimiter="__",
    )

    sip: SipSettings = SipSettings()
    http: HttpSettings = HttpSettings()
    api: ApiSettings = ApiSettings()
    database: DatabaseSettings = DatabaseSettings()
    media: MediaSettings = MediaSettings()
    dispatch: DispatchSettings = DispatchSettings()
    voicemail: VoicemailSettings = VoicemailSettings()
    limits: LimitSettings = LimitSettings()
    carriers: dict[CarrierName, CarrierSettings] = Field(
        default_factory=lambda: with_standard_carriers({})
    )
    logging: LoggingSettings = LoggingSettings()
    shutdown: ShutdownSettings = ShutdownSettings()

    @field_validator("carriers", mode="before")
    @classmethod
    def _complete_carriers(cls, value: object) -> object:
        """Let one line change a carrier that exists without being configured."""
        return with_standard_carriers(value) if isinstance(value, dict) else value

    @field_validator("carriers", mode="after")
    @classmethod
    def _keep_secrets_from_workers(
        cls, value: dict[str, CarrierSettings], info: ValidationInfo
    ) -> dict[str, CarrierSettings]:
        dispatch: DispatchSettings | None = info.data.get("dispatch")
        forwarded = () if dispatch is None else dispatch.forward_headers
        names = {name.lower() for name in forwarded}
        for name, carrier in value.items():
            if carrier.secret_header is not None and carrier.secret_header.lower() in names:
                raise ValueError(
                    f"dispatch.forward_headers must not name {carrier.secret_header},"
                    f" the secret_header of {name}"
                )
        return value

    @field_validator("carriers", mode="after")
    @classmethod
    def _check_carriers(cls, value: dict[str, CarrierSettings]) -> dict[str, CarrierSettings]:
        enabled = {name: carrier for name, carrier in value.items() if carrier.enabled}
        if not enabled:
            raise ValueError("at least one carrier must be enabled")
        owners: dict[Network, str] = {}
        for name, carrier in enabled.items():
            for network in carrier.networks:
                other = owners.setdefault(network, name)
                if other != name:
                    raise ValueError(f"{network} belongs to both {other} and {name}")
        return enabled

    @override
    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what the constructor is given: building a configuration reads nothing."""
        return (init_settings,)

    def secrets(self) -> tuple[str, ...]:
        """What must never be written anywhere."""
        return secrets_in(self)

    def redacted(self) -> dict[str, object]:
        """The configuration as JSON values, without secrets, for logs and `check-config`."""
        return self.model_dump(mode="json")
