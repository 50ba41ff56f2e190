"""The jitter buffer: what is heard of packets that come late, twice, out of order or not at all.

`pop` is its clock, 20 ms a call. A frame of sound is one letter here: `a` is 160 bytes of it, and
none of the letters used is half as loud as another one.
"""

from __future__ import annotations

import pytest

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.jitter import JitterBuffer

LOUD = b"\x10" * 160
QUIET = b"\xfe" * 160
TIMESTAMP = 5000


def sound(letter: str) -> bytes:
    """160 bytes of one letter."""
    return letter.encode() * 160


def heard(buffer: JitterBuffer, frames: int) -> str:
    """What the next frames are: their letter, `-` for silence, `~` for what was made up."""
    text = ""
    for _ in range(frames):
        frame = buffer.pop()
        assert len(frame) == 160
        if frame == ULAW_SILENCE:
            text += "-"
        else:
            letter = chr(frame[0])
            text += letter if frame == sound(letter) and letter in "abcdefghijxyz" else "~"
    return text


def put(buffer: JitterBuffer, letters: str, *, start: int = 0) -> None:
    """Put packets of 20 ms in a row, the first one `start` packets after the first of all."""
    for number, letter in enumerate(letters, start):
        buffer.put((TIMESTAMP + 160 * number) % 2**32, sound(letter))


def playing(letters: str = "abc") -> JitterBuffer:
    """A buffer that has played `letters` and waits for what comes next."""
    buffer = JitterBuffer()
    put(buffer, letters)
    heard(buffer, 2 + len(letters))
    return buffer


def test_empty_buffer_is_silent():
    assert heard(JitterBuffer(), 3) == "---"


def test_first_packet_is_heard_after_40_ms():
    buffer = JitterBuffer()
    put(buffer, "abc")
    assert heard(buffer, 5) == "--abc"


def test_packets_out_of_order_are_heard_in_order():
    buffer = JitterBuffer()
    put(buffer, "a")
    put(buffer, "c", start=2)
    put(buffer, "b", start=1)
    assert heard(buffer, 5) == "--abc"


def test_missing_packet_is_the_last_one_again_softer():
    buffer = JitterBuffer()
    buffer.put(0, LOUD)
    buffer.put(320, LOUD)
    frames = [buffer.pop() for _ in range(5)]
    assert frames[2] == LOUD
    assert frames[3] == b"\x20" * 160  # Half of it: µ-law 0x10 is -15996, 0x20 is -7932.
    assert frames[4] == LOUD
    assert buffer.concealed == 1


def test_only_the_first_of_several_missing_packets_is_made_up():
    buffer = playing("a")
    assert heard(buffer, 4) == "~---"
    assert buffer.concealed == 1


def test_pause_of_the_sender_is_silence_and_no_loss_of_place():
    buffer = playing("abc")
    heard(buffer, 20)
    put(buffer, "de", start=25)
    assert heard(buffer, 4) == "--de"
    assert (buffer.late, buffer.discarded) == (0, 0)


def test_timestamps_wrap_without_a_gap():
    buffer = JitterBuffer()
    start = 2**32 - 240
    for number, letter in enumerate("abcd"):
        buffer.put((start + 160 * number) % 2**32, sound(letter))
    assert heard(buffer, 6) == "--abcd"


def test_late_packet_after_a_gap_of_the_network_is_heard_and_the_wait_grows():
    buffer = playing("abc")
    assert heard(buffer, 3) == "~--"
    put(buffer, "def", start=3)
    assert heard(buffer, 3) == "def"
    assert (buffer.late, buffer.delay_samples) == (1, 480)


def test_packets_arriving_after_their_playout_time_are_dropped_and_counted():
    buffer = JitterBuffer()
    put(buffer, "a")
    put(buffer, "cd", start=2)
    assert heard(buffer, 5) == "--a~c"
    put(buffer, "b", start=1)
    assert "b" not in heard(buffer, 4)
    assert buffer.late == 1


def test_wait_grows_by_a_frame_when_a_packet_was_overtaken():
    buffer = JitterBuffer()
    put(buffer, "a")
    put(buffer, "cdef", start=2)
    heard(buffer, 5)
    put(buffer, "b", start=1)
    assert heard(buffer, 4) == "~def"


def test_wait_never_grows_beyond_200_ms():
    buffer = playing("a")
    for number in range(2, 60):
        heard(buffer, 1)
        put(buffer, "b", start=number - 1)
        heard(buffer, 1)
    assert buffer.delay_samples == 1600
    assert buffer.buffered_samples <= 1760


def steady(buffer: JitterBuffer, packets: int, payload: bytes, *, start: int = 0) -> int:
    """Feed and play in step; how many of the frames played were the payload."""
    count = 0
    for number in range(start, start + packets):
        buffer.put(TIMESTAMP + 160 * number, payload)
        count += buffer.pop() == payload
    return count


def test_calm_network_shortens_the_wait_to_20_ms_and_no_further():
    buffer = JitterBuffer()
    steady(buffer, 1000, QUIET)
    assert (buffer.delay_samples, buffer.skipped) == (160, 1)
    assert buffer.buffered_samples == 160


def test_wait_is_shortened_where_nothing_is_said():
    buffer = JitterBuffer()
    steady(buffer, 120, LOUD)
    assert buffer.skipped == 0
    steady(buffer, 1, QUIET, start=120)
    steady(buffer, 3, LOUD, start=121)
    assert buffer.skipped == 1


