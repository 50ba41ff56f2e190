"""Every setting, its default and what it may be: one frozen model for each owner.

`config/sip_edge.example.toml` says in one line why each of them exists; a test keeps the two equal.
"""

from __future__ import annotations

import ipaddress
import json
from pathlib import Path
from typing import Annotated, Final, Literal, Self
from urllib.parse import urlsplit, urlunsplit

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    SecretStr,
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

from sip_edge.routing.refusal import Refusal

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_SECONDS: Final = 86_400.0
"""A day: whatever is longer was meant in milliseconds."""
PORTS_PER_CALL: Final = 2
"""An even port for RTP and the odd one above it for RTCP (RFC 3550 section 11)."""
LOCAL_CARRIER: Final = "local"
LOOPBACK: Final[tuple[Network, ...]] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)


def _refuse_truth_value(value: object) -> object:
    """`port = true` is a mistake, not port 1."""
    if isinstance(value, bool):
        raise ValueError("must be a number")
    return value


def _split_list(value: object) -> object:
    """Let the environment write a list as `a, b` instead of JSON."""
    if not isinstance(value, str):
        return value
    if value.lstrip().startswith("["):
        try:
            return json.loads(value)
        except ValueError:
            return value
    return [item.strip() for item in value.split(",") if item.strip()]


def _parse_network(value: object) -> object:
    if isinstance(value, Network):
        return value
    if not isinstance(value, str):
        raise ValueError('must be a network such as "192.0.2.0/24" or one address')
    try:
        return ipaddress.ip_network(value.strip())
    except ValueError as error:
        raise ValueError(
            f'{error}; must be a network such as "192.0.2.0/24" or one address'
        ) from error


def _numeric_address(value: str) -> str:
    """SIP and SDP name addresses, so a name here would have to be resolved by every peer."""
    if value == "localhost":
        return "127.0.0.1"
    try:
        return str(ipaddress.ip_address(value.strip().removeprefix("[").removesuffix("]")))
    except ValueError:
        raise ValueError("must be a numeric IPv4 or IPv6 address") from None


def _extension_header(value: str) -> str:
    """Only `X-` headers: the others are the edge's own business."""
    name = value.removeprefix("X-").removeprefix("x-")
    if name == value or not name.replace("-", "").isalnum() or not name.isascii():
        raise ValueError('must be the name of an X- header such as "X-Twilio-CallSid"')
    return value


def _visible_text(value: str) -> str:
    """Sent as it is in a header, so nothing may end the line or need quoting."""
    if not (value.isascii() and value.isprintable() and value.strip() == value and value):
        raise ValueError("must be visible ASCII text")
    return value


def _final_status(value: int) -> int:
    """A refusal must refuse: neither provisional, nor success, nor redirection."""
    if not 400 <= value <= 699:
        raise ValueError("must be a status from 400 to 699")
    return value


def _carrier_name(value: str) -> str:
    """Lower case, because the environment cannot say any other."""
    letters = value.replace("_", "").replace("-", "")
    if not (letters.isascii() and letters.isalnum() and value == value.lower()):
        raise ValueError("must be a name of lower-case letters, digits, - and _")
    return value


_Number = BeforeValidator(_refuse_truth_value)
_List = BeforeValidator(_split_list)
Port = Annotated[int, Field(ge=0, le=65_535), _Number]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS, allow_inf_nan=False), _Number]
Count = Annotated[int, Field(ge=1, le=1_000_000), _Number]
NumericAddress = Annotated[str, AfterValidator(_numeric_address)]
NetworkField = Annotated[Network, BeforeValidator(_parse_network)]
NetworkList = Annotated[tuple[NetworkField, ...], _List]
HeaderName = Annotated[str, AfterValidator(_extension_header)]
Status = Annotated[int, AfterValidator(_final_status), _Number]


