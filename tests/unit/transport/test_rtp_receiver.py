"""What comes in on an RTP port, from the peer and from others."""

from __future__ import annotations

import pytest
from support.rtp_peer import audio_parameters

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.offer_answer import Codec, Direction
from sip_edge.media.rtp import build_rtp
from sip_edge.transport.rtp_receiver import RtpReceiver, reachable

PEER = ("192.0.2.10", 4000)
STRANGER = ("203.0.113.66", 9999)
SPEECH = b"\x21" * 160


def receiver(
    *,
    codec: Codec = Codec.PCMU,
    direction: Direction = Direction.SENDRECV,
    telephone_event: int | None = 101,
) -> RtpReceiver:
    receiving = RtpReceiver(is_symmetric=True)
    receiving.configure(
        audio_parameters(PEER, codec=codec, direction=direction, telephone_event=telephone_event),
        0.0,
    )
    return receiving


def rtp(
    number: int, *, payload: bytes = SPEECH, payload_type: int = 0, ssrc: int = 1, first: int = 0
) -> bytes:
    """The packet `number` of a stream."""
    return build_rtp(
        payload_type=payload_type,
        marker=False,
        sequence=(first + number) % 65536,
        timestamp=160 * number,
        ssrc=ssrc,
        payload=payload,
    )


def frames(receiving: RtpReceiver, count: int) -> list[bytes]:
    return [receiving.jitter.pop() for _ in range(count)]


def test_sound_of_the_peer_is_heard():
    receiving = receiver()
    assert receiving.receive(rtp(0), PEER, 0.5) == ""
    assert frames(receiving, 3) == [ULAW_SILENCE, ULAW_SILENCE, SPEECH]
    assert (receiving.packets_received, receiving.heard_at) == (1, 0.5)


def test_alaw_is_translated():
    receiving = receiver(codec=Codec.PCMA)
    receiving.receive(rtp(0, payload=b"\xd5\x55" * 80, payload_type=8), PEER, 0.5)
    assert frames(receiving, 3)[2] == b"\xfe\x7e" * 80


def test_stranger_is_counted_and_not_heard():
    receiving = receiver()
    receiving.receive(rtp(0), PEER, 0.5)
    for number in range(100):
        receiving.receive(rtp(number, payload=b"\x01" * 160, ssrc=2), STRANGER, 0.5)
    receiving.receive(rtp(1), PEER, 0.52)
    assert frames(receiving, 4)[2:] == [SPEECH, SPEECH]
    assert (receiving.strangers, receiving.packets_received) == (100, 2)


def test_stranger_who_copies_the_peers_ssrc_and_numbers_is_not_heard():
    receiving = receiver()
    receiving.receive(rtp(0), PEER, 0.5)
    receiving.receive(rtp(1, payload=b"\x01" * 160), STRANGER, 0.5)
    receiving.receive(rtp(1), PEER, 0.52)
    assert frames(receiving, 4)[3] == SPEECH
    assert receiving.duplicates == 0


def test_peer_is_heard_at_once_when_it_takes_over_from_a_stranger():
    receiving = receiver()
    for number in range(10):
        receiving.receive(rtp(number, payload=b"\x01" * 160, ssrc=2), STRANGER, 0.1)
    receiving.receive(rtp(0), PEER, 0.5)
    assert frames(receiving, 3) == [ULAW_SILENCE, ULAW_SILENCE, SPEECH]


def test_stranger_with_another_payload_type_is_never_latched_on_to():
    receiving = receiver()
    for number in range(20):
        receiving.receive(rtp(number, payload_type=3), STRANGER, 0.1)
    assert receiving.latch.source is None


@pytest.mark.parametrize(
    "data", [b"", b"\x80", b"\x00" * 200, b"\x8f" + bytes(20), b"GET / HTTP/1.1"]
)
def test_what_is_no_rtp_is_counted(data):
    receiving = receiver()
    assert receiving.receive(data, PEER, 0.5) == ""
    assert (receiving.malformed, receiving.packets_received) == (1, 0)


def test_other_payload_type_is_counted_and_not_heard():
    receiving = receiver()
    receiving.receive(rtp(0), PEER, 0.5)
    receiving.receive(rtp(1, payload_type=18), PEER, 0.52)
    assert receiving.other_payloads == 1
    assert frames(receiving, 4)[2:] != [SPEECH, SPEECH]


def test_comfort_noise_is_neither_heard_nor_counted_as_something_else():
    receiving = receiver()
    receiving.receive(rtp(0, payload=b"\x40", payload_type=13), PEER, 0.5)
    assert (receiving.other_payloads, receiving.packets_received) == (0, 1)
    assert receiving.jitter.buffered_samples == 0


def test_duplicate_is_not_heard_twice():
    receiving = receiver()
    receiving.receive(rtp(0), PEER, 0.5)
    frames(receiving, 3)
    receiving.receive(rtp(0), PEER, 0.6)
    assert receiving.duplicates == 1
    assert receiving.jitter.late == 0


def test_key_is_one_digit():
    receiving = receiver()
    packets = ["05" + "0a00a0", "05" + "0a0140", *["05" + "8a01e0"] * 3]
    digits = [
        receiving.receive(
            build_rtp(
                payload_type=101,
                marker=number == 0,
                sequence=number,
                timestamp=160,
                ssrc=1,
                payload=bytes.fromhex(text),
            ),
            PEER,
            0.5,
        )
        for number, text in enumerate(packets)
    ]
    assert digits == ["", "", "5", "", ""]


