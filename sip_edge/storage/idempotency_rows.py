"""The rows of `idempotency_keys`. All instants are PostgreSQL's, so that clocks may differ."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.provisioning.values import Claim, KeptAnswer

if TYPE_CHECKING:
    from uuid import UUID

    from sip_edge.storage.control_database import ControlDatabase

# A key that has expired is as good as new; one whose holder has died goes on with the same request.
_CLAIM: Final = """
INSERT INTO idempotency_keys AS known (workspace_id, key, request, holder, held_until, expires_at)
VALUES ($1, $2, $3, $4, now() + make_interval(secs => $5), now() + make_interval(secs => $6))
ON CONFLICT (workspace_id, key) DO UPDATE SET
    request = EXCLUDED.request,
    holder = EXCLUDED.holder,
    held_until = EXCLUDED.held_until,
    expires_at = EXCLUDED.expires_at,
    status = NULL,
    body = NULL
WHERE known.expires_at <= now()
    OR (known.status IS NULL AND known.held_until <= now() AND known.request = EXCLUDED.request)
RETURNING key
"""
_FIND: Final = """
SELECT request, status, body FROM idempotency_keys WHERE workspace_id = $1 AND key = $2
"""
_KEEP: Final = """
UPDATE idempotency_keys SET status = $4, body = $5
WHERE workspace_id = $1 AND key = $2 AND holder = $3
"""
_RELEASE: Final = """
DELETE FROM idempotency_keys
WHERE workspace_id = $1 AND key = $2 AND holder = $3 AND status IS NULL
"""
_FORGET: Final = "DELETE FROM idempotency_keys WHERE expires_at <= now()"


class PostgresIdempotency:
    """See provisioning.ports.IdempotencyStore."""

    def __init__(self, database: ControlDatabase) -> None:
        self._database = database

    async def claim(
        self,
        workspace_id: UUID,
        key: str,
        *,
        request: bytes,
        holder: UUID,
        hold_seconds: float,
        keep_seconds: float,
    ) -> Claim | KeptAnswer:
        """See IdempotencyStore.claim."""
        async with self._database.connection() as connection:
            claimed = await connection.fetchrow(
                _CLAIM, workspace_id, key, request, holder, hold_seconds, keep_seconds
            )
            if claimed is not None:
                return Claim.CLAIMED
            known = await connection.fetchrow(_FIND, workspace_id, key)
        if known is None:  # Given back in between: the next try gets it.
            return Claim.BUSY
        if bytes(known["request"]) != request:
            return Claim.OTHER_REQUEST
        if known["status"] is None:
            return Claim.BUSY
        return KeptAnswer(known["status"], bytes(known["body"]))

    async def keep(self, workspace_id: UUID, key: str, *, holder: UUID, answer: KeptAnswer) -> None:
        """See IdempotencyStore.keep."""
        await self._database.execute(_KEEP, workspace_id, key, holder, answer.status, answer.body)

    async def release(self, workspace_id: UUID, key: str, *, holder: UUID) -> None:
        """See IdempotencyStore.release."""
        await self._database.execute(_RELEASE, workspace_id, key, holder)

    async def forget_expired(self) -> int:
        """See IdempotencyStore.forget_expired."""
        return await self._database.execute(_FORGET)
