"""Which SIP credentials go with a number: the customer's own, or the platform's, never a mixture.

A mixture would send our password to a customer's server, or a customer's to ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from sip_edge.provisioning.values import JsonObject

PASSWORD: Final = "auth_password"
SIP_FIELDS: Final = ("trunk_address", "auth_username", PASSWORD)

_VARIABLES: Final = ("TRUNK_ADDRESS", "SIP_USERNAME", "SIP_PASSWORD")
"""In the order of `SIP_FIELDS`; each behind the provider's name."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OutboundCredentials:
    """All three, from one source. `password` is None where the environment keeps it."""

    trunk_address: str
    auth_username: str
    password: str | None = field(repr=False)


def outbound_credentials(
    provider: str, provider_config: JsonObject | None, environment: Mapping[str, str]
) -> OutboundCredentials:
    """All three fields of `provider_config`, else all three of `{PROVIDER}_TRUNK_ADDRESS`, ….

    Raises ProvisioningError(SIP_TRUNK_PROVISION_FAILED) if neither has all.
    """
    given = [_text((provider_config or {}).get(name)) for name in SIP_FIELDS]
    if all(given):
        address, username, password = given
        return OutboundCredentials(trunk_address=address, auth_username=username, password=password)
    names = [f"{provider.upper()}_{variable}" for variable in _VARIABLES]
    ours = [_text(environment.get(name)) for name in names]
    if all(ours):
        # Read where it is used: a password that is changed there must not live on in a row.
        return OutboundCredentials(trunk_address=ours[0], auth_username=ours[1], password=None)
    missing = [name for name, value in zip(SIP_FIELDS, given, strict=True) if not value]
    raise ProvisioningError(
        ErrorCode.SIP_TRUNK_PROVISION_FAILED,
        f"provider_config lacks {', '.join(missing)}, and this installation has no SIP trunk of its"
        f" own for {provider} ({', '.join(names)}).",
    )


def without_password(provider_config: JsonObject | None) -> dict[str, Any]:
    """What of `provider_config` is kept in the number's row: everything else, unknown keys too."""
    return {key: value for key, value in (provider_config or {}).items() if key != PASSWORD}


def _text(value: object) -> str:
    return value.strip() if isinstance(value, str) else ""
