"""Keys pressed on a telephone (RFC 4733)."""

from __future__ import annotations

import pytest

from sip_edge.media.telephone_event import (
    MAX_QUEUED_DIGITS,
    EventPacket,
    TelephoneEvent,
    TelephoneEventReceiver,
    TelephoneEventSender,
    build_telephone_event,
    parse_telephone_event,
)


def key(event: int, duration: int, *, end: bool = False) -> bytes:
    return build_telephone_event(TelephoneEvent(event, end, 10, duration))


def press(receiver: TelephoneEventReceiver, event: int, timestamp: int, now: float) -> str:
    """A whole key press: four packets, the last one three times."""
    packets = [key(event, 160), key(event, 320), key(event, 480)] + [key(event, 640, end=True)] * 3
    return "".join(
        receiver.receive(timestamp, packet, now + 0.02 * n) for n, packet in enumerate(packets)
    )


def test_payload_of_the_rfc_is_read():
    assert parse_telephone_event(bytes.fromhex("0b8a0320")) == TelephoneEvent(11, True, 10, 800)


def test_reserved_bit_is_no_part_of_the_volume():
    assert parse_telephone_event(bytes.fromhex("01400000")) == TelephoneEvent(1, False, 0, 0)


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x01\x8a\x03"])
def test_payload_that_is_too_short_is_no_event(payload):
    assert parse_telephone_event(payload) is None


def test_payload_is_built_as_the_rfc_draws_it():
    assert build_telephone_event(TelephoneEvent(11, True, 10, 800)) == bytes.fromhex("0b8a0320")


def test_key_press_gives_one_digit():
    assert press(TelephoneEventReceiver(), 5, 1000, 0.0) == "5"


def test_digit_comes_when_the_key_is_let_go():
    receiver = TelephoneEventReceiver()
    assert receiver.receive(1000, key(5, 160), 0.0) == ""
    assert receiver.receive(1000, key(5, 320, end=True), 0.02) == "5"


@pytest.mark.parametrize(("event", "digit"), [(0, "0"), (10, "*"), (11, "#"), (12, "A"), (15, "D")])
def test_event_code_has_its_key(event, digit):
    assert press(TelephoneEventReceiver(), event, 1000, 0.0) == digit


def test_same_key_twice_is_two_digits():
    receiver = TelephoneEventReceiver()
    assert press(receiver, 5, 1000, 0.0) + press(receiver, 5, 3000, 0.5) == "55"


def test_only_an_end_packet_arriving_is_enough():
    assert TelephoneEventReceiver().receive(1000, key(7, 640, end=True), 0.0) == "7"


def test_lost_end_is_made_up_for_by_the_next_key():
    receiver = TelephoneEventReceiver()
    receiver.receive(1000, key(1, 160), 0.0)
    assert receiver.receive(3000, key(2, 160), 0.25) == "1"


def test_two_keys_are_complete_when_the_end_of_the_first_was_lost():
    receiver = TelephoneEventReceiver()
    receiver.receive(1000, key(1, 160), 0.0)
    assert receiver.receive(3000, key(2, 640, end=True), 0.25) == "12"


def test_lost_end_is_made_up_for_by_time():
    receiver = TelephoneEventReceiver()
    receiver.receive(1000, key(1, 160), 10.0)
    assert receiver.expire(10.25) == ""
    assert receiver.expire(10.5) == "1"
    assert receiver.expire(11.0) == ""


def test_end_after_the_time_is_over_gives_no_second_digit():
    receiver = TelephoneEventReceiver()
    receiver.receive(1000, key(1, 160), 10.0)
    receiver.expire(10.5)
    assert receiver.receive(1000, key(1, 640, end=True), 10.6) == ""


def test_key_held_down_does_not_expire():
    receiver = TelephoneEventReceiver()
    for n in range(100):
        assert receiver.receive(1000, key(1, 160 * (n + 1)), 0.02 * n) == ""
        assert receiver.expire(0.02 * n) == ""


