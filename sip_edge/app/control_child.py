"""`python -m sip_edge.app.control_child`: the control API as a child of the server.

The configuration comes on standard input, and when that ends, the parent has: so do we.
"""

from __future__ import annotations

import asyncio
import os
import pickle
import sys
from typing import TYPE_CHECKING, Final

import uvloop

from sip_edge.app.control import serve_control
from sip_edge.app.errors import StartError
from sip_edge.logs import configure_logging, get_logger

if TYPE_CHECKING:
    from sip_edge.config import Config

CHANNEL: Final = 0
NICE: Final = 5
"""Calls come first when both want all of a core."""
FAILED: Final = 1


def main() -> int:
    """Serve until the parent says so or is gone; the exit code."""
    os.nice(NICE)
    config = _configuration()
    if config is None:
        return FAILED
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(config))


def _configuration() -> Config | None:
    """What the parent sent, None if it is gone already. It is our own code on the other side."""
    length = int.from_bytes(_read(4), "big")
    data = _read(length)
    if not data:
        return None
    config: Config = pickle.loads(data)
    return config


def _read(length: int) -> bytes:
    """So many bytes; fewer if the channel ends."""
    data = bytearray()
    while len(data) < length and (more := os.read(CHANNEL, length - len(data))):
        data += more
    return bytes(data)


async def _serve(config: Config) -> int:
    """Serve until the channel ends, or a signal comes."""
    loop = asyncio.get_running_loop()
    end = asyncio.Event()

    def on_channel() -> None:
        # Nothing comes on it any more but its end.
        loop.remove_reader(CHANNEL)
        end.set()

    loop.add_reader(CHANNEL, on_channel)
    try:
        return await serve_control(config, end=end)
    except StartError as error:
        # In the form of the parent's own lines, among which it stands.
        writer = configure_logging(config.logging)
        get_logger("sip_edge.api").error("api_cannot_start", reason=str(error))
        writer.close()
        return FAILED
    finally:
        loop.remove_reader(CHANNEL)


if __name__ == "__main__":
    sys.exit(main())
