"""What this process has open."""

from __future__ import annotations

import os


def open_sockets() -> int:
    """How many of our descriptors are sockets."""
    count = 0
    for descriptor in os.listdir("/proc/self/fd"):
        try:
            count += os.readlink(f"/proc/self/fd/{descriptor}").startswith("socket:")
        except FileNotFoundError:
            continue
    return count
