"""RFC 3261 table 4, and the heap of deadlines."""

from __future__ import annotations

from sip_edge.sip.timers import DEFAULT_TIMERS, DeadlineQueue, TimerSettings


def test_default_timers_are_those_of_table_4() -> None:
    assert (DEFAULT_TIMERS.t1, DEFAULT_TIMERS.t2, DEFAULT_TIMERS.t4) == (0.5, 4.0, 5.0)
    assert (DEFAULT_TIMERS.timeout, DEFAULT_TIMERS.timer_c) == (32.0, 180.0)


def test_timer_d_is_never_below_32_seconds() -> None:
    assert TimerSettings(t1=0.1).timer_d == 32.0
    assert TimerSettings(t1=1.0).timer_d == 64.0


def test_empty_queue_has_no_deadline() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    assert (queue.next(), queue.pop_due(1e9), len(queue)) == (None, None, 0)


def test_deadlines_come_out_in_their_order() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    for owner, at in [("b", 2.0), ("c", 3.0), ("a", 1.0)]:
        queue.set(owner, at)
    assert [queue.pop_due(2.5), queue.pop_due(2.5), queue.pop_due(2.5)] == ["a", "b", None]
    assert queue.next() == 3.0


def test_moved_deadline_counts_where_it_was_moved_to() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    queue.set("a", 1.0)
    queue.set("a", 5.0)
    assert queue.pop_due(4.0) is None
    queue.set("a", 2.0)
    assert (queue.next(), queue.pop_due(2.0), queue.next()) == (2.0, "a", None)


def test_cleared_deadline_is_gone() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    queue.set("a", 1.0)
    queue.set("a", None)
    queue.set("never set", None)
    assert (queue.next(), len(queue)) == (None, 0)


def test_deadline_set_again_to_the_same_instant_fires_once() -> None:
    queue: DeadlineQueue[str] = DeadlineQueue()
    queue.set("a", 1.0)
    queue.set("a", 2.0)
    queue.set("a", 1.0)
    assert [queue.pop_due(3.0), queue.pop_due(3.0)] == ["a", None]


def test_many_moved_deadlines_are_swept_and_none_is_lost() -> None:
    queue: DeadlineQueue[int] = DeadlineQueue()
    for instant in range(1000):
        for owner in range(3):
            queue.set(owner, 1000.0 - instant + owner)
    assert [queue.pop_due(1e9) for _ in range(4)] == [0, 1, 2, None]
