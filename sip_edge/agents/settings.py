"""How workers are reached and how much of theirs is kept: every limit, with its reason."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import Path

Network = IPv4Network | IPv6Network

DENIED_NETWORKS: Final[tuple[Network, ...]] = (
    IPv4Network("0.0.0.0/8"),
    IPv4Network("169.254.0.0/16"),
    IPv4Network("224.0.0.0/4"),
    IPv4Network("100.100.100.200/32"),
    IPv4Network("168.63.129.16/32"),
    IPv4Network("192.0.0.192/32"),
    IPv6Network("::/128"),
    IPv6Network("fe80::/10"),
    IPv6Network("ff00::/8"),
    IPv6Network("fd00:ec2::254/128"),
    IPv6Network("fd20:ce::254/128"),
)
"""Where no worker is, and where a cloud's metadata service hands out credentials."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSettings:
    """Limits and times (seconds) of the connections to agents' workers.

    Reaching a worker:
        `ca_file`: certificates trusted besides the system's; `denied_networks` are never dialled;
        `allowed_networks`, if not empty, are the only ones dialled; `connect_stagger_seconds` is
        how long one address is tried alone before the next one joins in (RFC 8305 section 5).
    Keeping it:
        a ping goes out every `ping_interval_seconds` and must be answered within
        `ping_timeout_seconds`; the time-outs of proxies start at 60 s. `close_timeout_seconds` is
        how long a closed connection may take to go away.
    What a worker sends:
        one message is at most `max_message_bytes` (1 MiB of base64 is 98 s of sound);
        `max_frames` within `frames_window_seconds` end the session (five minutes of sound in pieces
        of 20 ms, sent all at once, are 15,000); so do `malformed_limit` bad messages within
        `malformed_window_seconds`, sound more than `max_ahead_seconds` ahead of what can have been
        played (as much as a caller's stream queues, 2.4 MB), more than `max_early_seconds` of it
        before the caller was answered, and more than `max_marks` marks that wait. Within
        `first_audio_timeout_seconds` after it joined the call a worker must have
        sent sound; None lets it listen for ever.
    What a worker does not read:
        up to `max_unsent_bytes` are kept (1 MiB is about a minute of sound), beyond it messages are
        dropped; a worker that leaves it so full for `stalled_seconds` has ended.
    """

    ca_file: Path | None = None
    denied_networks: tuple[Network, ...] = DENIED_NETWORKS
    allowed_networks: tuple[Network, ...] = ()
    connect_stagger_seconds: float = 0.25
    ping_interval_seconds: float = 20.0
    ping_timeout_seconds: float = 20.0
    close_timeout_seconds: float = 2.0
    max_message_bytes: int = 1 << 20
    max_frames: int = 50_000
    frames_window_seconds: float = 10.0
    malformed_limit: int = 50
    malformed_window_seconds: float = 10.0
    max_ahead_seconds: float = 300.0
    max_early_seconds: float = 60.0
    max_marks: int = 10_000
    first_audio_timeout_seconds: float | None = None
    max_unsent_bytes: int = 1 << 20
    stalled_seconds: float = 10.0