def test_wait_is_shortened_in_speech_when_there_is_no_silence_for_a_second():
    buffer = JitterBuffer()
    steady(buffer, 140, LOUD)
    assert buffer.skipped == 0
    steady(buffer, 20, LOUD, start=140)
    assert buffer.skipped == 1


def test_wait_is_not_shortened_below_what_the_slowest_packets_need():
    buffer = JitterBuffer()
    for number in range(0, 1000, 2):
        # Two packets at a time: the first of each two has waited for the second one.
        buffer.pop()
        put(buffer, "aa", start=number)
        buffer.pop()
    assert (buffer.skipped, buffer.late) == (1, 0)


def test_burst_after_a_long_stall_leaves_no_longer_wait_than_200_ms():
    buffer = playing("abc")
    heard(buffer, 100)
    put(buffer, "d" * 100, start=3)
    assert buffer.buffered_samples <= 1760
    assert "d" in heard(buffer, 3)


def test_sender_that_starts_anew_is_followed_after_two_packets():
    buffer = playing("abc")
    buffer.put(2_000_000_000, sound("x"))
    buffer.put(2_000_000_160, sound("y"))
    buffer.put(2_000_000_320, sound("z"))
    assert heard(buffer, 4) == "~-yz"
    assert buffer.discarded == 1


def test_sender_that_starts_anew_after_silence_is_followed_at_once():
    buffer = playing("abc")
    heard(buffer, 10)
    buffer.put(2_000_000_000, sound("x"))
    assert heard(buffer, 3) == "--x"


def test_single_packet_from_nowhere_does_not_disturb():
    buffer = JitterBuffer()
    put(buffer, "abc")
    buffer.put(2_000_000_000, sound("x"))
    put(buffer, "d", start=3)
    assert heard(buffer, 6) == "--abcd"


def test_packets_from_all_over_do_not_disturb():
    buffer = JitterBuffer()
    put(buffer, "abc")
    for timestamp in (2_000_000_000, 1_000_000_000, 3_000_000_000):
        buffer.put(timestamp, sound("x"))
    assert heard(buffer, 5) == "--abc"


def test_second_packet_from_nowhere_must_follow_the_first_one_at_once():
    buffer = JitterBuffer()
    put(buffer, "abc")
    buffer.put(2_000_000_000, sound("x"))
    put(buffer, "d", start=3)
    buffer.put(2_000_000_160, sound("y"))
    assert heard(buffer, 6) == "--abcd"


def test_other_source_begins_with_a_wait_of_its_own():
    buffer = playing("abc")
    buffer.reset()
    buffer.put(77, sound("x"))
    assert heard(buffer, 3) == "~-x"


@pytest.mark.parametrize("size", [40, 80, 240, 320, 480])
def test_any_packet_size_gives_the_same_sound_in_frames_of_20_ms(size):
    buffer = JitterBuffer()
    spoken = bytes(n % 96 for n in range(960))
    for start in range(0, 960, size):
        buffer.put(TIMESTAMP + start, spoken[start : start + size])
    frames = [buffer.pop() for _ in range(8)]
    assert b"".join(frames) == ULAW_SILENCE * 2 + spoken


def test_lost_packet_of_10_ms_is_a_gap_of_10_ms():
    buffer = JitterBuffer()
    buffer.put(0, b"a" * 80)
    buffer.put(160, b"c" * 80)
    buffer.put(240, b"d" * 80)
    heard(buffer, 2)
    assert buffer.pop() == b"a" * 80 + b"\xff" * 80
    assert buffer.pop() == b"c" * 80 + b"d" * 80


def test_missing_beginning_of_a_frame_is_silence():
    buffer = JitterBuffer()
    buffer.put(0, sound("a"))
    buffer.put(240, b"b" * 80)
    heard(buffer, 3)
    assert buffer.pop() == b"\xff" * 80 + b"b" * 80


def test_rest_of_a_packet_that_came_a_little_late_is_heard():
    buffer = JitterBuffer()
    put(buffer, "a")
    put(buffer, "cdefghij", start=2)
    heard(buffer, 3)
    put(buffer, "ab", start=10)  # Ten frames are held: the wait cannot grow any more.
    buffer.put(TIMESTAMP + 80, b"x" * 240)
    assert heard(buffer, 2) == "xc"
    assert buffer.late == 1


def test_speech_that_begins_off_the_grid_is_heard_whole():
    buffer = playing("a")
    heard(buffer, 5)
    buffer.put(TIMESTAMP + 160 * 8 + 37, sound("x"))
    buffer.put(TIMESTAMP + 160 * 9 + 37, sound("y"))
    assert heard(buffer, 6).strip("-~") == "xy"


def test_packet_without_sound_changes_nothing():
    buffer = JitterBuffer()
    put(buffer, "a")
    buffer.put(TIMESTAMP + 160, b"")
    put(buffer, "c", start=2)
    assert heard(buffer, 5) == "--a~c"


def test_flood_of_tiny_packets_is_bounded():
    buffer = JitterBuffer()
    for number in range(1000):
        buffer.put(TIMESTAMP + number, b"x")
    assert buffer.buffered_samples == 64
    assert buffer.discarded > 900


def test_huge_packet_is_cut_to_what_can_be_played_in_time():
    buffer = JitterBuffer()
    buffer.put(TIMESTAMP, b"x" * 65_000)
    assert buffer.buffered_samples == 1600
