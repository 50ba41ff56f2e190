"""An agent's `worker_url`, taken apart and checked."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

MAX_URL_LENGTH: Final = 2048
"""More than any proxy in between accepts as one request line."""

_PORTS: Final = {"ws": 80, "wss": 443}


class WorkerUrlError(ValueError):
    """The URL cannot be dialled; the text says why without repeating it (it may hold a token)."""


@dataclass(frozen=True, slots=True)
class WorkerUrl:
    """A `ws:` or `wss:` URL. `text` is exactly what was configured: it is what gets signed.

    `authority` is host and port as written.
    """

    text: str = field(repr=False)
    is_secure: bool
    host: str
    port: int
    authority: str


def parse_worker_url(text: str) -> WorkerUrl:
    """Take `text` apart. Raises WorkerUrlError."""
    if not text:
        raise WorkerUrlError("the agent has no worker_url")
    if len(text) > MAX_URL_LENGTH:
        raise WorkerUrlError(f"worker_url is longer than {MAX_URL_LENGTH} characters")
    if not text.isascii() or any(character <= " " or character == "\x7f" for character in text):
        raise WorkerUrlError("worker_url holds blanks, control or non-ASCII characters")
    try:
        parts = urlsplit(text)
        port = parts.port
    except ValueError:
        raise WorkerUrlError("worker_url is not a URL") from None
    scheme = parts.scheme
    if scheme not in _PORTS:
        raise WorkerUrlError("worker_url must begin with ws:// or wss://")
    if "@" in parts.netloc:
        raise WorkerUrlError("worker_url must not hold a user or a password")
    if "#" in text:
        raise WorkerUrlError("worker_url must not hold a fragment")
    if not parts.hostname:
        raise WorkerUrlError("worker_url names no host")
    if port == 0:
        raise WorkerUrlError("worker_url names port 0")
    return WorkerUrl(
        text=text,
        is_secure=scheme == "wss",
        host=parts.hostname,
        port=port or _PORTS[scheme],
        authority=parts.netloc,
    )