def test_key_held_for_longer_than_a_segment_is_one_digit():
    receiver = TelephoneEventReceiver()
    receiver.receive(1000, key(1, 0xFFFF), 8.0)
    assert receiver.receive(1000 + 0xFFFF, key(1, 160), 8.02) == ""
    assert receiver.receive(1000 + 0xFFFF, key(1, 320, end=True), 8.04) == "1"


def test_straggler_of_an_older_key_gives_no_digit():
    receiver = TelephoneEventReceiver()
    digits = press(receiver, 1, 1000, 0.0) + press(receiver, 2, 3000, 0.3)
    assert digits + receiver.receive(1000, key(1, 640, end=True), 0.6) == "12"


def test_timestamps_may_wrap_between_two_keys():
    receiver = TelephoneEventReceiver()
    digits = press(receiver, 1, 2**32 - 800, 0.0) + press(receiver, 2, 800, 0.3)
    assert digits == "12"


def test_sender_that_began_a_new_time_line_is_heard():
    receiver = TelephoneEventReceiver()
    assert press(receiver, 1, 2_000_000_000, 0.0) + press(receiver, 2, 800, 0.3) == "12"


@pytest.mark.parametrize("payload", [b"", b"\x01", b"\x10\x8a\x03\x20", b"\xff\x8a\x03\x20"])
def test_what_is_no_key_is_counted_and_ignored(payload):
    receiver = TelephoneEventReceiver()
    assert receiver.receive(1000, payload, 0.0) == ""
    assert (receiver.ignored, receiver.is_pressed) == (1, False)


def test_reset_lets_go_of_the_key():
    receiver = TelephoneEventReceiver()
    receiver.receive(90_000, key(4, 160), 0.0)
    assert receiver.reset() == "4"
    assert press(receiver, 5, 80_000, 0.1) == "5"


def test_sent_key_is_a_marked_packet_seven_more_and_two_repeats_of_the_end():
    sender = TelephoneEventSender()
    sender.press("#")
    packets = [sender.next(5000 + 160 * n) for n in range(11)]
    assert packets[0] == EventPacket(bytes.fromhex("0b0a00a0"), 5000, True)
    assert packets[1] == EventPacket(bytes.fromhex("0b0a0140"), 5000, False)
    assert packets[6] == EventPacket(bytes.fromhex("0b0a0460"), 5000, False)
    assert packets[7:10] == [EventPacket(bytes.fromhex("0b8a0500"), 5000, False)] * 3
    assert packets[10] is None


def test_keys_sent_in_a_row_have_a_gap_and_timestamps_of_their_own():
    sender = TelephoneEventSender()
    sender.press("1")
    sender.press("2")
    packets = [sender.next(160 * n) for n in range(30)]
    assert [n for n, packet in enumerate(packets) if packet is not None] == [
        *range(10),
        *range(14, 24),
    ]
    assert {packet.timestamp for packet in packets if packet is not None} == {0, 2240}
    assert not sender.is_busy


def test_receiver_understands_the_sender():
    sender, receiver, digits = TelephoneEventSender(), TelephoneEventReceiver(), ""
    for digit in "0123456789*#ABCD":
        sender.press(digit)
    for n in range(16 * 14):
        if packet := sender.next(160 * n):
            digits += receiver.receive(packet.timestamp, packet.payload, 0.02 * n)
    assert digits == "0123456789*#ABCD"


@pytest.mark.parametrize("digit", ["", "E", "12", "a", "\u0661"])
def test_unknown_key_cannot_be_pressed(digit):
    with pytest.raises(ValueError, match="no such key"):
        TelephoneEventSender().press(digit)


def test_only_so_many_keys_can_wait():
    sender = TelephoneEventSender()
    for _ in range(MAX_QUEUED_DIGITS):
        sender.press("1")
    with pytest.raises(ValueError, match="64 keys"):
        sender.press("1")
