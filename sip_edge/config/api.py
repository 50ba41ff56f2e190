"""The settings of the control API."""

from __future__ import annotations

import base64
import binascii
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, SecretStr, model_validator

from sip_edge.config.fields import CommaList, NotBool, Port, Seconds
from sip_edge.config.platform import CarrierUrlSettings, PlatformSettings, SipUri
from sip_edge.config.section import Section

KEY_BYTES: Final = 32
_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def encryption_key(secret: SecretStr) -> bytes:
    """The 32 bytes that a key's text stands for: base64 or hexadecimal. Raises ValueError."""
    text = secret.get_secret_value().strip()
    try:
        if len(text) == 2 * KEY_BYTES:
            key = bytes.fromhex(text)
        else:
            key = base64.b64decode(text.replace("-", "+").replace("_", "/"), validate=True)
    except (binascii.Error, ValueError):
        key = b""
    if len(key) != KEY_BYTES:
        raise ValueError("must be 32 bytes as base64, as `openssl rand -base64 32` makes them")
    return key


def _checked_key(secret: SecretStr) -> SecretStr:
    encryption_key(secret)
    return secret


def _key_set(value: str) -> str:
    """A URL or a file. Without TLS anybody in between could choose who is let in."""
    parts = urlsplit(value)
    if parts.scheme == "http" and parts.hostname not in _LOCAL:
        raise ValueError("must begin with https:// or be the path of a file")
    return value


EncryptionKey = Annotated[SecretStr, AfterValidator(_checked_key)]
ShortText = Annotated[str, Field(min_length=1, max_length=500)]
EnvironmentName = Annotated[str, Field(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]


class ApiSettings(Section):
    """The HTTP API for numbers, agents and integrations; it has a process of its own."""

    enabled: bool = True
    host: Annotated[str, Field(min_length=1, max_length=253)] = "127.0.0.1"
    port: Port = 8081
    public_docs: bool = True
    encryption_key: EncryptionKey | None = None
    previous_encryption_keys: Annotated[
        tuple[EncryptionKey, ...], Field(max_length=16), CommaList
    ] = ()
    requests_per_minute: Annotated[int, Field(ge=1, le=1_000_000), NotBool] = 600
    request_seconds: Seconds = 60.0
    worker_secrets: Annotated[tuple[EnvironmentName, ...], Field(max_length=100), CommaList] = ()
    jwt_issuer: ShortText | None = None
    jwt_audience: ShortText | None = None
    jwt_keys: Annotated[ShortText, AfterValidator(_key_set)] | None = None
    jwt_workspace_claim: ShortText = "workspace_id"
    origination_uri: SipUri = "sip:voice.oneinbox.ai:5060"
    platform: PlatformSettings = PlatformSettings()
    carrier_urls: CarrierUrlSettings = CarrierUrlSettings()

    @model_validator(mode="after")
    def _check(self) -> Self:
        parts = (self.jwt_issuer, self.jwt_audience, self.jwt_keys)
        if any(parts) and not all(parts):
            raise ValueError("jwt_issuer, jwt_audience and jwt_keys must be set together")
        if self.previous_encryption_keys and self.encryption_key is None:
            raise ValueError("previous_encryption_keys must not be set without encryption_key")
        return self
