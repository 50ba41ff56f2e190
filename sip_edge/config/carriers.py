"""The settings of a carrier: who may call, and how it is answered."""

from __future__ import annotations

import ipaddress
from typing import Annotated, Final, Literal

from pydantic import Field, field_validator

from sip_edge.config.fields import Network, NetworkList, Status
from sip_edge.config.section import Section
from sip_edge.routing.refusal import Refusal

LOCAL_CARRIER: Final = "local"
LOOPBACK: Final[tuple[Network, ...]] = (
    ipaddress.IPv4Network("127.0.0.0/8"),
    ipaddress.IPv6Network("::1/128"),
)


class CarrierSettings(Section):
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
