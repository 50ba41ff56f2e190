"""What an operator may choose: frozen models, one for each owner, and how they are loaded.

`settings`, and the modules named after a table, hold the models and defaults; `loading` reads
TOML and the environment and reports all problems at once. Nothing here opens a socket except
`public_address`.
"""

from __future__ import annotations

from sip_edge.config.api import ApiSettings, encryption_key
from sip_edge.config.carriers import CarrierSettings
from sip_edge.config.limits import LimitSettings
from sip_edge.config.loading import ConfigError, load_config, public_address
from sip_edge.config.media import MediaSettings
from sip_edge.config.published import published_networks
from sip_edge.config.settings import (
    Config,
    DatabaseSettings,
    DispatchSettings,
    HttpSettings,
    LoggingSettings,
    ShutdownSettings,
    VoicemailSettings,
)
from sip_edge.config.sip import SipSettings

__all__ = [
    "ApiSettings",
    "CarrierSettings",
    "Config",
    "ConfigError",
    "DatabaseSettings",
    "DispatchSettings",
    "HttpSettings",
    "LimitSettings",
    "LoggingSettings",
    "MediaSettings",
    "ShutdownSettings",
    "SipSettings",
    "VoicemailSettings",
    "encryption_key",
    "load_config",
    "public_address",
    "published_networks",
]
