"""How a worker can tell that it is we who call: the headers of the upgrade request."""

from __future__ import annotations

import hashlib
import hmac
from base64 import b64encode
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_edge.routing.plan import WorkerOptions

_PREFIX: Final = "env:"


class SecretError(ValueError):
    """A secret is not where the agent's options say; the text names the variable at most."""


def upgrade_headers(
    url: str, options: WorkerOptions, environment: Mapping[str, str]
) -> list[tuple[str, str]]:
    """The headers that authenticate a request to `url`, exactly as it is dialled.

    Raises SecretError if an option names a variable that `environment` lacks.
    """
    headers = []
    if options.signing_secret is not None:
        secret = _secret("signing_secret", options.signing_secret, environment)
        headers.append(("X-Twilio-Signature", twilio_signature(secret, url)))
    if options.bearer_token is not None:
        token = _secret("bearer_token", options.bearer_token, environment)
        # RFC 6750 section 2.1 has no blanks in a token; a line break would start a new header.
        if not token.isascii() or any(not "!" <= character <= "~" for character in token):
            raise SecretError("bearer_token: its variable holds characters no header may hold")
        headers.append(("Authorization", f"Bearer {token}"))
    return headers


def twilio_signature(secret: str, url: str) -> str:
    """`X-Twilio-Signature` of a request without parameters: base64 of HMAC-SHA1.

    Twilio's validators take a default port or leave it; scheme, path and query must be the same to
    the letter, a trailing slash too.
    """
    digest = hmac.new(secret.encode(), url.encode(), hashlib.sha1).digest()
    return b64encode(digest).decode("ascii")


def _secret(option: str, reference: str, environment: Mapping[str, str]) -> str:
    if not reference.startswith(_PREFIX):
        raise SecretError(f"{option} must be env:NAME, the name of an environment variable")
    name = reference.removeprefix(_PREFIX)
    secret = environment.get(name, "")
    if not secret:
        raise SecretError(f"{option}: the environment variable {name[:64]} is not set")
    return secret
