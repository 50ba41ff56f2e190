"""When pings go out, and when a worker counts as dead."""

from __future__ import annotations

from support.scheduler import ManualScheduler

from sip_edge.agents.keepalive import Keepalive


class World:
    """A keepalive of 20 and 10 seconds that writes down its instants."""

    def __init__(self) -> None:
        self.time = ManualScheduler()
        self.log: list[tuple[str, float]] = []
        self.keepalive = Keepalive(
            scheduler=self.time,
            interval_seconds=20.0,
            timeout_seconds=10.0,
            ping=lambda: self.log.append(("ping", self.time.now)),
            on_dead=lambda: self.log.append(("dead", self.time.now)),
        )
        self.keepalive.start()


def test_a_silent_worker_is_dead_after_one_interval_and_the_time_out() -> None:
    world = World()

    world.time.advance(100.0)

    assert world.log == [("ping", 1020.0), ("dead", 1030.0)]


def test_a_pong_starts_the_next_interval() -> None:
    world = World()

    world.time.advance(21.0)
    world.keepalive.pong_received()
    world.time.advance(21.0)

    assert world.log == [("ping", 1020.0), ("ping", 1041.0)]


def test_a_pong_that_nobody_asked_for_puts_no_ping_off() -> None:
    world = World()

    world.time.advance(19.0)
    world.keepalive.pong_received()
    world.time.advance(2.0)

    assert world.log == [("ping", 1020.0)]


def test_nothing_happens_after_stopping() -> None:
    world = World()
    world.time.advance(21.0)

    world.keepalive.stop()
    world.keepalive.pong_received()
    world.time.advance(100.0)

    assert world.log == [("ping", 1020.0)]
    assert world.time.pending == 0