class _Section(BaseModel):
    """A table of the configuration: frozen, defaults checked too, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


class SipSettings(_Section):
    """The SIP listeners and what they tell others to send to."""

    host: NumericAddress = "127.0.0.1"
    port: Port = 5060
    public_address: NumericAddress | None = None
    public_port: Port | None = None
    transports: Annotated[
        tuple[Literal["udp", "tcp"], ...], Field(min_length=1, max_length=2), _List
    ] = ("udp", "tcp")
    user_agent: Annotated[str, Field(max_length=128), AfterValidator(_visible_text)] = "sip-edge"
    max_calls: Count = 250
    max_transactions: Count = 20_000
    max_connections: Count = 1_000
    max_connections_per_source: Count = 64
    connection_idle_seconds: Seconds = 600.0
    receive_buffer_bytes: Annotated[int, Field(ge=65_536, le=1 << 30), _Number] = 4 << 20

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.public_address is not None and _is_unspecified(self.public_address):
            raise ValueError("public_address must be an address that callers can reach")
        if len(set(self.transports)) != len(self.transports):
            raise ValueError("transports names one of them twice")
        return self


class HttpSettings(_Section):
    """The listener for metrics, health and readiness."""

    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 8080


class DatabaseSettings(_Section):
    """PostgreSQL: a server of your own (`dsn`) or the embedded one (`data_dir`)."""

    dsn: SecretStr | None = None
    data_dir: Path = Path("data/postgres")
    connect_timeout_seconds: Seconds = 5.0
    query_timeout_seconds: Seconds = 1.0
    heartbeat_seconds: Seconds = 5.0
    reconcile_seconds: Seconds = 300.0

    @field_validator("dsn", mode="after")
    @classmethod
    def _check_dsn(cls, value: SecretStr | None) -> SecretStr | None:
        if value is not None and _without_password(value.get_secret_value()) is None:
            raise ValueError("must be a URL such as postgresql://user:password@host:5432/name")
        return value

    @field_serializer("dsn", when_used="json")
    def _redact_dsn(self, value: SecretStr | None) -> str | None:
        return None if value is None else _without_password(value.get_secret_value())


class MediaSettings(_Section):
    """RTP: its ports and how long things may last."""

    port_min: Port = 20_000
    port_max: Port = 29_999
    quarantine_seconds: Seconds = 10.0
    rtp_timeout_seconds: Seconds = 30.0
    max_queued_seconds: Seconds = 300.0
    symmetric: bool = True

    @property
    def pairs(self) -> int:
        """How many pairs of an even port and the odd one above it the range holds."""
        first = self.port_min + self.port_min % PORTS_PER_CALL
        return max(0, (self.port_max + 1 - first) // PORTS_PER_CALL)

    @model_validator(mode="after")
    def _check(self) -> Self:
        if self.port_min == 0:
            raise ValueError("port_min must be from 1 to 65534")
        if self.port_min >= self.port_max:
            raise ValueError(f"port_min ({self.port_min}) must be below port_max ({self.port_max})")
        if self.pairs == 0:
            raise ValueError("port_min to port_max must hold an even port and the odd one above it")
        return self


class DispatchSettings(_Section):
    """How a call is offered to agents' workers."""

    accept_timeout_seconds: Seconds = 0.9
    ringing_after_seconds: Seconds = 2.0
    deadline_seconds: Seconds = 10.0
    first_audio_timeout_seconds: Seconds | None = None
    ping_seconds: Seconds = 10.0
    forward_headers: Annotated[tuple[HeaderName, ...], Field(max_length=32), _List] = ()
    worker_ca_file: Path | None = None
    denied_networks: NetworkList = (
        ipaddress.IPv4Network("0.0.0.0/8"),
        ipaddress.IPv4Network("169.254.0.0/16"),
        ipaddress.IPv4Network("224.0.0.0/4"),
        ipaddress.IPv6Network("fe80::/10"),
        ipaddress.IPv6Network("ff00::/8"),
        ipaddress.IPv6Network("fd00:ec2::254/128"),
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


class VoicemailSettings(_Section):
    """Where messages are kept and when a recording ends."""

    directory: Path = Path("data/voicemail")
    max_seconds: Seconds = 120.0
    silence_seconds: Seconds = 5.0


class CarrierSettings(_Section):
    """Who may call: the networks that a carrier's signalling comes from.

    `country` is where a called number without a country code belongs; `responses` replaces the
    status of a refusal for this carrier.
    """

    networks: Annotated[NetworkList, Field(min_length=1, max_length=1_000)]
    provider: Literal["twilio", "telnyx"] | None = None
    country: str | None = None
    responses: dict[Refusal, Status] = Field(default_factory=dict)

    @field_validator("country", mode="after")
    @classmethod
    def _check_country(cls, value: str | None) -> str | None:
        if value is None:
            return None
        # Costs 50 ms, and only a configuration that names a country needs it.
        from phonenumbers import SUPPORTED_REGIONS

        if value.upper() not in SUPPORTED_REGIONS:
            raise ValueError('must be a country\'s two letters (ISO 3166) such as "US" or "GB"')
        return value.upper()


class LoggingSettings(_Section):
    """What is logged, and how."""

    format: Literal["json", "console"] = "json"
    level: Literal["debug", "info", "warning", "error"] = "info"
    full_numbers: bool = False


class ShutdownSettings(_Section):
    """How the server ends."""

    drain_seconds: Annotated[
        float, Field(ge=0, le=LONGEST_SECONDS, allow_inf_nan=False), _Number
    ] = 60.0


CarrierName = Annotated[str, Field(max_length=32), AfterValidator(_carrier_name)]


def _loopback_only() -> dict[str, CarrierSettings]:
    return {LOCAL_CARRIER: CarrierSettings(networks=LOOPBACK)}


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
    database: DatabaseSettings = DatabaseSettings()
    media: MediaSettings = MediaSettings()
    dispatch: DispatchSettings = DispatchSettings()
    voicemail: VoicemailSettings = VoicemailSettings()
    carriers: Annotated[dict[CarrierName, CarrierSettings], Field(min_length=1)] = Field(
        default_factory=_loopback_only
    )
    logging: LoggingSettings = LoggingSettings()
    shutdown: ShutdownSettings = ShutdownSettings()

    @field_validator("carriers", mode="before")
    @classmethod
    def _complete_local_carrier(cls, value: object) -> object:
        """Let one line set the country of the carrier that exists without being configured."""
        if not isinstance(value, dict) or not isinstance(value.get(LOCAL_CARRIER), dict):
            return value
        return {**value, LOCAL_CARRIER: {"networks": LOOPBACK, **value[LOCAL_CARRIER]}}

    @field_validator("carriers", mode="after")
    @classmethod
    def _check_carriers(cls, value: dict[str, CarrierSettings]) -> dict[str, CarrierSettings]:
        owners: dict[Network, str] = {}
        for name, carrier in value.items():
            for network in carrier.networks:
                other = owners.setdefault(network, name)
                if other != name:
                    raise ValueError(f"{network} belongs to both {other} and {name}")
        return value

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

    def redacted(self) -> dict[str, object]:
        """The configuration as JSON values, without secrets, for logs and `check-config`."""
        return self.model_dump(mode="json")


def _is_unspecified(address: str) -> bool:
    return ipaddress.ip_address(address).is_unspecified


def _without_password(dsn: str) -> str | None:
    """The URL with its password starred and its query, which may hold another, left out.

    None if it is no URL of a PostgreSQL server.
    """
    try:
        parts = urlsplit(dsn)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in ("postgresql", "postgres"):
        return None
    host = parts.hostname or ""
    server = (f"[{host}]" if ":" in host else host) + ("" if port is None else f":{port}")
    password = "" if parts.password is None else ":***"
    user = "" if parts.username is None else f"{parts.username}{password}@"
    return urlunsplit((parts.scheme, user + server, parts.path, "", ""))