def test_key_whose_end_was_lost_is_a_digit_in_the_end():
    receiving = receiver()
    receiving.receive(rtp(0, payload=bytes.fromhex("050a00a0"), payload_type=101), PEER, 0.5)
    assert receiving.expire(0.6) == ""
    assert receiving.expire(1.0) == "5"


def test_events_are_no_keys_if_none_were_agreed():
    receiving = receiver(telephone_event=None)
    receiving.receive(rtp(0, payload=bytes.fromhex("058a01e0"), payload_type=101), PEER, 0.5)
    receiving.receive(rtp(0), PEER, 0.5)
    receiving.receive(rtp(1, payload=bytes.fromhex("058a01e0"), payload_type=101), PEER, 0.5)
    assert receiving.expire(5.0) == ""
    assert receiving.other_payloads == 1


def test_new_stream_of_the_peer_is_followed_from_its_second_packet():
    receiving = receiver()
    receiving.receive(rtp(0), PEER, 0.5)
    frames(receiving, 3)
    other = b"\x22" * 160
    for number in range(5000, 5003):
        receiving.receive(rtp(number, payload=other, ssrc=2, first=777), PEER, 0.6)
    assert frames(receiving, 4)[2:] == [other, other]
    assert receiving.packets_received == 3


def test_straggler_of_the_old_stream_does_not_bring_it_back():
    receiving = receiver()
    other = b"\x22" * 160
    receiving.receive(rtp(0), PEER, 0.5)
    receiving.receive(rtp(0, payload=other, ssrc=2), PEER, 0.54)
    receiving.receive(rtp(1, payload=other, ssrc=2), PEER, 0.56)
    receiving.receive(rtp(1), PEER, 0.56)
    receiving.receive(rtp(2, payload=other, ssrc=2), PEER, 0.58)
    assert frames(receiving, 4)[2:] == [other, other]


def test_forged_streams_do_not_take_the_place_of_one_that_is_heard():
    receiving = receiver()
    for number in range(5):
        now = 0.5 + 0.02 * number
        receiving.receive(rtp(number), PEER, now)
        for forged in range(5):
            receiving.receive(rtp(forged, payload=b"\x01" * 160, ssrc=9), PEER, now + 0.019)
    assert frames(receiving, 7)[2:] == [SPEECH] * 5
    assert receiving.ssrc == 1


def test_new_stream_that_is_authentic_is_heard_at_once():
    receiving = receiver()
    other = b"\x22" * 160
    receiving.receive(rtp(0), PEER, 0.5, is_authentic=True)
    receiving.receive(rtp(0, payload=other, ssrc=2), PEER, 0.5, is_authentic=True)
    assert frames(receiving, 3)[2] == other


def test_source_of_which_nothing_would_be_taken_is_known_before_a_look_at_its_packets():
    receiving = receiver()
    assert receiving.may_be_peer(STRANGER, 0.1)
    receiving.receive(rtp(0), PEER, 0.5)
    assert receiving.may_be_peer(PEER, 0.5)
    assert not receiving.may_be_peer(STRANGER, 0.5)
    assert receiving.strangers == 1


def test_two_streams_mixed_packet_by_packet_leave_the_first_one_undisturbed():
    receiving = receiver()
    for number in range(4):
        receiving.receive(rtp(number), PEER, 0.5)
        receiving.receive(rtp(number, payload=b"\x22" * 160, ssrc=2), PEER, 0.5)
    assert frames(receiving, 6)[2:] == [SPEECH] * 4


def test_loss_of_all_streams_is_added_up():
    receiving = receiver()
    for number in (0, 2):
        receiving.receive(rtp(number), PEER, 0.5)
    for number in (0, 1, 5):
        receiving.receive(rtp(number, ssrc=2), PEER, 0.6)
    assert receiving.lost == 1 + 3


def test_key_pressed_when_the_stream_changes_is_not_lost():
    receiving = receiver()
    receiving.receive(rtp(0, payload=bytes.fromhex("050a00a0"), payload_type=101), PEER, 0.5)
    receiving.receive(rtp(0, ssrc=2), PEER, 0.54)
    assert receiving.receive(rtp(1, ssrc=2), PEER, 0.56) == "5"


@pytest.mark.parametrize("direction", [Direction.SENDONLY, Direction.INACTIVE])
def test_nothing_is_heard_while_the_peer_may_not_send(direction):
    receiving = receiver(direction=direction)
    receiving.receive(rtp(0), PEER, 0.5)
    assert frames(receiving, 4) == [ULAW_SILENCE] * 4


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        (("192.0.2.1", 4000), ("192.0.2.1", 4000)),
        (("2001:DB8:0::1", 4000), ("2001:db8::1", 4000)),
        (("0.0.0.0", 4000), None),
        (("::", 4000), None),
        (("192.0.2.1", 0), None),
        (("192.0.2.1", 70_000), None),
        (("media.example.com", 4000), None),
        (("", 4000), None),
    ],
)
def test_only_a_numeric_address_with_a_port_can_be_sent_to(address, expected):
    assert reachable(address) == expected
