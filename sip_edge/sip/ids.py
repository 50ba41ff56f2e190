"""Identifiers that must not be guessed: made outside, injected here (the core rolls no dice)."""

from __future__ import annotations

from typing import Protocol

BRANCH_COOKIE = "z9hG4bK"
"""Every RFC 3261 branch begins with it (section 8.1.1.7)."""


class IdSource(Protocol):
    """Makes fresh identifiers. The real one uses `secrets`; tests count."""

    def tag(self) -> str:
        """A To or From tag: at least 32 bits of randomness (RFC 3261 section 19.3)."""
        ...

    def branch(self) -> str:
        """A Via branch, `z9hG4bK` included."""
        ...

    def call_id(self) -> str:
        """A Call-ID for a call that we place."""
        ...

    def number(self) -> int:
        """An unsigned 31-bit number: an SDP session id, a first CSeq."""
        ...
