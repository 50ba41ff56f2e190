"""The kinds of values that settings have: each says what it may be when it is not.

A validator raises ValueError, the only exception that pydantic collects, with a sentence that
begins with "must".
"""

from __future__ import annotations

import ipaddress
import json
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr

Network = ipaddress.IPv4Network | ipaddress.IPv6Network

LONGEST_SECONDS: Final = 86_400.0
"""A day: whatever is longer was meant in milliseconds."""
SHORTEST_SECRET: Final = 16
"""Below it a secret can be guessed by trying."""
LONGEST_SECRET: Final = 256


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


def split_secrets(value: SecretStr) -> list[bytes]:
    """The one secret, or the new and the old one."""
    return [part.strip().encode() for part in value.get_secret_value().split(",")]


def _secret(value: SecretStr) -> SecretStr:
    """It travels in a header, so that neither a blank nor a comma may stand in it."""
    parts = split_secrets(value)
    for part in parts:
        is_plain = part.isascii() and part.replace(b"-", b"").replace(b"_", b"").isalnum()
        if not (is_plain and SHORTEST_SECRET <= len(part) <= LONGEST_SECRET) or len(parts) > 2:
            raise ValueError(
                f"must have {SHORTEST_SECRET} to {LONGEST_SECRET} letters, digits, - and _;"
                " two, with a comma between them, while it is being changed"
            )
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


NotBool = BeforeValidator(_refuse_truth_value)
CommaList = BeforeValidator(_split_list)
Port = Annotated[int, Field(ge=0, le=65_535), NotBool]
Seconds = Annotated[float, Field(gt=0, le=LONGEST_SECONDS, allow_inf_nan=False), NotBool]
Count = Annotated[int, Field(ge=1, le=1_000_000), NotBool]
NumericAddress = Annotated[str, AfterValidator(_numeric_address)]
NetworkField = Annotated[Network, BeforeValidator(_parse_network)]
NetworkList = Annotated[tuple[NetworkField, ...], CommaList]
HeaderName = Annotated[str, AfterValidator(_extension_header)]
Secret = Annotated[SecretStr, AfterValidator(_secret)]
Status = Annotated[int, AfterValidator(_final_status), NotBool]
CarrierName = Annotated[str, Field(max_length=32), AfterValidator(_carrier_name)]
VisibleText = Annotated[str, Field(max_length=128), AfterValidator(_visible_text)]


def without_password(dsn: str) -> str | None:
    """The URL with its password starred and its query, which may hold another, left out.

    None if it is no URL of a PostgreSQL server.
    """
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return None
    if parts.scheme not in ("postgresql", "postgres"):
        return None
    login, at_sign, hosts = parts.netloc.rpartition("@")
    user, colon, _ = login.partition(":")
    netloc = user + (":***" if colon else "") + at_sign + hosts
    return f"{parts.scheme}://{netloc}{parts.path}"
