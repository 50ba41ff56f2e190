"""Tells the service manager how we are: ready, stopping, alive (sd_notify(3), `Type=notify`).

One datagram a message goes to the socket that systemd names in `NOTIFY_SOCKET`; without it nothing
is sent. Sending never waits and never fails: a deaf manager is no reason to drop calls.
"""

from __future__ import annotations

import socket
from collections.abc import Mapping
from typing import Final

BEAT_SECONDS: Final = 10.0
"""How often the manager hears of us where it sets no watchdog, and until we are ready."""
START_SECONDS: Final = 30.0
"""How long the manager waits for the next beat of a start that goes on for longer than its own
limit: a database that comes up late must not get us killed, a dead loop must."""
STOP_MARGIN_SECONDS: Final = 15.0
"""Beyond the calls' own time: for the last BYEs and records, and the embedded database's end."""
_MICROSECONDS: Final = 1_000_000


class Notifier:
    """Speaks to the service manager for one process, from the loop that carries media.

    The watchdog is fed by `alive`, so that a loop that has stopped turning gets us restarted.
    """

    def __init__(self, *, environ: Mapping[str, str], process_id: int) -> None:
        self._address = _socket_address(environ.get("NOTIFY_SOCKET", ""))
        self._watchdog_seconds = _watchdog_seconds(environ, process_id)
        self._beat_seconds = min(BEAT_SECONDS, (self._watchdog_seconds or BEAT_SECONDS * 2) / 2)
        self._socket: socket.socket | None = None
        self._owed = ""
        self._status = ""
        self._is_starting = True
        self._beat_at: float | None = None

    @property
    def is_heard(self) -> bool:
        """True if there is a manager to tell."""
        return self._address is not None

    def ready(self, status: str) -> None:
        """The start is over: new calls can be taken. `status` is one line for people."""
        self._is_starting = False
        self._tell("READY=1", self._status_line(status))

    def stopping(self, status: str, *, within_seconds: float) -> None:
        """We end after `within_seconds` at most; the manager waits that long, whatever its limit.

        So the time that calls get to finish is set in one place, the edge's own configuration.
        """
        self._is_starting = False
        limit = within_seconds + STOP_MARGIN_SECONDS
        self._tell("STOPPING=1", self._status_line(status), _extend(limit))

    def alive(self, now: float, status: str) -> None:
        """To be called every second or so; sends what is due. `now` is any clock that goes on."""
        if self._owed and self._send(self._owed):
            self._owed = ""
        if self._beat_at is not None and now - self._beat_at < self._beat_seconds:
            return
        self._beat_at = now
        beat = ["WATCHDOG=1"] if self._watchdog_seconds is not None else []
        if self._is_starting:
            beat.append(_extend(START_SECONDS))
        if status != self._status:
            beat.append(self._status_line(status))
        if beat:
            self._send("\n".join(beat))

    def close(self) -> None:
        """Give the socket back; nothing is sent from now on."""
        self._address = None
        if self._socket is not None:
            self._socket.close()
            self._socket = None

    def _status_line(self, status: str) -> str:
        self._status = status
        return f"STATUS={' '.join(status.split())}"

    def _tell(self, *lines: str) -> None:
        """Say something that is said once; it is owed while the socket has no room for it."""
        message = "\n".join(lines)
        self._owed = "" if self._send(message) else message

    def _send(self, message: str) -> bool:
        """False if it should be tried again."""
        if self._address is None:
            return True
        try:
            if self._socket is None:
                self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
                self._socket.setblocking(False)
            self._socket.sendto(message.encode(), self._address)
        except BlockingIOError:
            return False
        except OSError:
            pass  # Nobody listens there (any more), and that cannot be mended from here.
        return True


def _socket_address(name: str) -> bytes | None:
    """A path, or with an @ for its first byte a name in Linux's abstract namespace."""
    if name.startswith("/"):
        return name.encode()
    if name.startswith("@"):
        return b"\0" + name[1:].encode()
    return None


def _watchdog_seconds(environ: Mapping[str, str], process_id: int) -> float | None:
    """The watchdog's limit, None if there is none or it is another process's."""
    limit = environ.get("WATCHDOG_USEC", "")
    owner = environ.get("WATCHDOG_PID", "")
    if owner and owner != str(process_id):
        return None
    if not (limit.isascii() and limit.isdigit() and int(limit) > 0):
        return None
    return int(limit) / _MICROSECONDS


def _extend(seconds: float) -> str:
    return f"EXTEND_TIMEOUT_USEC={round(seconds * _MICROSECONDS)}"
