"""The settings of the carriers' accounts: the platform's own, and where the carriers' APIs are."""

from __future__ import annotations

from typing import Annotated, Final, Literal
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from sip_edge.config.fields import NotBool
from sip_edge.config.section import Section

_LOCAL: Final = frozenset({"localhost", "127.0.0.1", "::1"})


def _api_url(value: str) -> str:
    """Customers' keys are sent there: without TLS only on this machine, to a carrier of one's own.

    Raises ValueError.
    """
    parts = urlsplit(value)
    is_safe = parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOCAL)
    if not (is_safe and parts.hostname and not parts.query and "@" not in parts.netloc):
        raise ValueError("must begin with https:// and hold neither a login nor a query")
    return value


def _sip_uri(value: str) -> str:
    """What both carriers can be told: a name or address, and a port."""
    scheme, _, rest = value.partition(":")
    host, _, port = rest.partition(";")[0].partition(":")
    is_port = port == "" or (port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65_536)
    if scheme != "sip" or not host.replace("-", "").replace(".", "").isalnum() or not is_port:
        raise ValueError('must be a URI such as "sip:voice.example.com:5060"')
    return value


ApiUrl = Annotated[str, Field(max_length=500), AfterValidator(_api_url)]
SipUri = Annotated[str, Field(max_length=255), AfterValidator(_sip_uri)]


class PlatformSettings(Section):
    """Whose numbers are sold. Its credentials come from the environment alone."""

    provider: Literal["twilio", "telnyx"] | None = None
    max_numbers_per_workspace: Annotated[int, Field(ge=1, le=1_000_000), NotBool] = 100


class CarrierUrlSettings(Section):
    """Where the carriers' APIs are."""

    twilio: ApiUrl = "https://api.twilio.com"
    twilio_trunking: ApiUrl = "https://trunking.twilio.com"
    telnyx: ApiUrl = "https://api.telnyx.com/v2"
