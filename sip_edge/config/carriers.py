"""The settings of a carrier: who may call, and how it is answered."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Any, Final, Literal, Self

from pydantic import Field, field_validator, model_validator

from sip_edge.config.fields import (
    HeaderName,
    Network,
    NetworkList,
    Secret,
    Status,
    split_secrets,
)
from sip_edge.config.published import PUBLISHED, published_networks
from sip_edge.config.section import Section
from sip_edge.media.sdes import SrtpPolicy
from sip_edge.routing.refusal import Refusal

LOCAL_CARRIER: Final = "local"
LOOPBACK: Final[tuple[Network, ...]] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)

STANDARD_CARRIERS: Final[dict[str, dict[str, object]]] = {
    # No packet with such a source comes in from a network (RFC 1122 section 3.2.1.3), so that it
    # is this machine alone, for a test call.
    LOCAL_CARRIER: {"networks": LOOPBACK},
    "twilio": {"provider": "twilio", "country": "US"},
    "telnyx": {"provider": "telnyx", "country": "US"},
}
"""Who may call without being configured; a table of the same name changes what it names."""


class CarrierSettings(Section):
    """Who may call: the networks that a carrier's signalling comes from.

    `media_networks` are those that a call's RTP may come from if not from where its SDP says: what
    the provider publishes, or `networks` for a carrier without one. `country` is where a called
    number without a country code belongs; `responses` replaces the status of a refusal for this
    carrier. With a `secret`, an INVITE must bring it in `secret_header`. A carrier that is not
    `enabled` is not there at all. `srtp` says whether its calls' sound is encrypted.
    """

    enabled: bool = True
    networks: Annotated[NetworkList, Field(min_length=1, max_length=1_000)]
    media_networks: Annotated[NetworkList, Field(max_length=1_000)] = Field(
        default_factory=lambda table: table.get("networks", ())
    )
    provider: Literal["twilio", "telnyx"] | None = None
    country: str | None = None
    secret_header: HeaderName | None = None
    secret: Secret | None = None
    srtp: SrtpPolicy = SrtpPolicy.OPTIONAL
    responses: dict[Refusal, Status] = Field(default_factory=dict)

    @property
    def secrets(self) -> tuple[bytes, ...]:
        """The values of `secret_header` that are right: one, or two while it is being changed."""
        return () if self.secret is None else tuple(split_secrets(self.secret))

    @property
    def has_published_networks(self) -> bool:
        """True if the networks are those that the provider publishes."""
        known = published_networks().get(self.provider or "")
        return known is not None and self.networks == known.networks

    @model_validator(mode="before")
    @classmethod
    def _look_up_networks(cls, value: Any) -> Any:
        """Put the provider's published networks where none are named."""
        if not isinstance(value, dict):
            return value
        provider = value.get("provider")
        known = published_networks().get(provider) if isinstance(provider, str) else None
        completed = dict(value)
        for name in ("networks", "media_networks"):
            if value.get(name, PUBLISHED) != PUBLISHED:
                continue
            if known is not None:
                completed[name] = getattr(known, name)
            elif name in value:
                raise ValueError(f'{name} = "{PUBLISHED}" needs a provider: twilio or telnyx')
        return completed

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

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (self.secret is None) != (self.secret_header is None):
            raise ValueError("secret and secret_header belong together")
        return self


def with_standard_carriers(tables: dict[str, Any]) -> dict[str, Any]:
    """The tables, each completed by the standard one of its name, then the other standard ones."""
    completed = {
        name: {**STANDARD_CARRIERS.get(name, {}), **table} if isinstance(table, dict) else table
        for name, table in tables.items()
    }
    return completed | {
        name: table for name, table in STANDARD_CARRIERS.items() if name not in tables
    }
