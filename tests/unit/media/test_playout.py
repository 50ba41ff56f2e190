"""What waits to be played: frames, marks, clear."""

from __future__ import annotations

from sip_edge.media.playout import MAX_MARKS, PlayoutQueue

A = b"a" * 160
B = b"b" * 160


def queue(*, max_seconds: float = 60.0) -> PlayoutQueue:
    return PlayoutQueue(max_seconds=max_seconds)


def step(waiting: PlayoutQueue) -> tuple[bytes | None, list[str]]:
    """One turn of 20 ms."""
    frame = waiting.pop()
    return frame, waiting.take_due_marks()


def test_empty_queue_gives_nothing():
    assert queue().pop() is None


def test_sound_comes_out_in_frames_whatever_pieces_it_came_in():
    waiting = queue()
    waiting.play(A[:100])
    waiting.play(A[:60] + B[:1])
    waiting.play(B[:159])
    assert [waiting.pop(), waiting.pop(), waiting.pop()] == [A, B, None]


def test_long_piece_is_cut_into_frames():
    waiting = queue()
    waiting.play(A + B + A)
    assert [waiting.pop(), waiting.pop(), waiting.pop()] == [A, B, A]


def test_rest_of_a_frame_is_filled_up_with_silence():
    waiting = queue()
    waiting.play(A[:40])
    assert waiting.pop() == b"a" * 40 + b"\xff" * 120


def test_mark_is_due_one_step_after_the_frame_that_holds_its_last_byte():
    waiting = queue()
    waiting.play(A + B)
    assert waiting.mark("said")
    assert [step(waiting), step(waiting), step(waiting)] == [(A, []), (B, []), (None, ["said"])]


def test_mark_within_a_frame_waits_for_the_whole_frame():
    waiting = queue()
    waiting.play(A[:80])
    waiting.mark("half")
    waiting.play(A[:80])
    assert [step(waiting), step(waiting)] == [(A, []), (None, ["half"])]


def test_marks_are_due_in_the_order_in_which_they_were_queued():
    waiting = queue()
    waiting.play(A)
    waiting.mark("one")
    waiting.mark("two")
    waiting.play(B)
    waiting.mark("three")
    marks = [mark for _ in range(3) for mark in step(waiting)[1]]
    assert marks == ["one", "two", "three"]


def test_mark_on_an_empty_queue_is_due_at_once():
    assert not queue().mark("now")


def test_mark_behind_a_frame_that_has_only_just_left_is_not_due_yet():
    waiting = queue()
    waiting.play(A)
    waiting.pop()
    assert waiting.mark("soon")
    assert step(waiting) == (None, ["soon"])


def test_clear_drops_the_sound_and_returns_the_pending_marks_in_order():
    waiting = queue()
    waiting.play(A)
    waiting.mark("one")
    waiting.play(B)
    waiting.mark("two")
    assert waiting.clear() == ["one", "two"]
    assert step(waiting) == (None, [])


def test_sound_played_after_clear_keeps_its_marks():
    waiting = queue()
    waiting.play(A + A)
    waiting.pop()
    waiting.clear()
    waiting.play(B)
    waiting.mark("after")
    assert [step(waiting), step(waiting)] == [(B, []), (None, ["after"])]


def test_held_queue_keeps_sound_and_marks_until_released():
    waiting = queue()
    waiting.held = True
    waiting.play(A)
    waiting.mark("said")
    assert [step(waiting), step(waiting)] == [(None, []), (None, [])]
    waiting.held = False
    assert [step(waiting), step(waiting)] == [(A, []), (None, ["said"])]


def test_sound_beyond_the_limit_is_dropped_and_counted():
    waiting = queue(max_seconds=0.03)
    waiting.play(A + B)
    waiting.play(A)
    assert waiting.dropped_bytes == 240
    assert [waiting.pop(), waiting.pop()] == [A, b"b" * 80 + b"\xff" * 80]


def test_room_returns_as_sound_is_played():
    waiting = queue(max_seconds=0.02)
    waiting.play(A)
    waiting.pop()
    waiting.play(B)
    assert (waiting.pop(), waiting.dropped_bytes) == (B, 0)


def test_marks_beyond_the_limit_are_dropped_and_counted():
    waiting = queue()
    waiting.play(A)
    for number in range(MAX_MARKS + 3):
        waiting.mark(str(number))
    assert waiting.dropped_marks == 3
    assert len(waiting.clear()) == 4096


def test_queue_is_drained_only_after_its_last_frame_has_been_played():
    waiting = queue()
    assert waiting.is_drained
    waiting.play(A)
    assert not waiting.is_drained
    waiting.pop()
    assert not waiting.is_drained
    waiting.pop()
    assert waiting.is_drained


def test_queued_seconds_tell_what_is_waiting():
    waiting = queue()
    waiting.play(A + B)
    waiting.pop()
    assert waiting.queued_seconds == 0.02
