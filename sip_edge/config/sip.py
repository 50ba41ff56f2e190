"""The settings of SIP's listeners."""

from __future__ import annotations

import ipaddress
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from sip_edge.config.fields import (
    CommaList,
    Count,
    HeaderName,
    NetworkList,
    NotBool,
    NumericAddress,
    Port,
    Seconds,
    VisibleText,
)
from sip_edge.config.section import Section

SessionSeconds = Annotated[int, Field(ge=90, le=86_400), NotBool]
"""RFC 4028 section 4 allows no session interval below 90 seconds."""


class SipSettings(Section):
    """The SIP listeners and what they tell others to send to."""

    host: NumericAddress = "127.0.0.1"
    port: Port = 5060
    public_address: NumericAddress | None = None
    public_port: Port | None = None
    transports: Annotated[
        tuple[Literal["udp", "tcp", "tls"], ...], Field(min_length=1, max_length=3), CommaList
    ] = ("udp", "tcp")
    tls_port: Annotated[int, Field(ge=1, le=65_535), NotBool] = 5061
    public_tls_port: Port | None = None
    tls_certificate_file: Path | None = None
    tls_key_file: Path | None = None
    tls_ca_file: Path | None = None
    tls_verify: bool = True
    user_agent: VisibleText = "sip-edge"
    max_calls: Count = 250
    max_call_seconds: Seconds = 14_400.0
    session_expires_seconds: SessionSeconds = 1_800
    min_se_seconds: SessionSeconds = 90
    max_transactions: Count = 20_000
    max_connections: Count = 1_000
    max_connections_per_source: Count = 64
    connection_idle_seconds: Seconds = 1200.0
    account_check: Literal["off", "log", "enforce"] = "log"
    proxies: Annotated[NetworkList, Field(max_length=100)] = ()
    proxy_source_header: HeaderName = "X-Source-Address"
    receive_buffer_bytes: Annotated[int, Field(ge=65_536, le=1 << 30), NotBool] = 4 << 20

    @model_validator(mode="after")
    def _check(self) -> Self:
        if (
            self.public_address is not None
            and ipaddress.ip_address(self.public_address).is_unspecified
        ):
            raise ValueError("public_address must be an address that callers can reach")
        if self.public_address is not None and (":" in self.public_address) != (":" in self.host):
            raise ValueError(
                f"public_address ({self.public_address}) and host ({self.host}) must both be IPv4"
                " or both IPv6: what is sent to the one has to arrive at the other"
            )
        if len(set(self.transports)) != len(self.transports):
            raise ValueError("transports names one of them twice")
        has_files = (self.tls_certificate_file is not None, self.tls_key_file is not None)
        if "tls" in self.transports and not all(has_files):
            raise ValueError(
                'transports names "tls", which needs tls_certificate_file and tls_key_file'
            )
        if any(has_files) and "tls" not in self.transports:
            raise ValueError('tls_... files are set, but transports does not name "tls"')
        if {"tcp", "tls"} <= set(self.transports) and self.port == self.tls_port:
            raise ValueError("tls_port must not be the port of TCP")
        if self.session_expires_seconds < self.min_se_seconds:
            raise ValueError("session_expires_seconds must not be below min_se_seconds")
        return self
