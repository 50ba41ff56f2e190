"""Dashboard users' tokens: JWTs signed by the configured issuer (RFC 7519, RS256 or ES256).

The key set is read again when a token names a key that is not in it, but not more often than
once a minute: strangers' tokens must not make us fetch.
"""

from __future__ import annotations

import asyncio
import json
import urllib.request
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.error import URLError

import jwt

from sip_edge.logs import get_logger

if TYPE_CHECKING:
    from collections.abc import Callable

ALGORITHMS: Final = ("RS256", "ES256")
"""Asymmetric ones alone: the key set is public."""
FETCH_SECONDS: Final = 5.0
FETCH_PAUSE_SECONDS: Final = 60.0
REFRESH_SECONDS: Final = 3600.0
"""A key that its issuer has withdrawn is trusted for this much longer at most."""
LARGEST_KEY_SET: Final = 1 << 20
LEEWAY_SECONDS: Final = 30
"""Clocks differ by seconds."""

_log = get_logger("sip_edge.api")


class TokenError(Exception):
    """The token is not one that we accept; the text is for logs."""


def read_key_set(source: str) -> bytes:
    """The JWKS at an address or in a file. Blocks. Raises OSError."""
    if not source.startswith(("https://", "http://")):
        with Path(source).open("rb") as file:
            return file.read(LARGEST_KEY_SET + 1)
    request = urllib.request.Request(source, headers={"Accept": "application/json"})
    with urllib.request.urlopen(request, timeout=FETCH_SECONDS) as response:
        data: bytes = response.read(LARGEST_KEY_SET + 1)
        return data


class TokenVerifier:
    """Says which workspace a token speaks for. `read` gives the key set and may raise OSError."""

    def __init__(
        self,
        *,
        issuer: str,
        audience: str,
        workspace_claim: str,
        read: Callable[[], bytes],
        clock: Callable[[], float],
    ) -> None:
        self._issuer = issuer
        self._audience = audience
        self._workspace_claim = workspace_claim
        self._read = read
        self._clock = clock
        self._keys: dict[str, jwt.PyJWK] = {}
        self._tried_at: float | None = None
        self._lock = asyncio.Lock()

    async def workspace(self, token: str) -> str:
        """The workspace's id or name, as the token says it. Raises TokenError."""
        try:
            key_id = jwt.get_unverified_header(token).get("kid", "")
            claims: dict[str, Any] = jwt.decode(
                token,
                (await self._key(str(key_id))).key,
                algorithms=ALGORITHMS,
                issuer=self._issuer,
                audience=self._audience,
                leeway=LEEWAY_SECONDS,
                options={"require": ["exp", "iss", "aud", self._workspace_claim]},
            )
        except (jwt.PyJWTError, ValueError, TypeError) as error:
            raise TokenError(type(error).__name__) from error
        claim = claims[self._workspace_claim]
        if not isinstance(claim, str) or not 0 < len(claim) <= 200 or "\0" in claim:
            raise TokenError("the workspace's claim is no text")
        return claim

    async def _key(self, key_id: str) -> jwt.PyJWK:
        async with self._lock:
            if key_id not in self._keys or self._is_old(REFRESH_SECONDS):
                await self._refresh()
        key = self._keys.get(key_id)
        if key is None:
            raise TokenError("no such key")
        return key

    def _is_old(self, seconds: float) -> bool:
        return self._tried_at is None or self._clock() - self._tried_at >= seconds

    async def _refresh(self) -> None:
        if not self._is_old(FETCH_PAUSE_SECONDS):
            return
        self._tried_at = self._clock()
        try:
            data = await asyncio.to_thread(self._read)
            self._keys = _keys_in(data)
        except (OSError, URLError, ValueError, jwt.PyJWTError) as error:
            # The keys that are known go on being trusted: an issuer that is away locks nobody out.
            _log.warning("key_set_unavailable", reason=str(error))


def _keys_in(data: bytes) -> dict[str, jwt.PyJWK]:
    """The keys of a JWKS by their `kid`. Raises ValueError or PyJWTError."""
    if len(data) > LARGEST_KEY_SET:
        raise ValueError("the key set is too large")
    parsed = json.loads(data)
    if not isinstance(parsed, dict):
        raise ValueError("the key set is no JSON object")
    keys = jwt.PyJWKSet.from_dict(parsed).keys
    return {key.key_id or "": key for key in keys if key.key_type in ("RSA", "EC")}
