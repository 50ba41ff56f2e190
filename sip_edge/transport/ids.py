"""Identifiers from the system's randomness, for the sans-IO core that may roll no dice."""

from __future__ import annotations

import secrets
import uuid

from sip_edge.sip.ids import BRANCH_COOKIE


class RandomIds:
    """Implements `sip.ids.IdSource`. `process` (letters and digits) marks tags as this process's.

    Decision 18: what lands on the wrong process of a group is handed over by that mark.
    """

    def __init__(self, process: str) -> None:
        self._process = process

    def tag(self) -> str:
        """A tag with 64 bits of randomness, which nobody can guess."""
        return f"{self._process}-{secrets.token_hex(8)}"

    def branch(self) -> str:
        """A Via branch with 80 bits of randomness."""
        return BRANCH_COOKIE + secrets.token_hex(10)

    def call_id(self) -> str:
        """A Call-ID without a host part: it tells nothing about us."""
        return secrets.token_hex(16)

    def number(self) -> int:
        """An unsigned 31-bit number."""
        return secrets.randbits(31)


def random_up_to(highest: int) -> int:
    """An integer from 0 to `highest`, both included."""
    return secrets.randbelow(highest + 1)


def call_uuid() -> uuid.UUID:
    """A call's own id, made when its INVITE arrives."""
    return uuid.uuid4()
