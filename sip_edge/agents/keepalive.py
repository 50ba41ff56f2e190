"""Notices a worker that has gone away without a word."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.agents.session import Scheduler, Timer


class Keepalive:
    """Pings every `interval_seconds`; `on_dead` if no pong came within `timeout_seconds`."""

    def __init__(
        self,
        *,
        scheduler: Scheduler,
        interval_seconds: float,
        timeout_seconds: float,
        ping: Callable[[], None],
        on_dead: Callable[[], None],
    ) -> None:
        self._scheduler = scheduler
        self._interval_seconds = interval_seconds
        self._timeout_seconds = timeout_seconds
        self._ping = ping
        self._on_dead = on_dead
        self._timer: Timer | None = None
        self._awaits_pong = False

    def start(self) -> None:
        """Send the first ping after one interval."""
        self._timer = self._scheduler.call_later(self._interval_seconds, self._send_ping)

    def pong_received(self) -> None:
        """The peer lives; one that nobody asked for changes nothing (RFC 6455 section 5.5.3)."""
        if self._awaits_pong:
            self.stop()
            self.start()

    def stop(self) -> None:
        """Send no more pings."""
        self._awaits_pong = False
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _send_ping(self) -> None:
        self._awaits_pong = True
        self._timer = self._scheduler.call_later(self._timeout_seconds, self._dead)
        self._ping()

    def _dead(self) -> None:
        self._timer = None
        self._on_dead()
