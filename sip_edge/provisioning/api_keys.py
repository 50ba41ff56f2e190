"""Keys of the control API: made, shown once, stored as a digest, recognised, revoked."""

from __future__ import annotations

import hmac
from datetime import timedelta
from hashlib import sha256
from typing import TYPE_CHECKING, Final

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.values import NewApiKey, Principal

if TYPE_CHECKING:
    from collections.abc import Callable
    from uuid import UUID

    from sip_edge.provisioning.ports import ApiKeyStore, WallClock
    from sip_edge.provisioning.values import ApiKey, Page, PageRequest

KEY_PREFIX: Final = "oi_sk_"
SHOWN_CHARACTERS: Final = len(KEY_PREFIX) + 6
"""Enough to tell one's keys apart; the other 37 characters stay secret."""
LONGEST_KEY: Final = 128
"""Longer texts are no keys of ours, and need not be hashed."""
USE_NOTED_EVERY: Final = timedelta(minutes=5)
"""`last_used_at` is that coarse, so that a busy key does not write a row for each request."""


class ApiKeys:
    """What may be done with keys. `new_token` gives 256 random bits as text."""

    def __init__(
        self, *, store: ApiKeyStore, clock: WallClock, new_token: Callable[[], str]
    ) -> None:
        self._store = store
        self._clock = clock
        self._new_token = new_token

    async def create(self, workspace_id: UUID, name: str) -> NewApiKey:
        """A new key with its secret, which nobody will see again."""
        secret = KEY_PREFIX + self._new_token()
        key = await self._store.insert(
            workspace_id, name, secret[:SHOWN_CHARACTERS], _digest(secret)
        )
        return NewApiKey(key, secret)

    async def page(self, workspace_id: UUID, request: PageRequest) -> Page[ApiKey]:
        """The workspace's keys, newest first."""
        return await self._store.page(workspace_id, request)

    async def revoke(self, workspace_id: UUID, key_id: UUID) -> None:
        """From now on the key opens nothing. Raises ProvisioningError(NOT_FOUND)."""
        if not await self._store.revoke(workspace_id, key_id):
            raise ProvisioningError(ErrorCode.NOT_FOUND, "There is no such API key.")

    async def is_empty(self) -> bool:
        """True if nobody has a key yet."""
        return await self._store.is_empty()

    async def authenticate(self, secret: str) -> Principal | None:
        """Whose key this is; None if it is nobody's.

        Keys are found by their digest, which tells a guesser nothing, and compared in constant time
        all the same.
        """
        if not secret.startswith(KEY_PREFIX) or len(secret) > LONGEST_KEY or not secret.isascii():
            return None
        digest = _digest(secret)
        found = await self._store.find_by_digest(digest)
        if found is None:
            return None
        key, stored = found
        if not hmac.compare_digest(stored, digest):
            return None
        now = self._clock()
        if key.last_used_at is None or now - key.last_used_at >= USE_NOTED_EVERY:
            await self._store.touch(key.id, now)
        return Principal(key.workspace_id, key.id)


def _digest(secret: str) -> bytes:
    """No slow hash: nobody can try 2^256 keys, however quickly."""
    return sha256(secret.encode()).digest()
