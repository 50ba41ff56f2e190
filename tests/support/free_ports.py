"""Ports on the loopback address for whole processes: free, and never handed out twice."""

from __future__ import annotations

import os
import socket

FIRST_PORT = 12_000
LAST_PORT = 19_999
"""Below the range from which the kernel picks ports of its own (32768 and up on Linux), so that
no socket of a test can take one of these between now and its use."""

_state = {"next": FIRST_PORT + os.getpid() * 97 % (LAST_PORT - FIRST_PORT)}


def free_port() -> int:
    """A port that is free for UDP and TCP on 127.0.0.1."""
    return free_ports(1)


def free_ports(count: int) -> int:
    """The first of `count` consecutive free ports; it is even (RTP's ports come in such pairs)."""
    for _ in range(LAST_PORT - FIRST_PORT):
        first = _state["next"] + _state["next"] % 2
        if first + count > LAST_PORT:
            _state["next"] = FIRST_PORT
            continue
        _state["next"] = first + count
        if all(_is_free(port) for port in range(first, first + count)):
            return first
    raise RuntimeError(f"no {count} free ports between {FIRST_PORT} and {LAST_PORT}")


def _is_free(port: int) -> bool:
    for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                return False
    return True
