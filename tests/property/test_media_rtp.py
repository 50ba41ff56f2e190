"""RTP against hostile input: nothing raises, nothing grows, and sound keeps its order."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.rtp_peer import audio_parameters

from sip_edge.media.jitter import JitterBuffer
from sip_edge.media.playout import PlayoutQueue
from sip_edge.media.reception import Reception
from sip_edge.media.rtcp import Report, ReportBlock, SenderInfo, build_report, parse_rtcp
from sip_edge.media.rtp import RtpPacket, build_rtp, parse_rtp
from sip_edge.media.telephone_event import DIGITS, TelephoneEventReceiver
from sip_edge.transport.rtp_receiver import RtpReceiver

EXAMPLES = settings(max_examples=150, deadline=None)
UINT32 = st.integers(0, 2**32 - 1)
UINT16 = st.integers(0, 2**16 - 1)
PEER = ("192.0.2.10", 4000)


@EXAMPLES
@given(
    payload_type=st.integers(0, 127),
    marker=st.booleans(),
    sequence=UINT16,
    timestamp=UINT32,
    ssrc=UINT32,
    payload=st.binary(max_size=400),
)
def test_what_is_built_is_parsed(payload_type, marker, sequence, timestamp, ssrc, payload):
    data = build_rtp(
        payload_type=payload_type,
        marker=marker,
        sequence=sequence,
        timestamp=timestamp,
        ssrc=ssrc,
        payload=payload,
    )
    assert parse_rtp(data) == RtpPacket(payload_type, marker, sequence, timestamp, ssrc, payload)


@EXAMPLES
@given(first=st.integers(0, 255), rest=st.binary(max_size=200))
def test_payload_of_any_bytes_is_a_part_of_them(first, rest):
    data = bytes((first,)) + rest
    packet = parse_rtp(data)
    if packet is not None:
        assert data[0] >> 6 == 2
        assert packet.payload in data[12:]


@EXAMPLES
@given(st.binary(max_size=600))
def test_any_bytes_are_rtcp_or_not_but_never_an_error(data):
    packets = parse_rtcp(data)
    assert packets is None or len(packets) <= len(data) // 4


BLOCKS = st.builds(
    ReportBlock,
    ssrc=UINT32,
    fraction_lost=st.integers(0, 255),
    cumulative_lost=st.integers(-0x800000, 0x7FFFFF),
    highest_sequence=UINT32,
    jitter=UINT32,
    last_report=UINT32,
    delay=UINT32,
)
SENDERS = st.builds(
    SenderInfo, ntp=st.integers(0, 2**64 - 1), rtp_timestamp=UINT32, packets=UINT32, octets=UINT32
)


@EXAMPLES
@given(ssrc=UINT32, sender=st.none() | SENDERS, blocks=st.lists(BLOCKS, max_size=31))
def test_report_survives_the_wire(ssrc, sender, blocks):
    report = Report(ssrc, sender, tuple(blocks))
    assert parse_rtcp(build_report(report)) == (report,)


PUTS = st.tuples(
    st.sampled_from([0, 160, 320, 80, -160, -480, 1600, 5000, 2**31, 2**32 - 1]) | UINT32,
    st.sampled_from([0, 1, 40, 80, 160, 240, 480, 1500]),
    st.integers(0, 3),
)


@EXAMPLES
@given(st.lists(PUTS, max_size=80))
def test_jitter_buffer_gives_frames_and_stays_small_whatever_comes(puts):
    buffer = JitterBuffer()
    timestamp = 0
    for step, size, pops in puts:
        timestamp = (timestamp + step) % 2**32
        buffer.put(timestamp, b"\x21" * size)
        for _ in range(pops):
            assert len(buffer.pop()) == 160
        assert buffer.buffered_samples <= 64 * 160
        assert 160 <= buffer.delay_samples <= 1600


@EXAMPLES
@given(
    start=UINT32,
    order=st.permutations(range(12)),
    lost=st.sets(st.integers(1, 11), max_size=6),
)
def test_frames_are_never_heard_out_of_order_or_twice(start, order, lost):
    buffer = JitterBuffer()
    heard = []
    # Each packet comes up to two frames late, in any order within its group of three.
    groups = [sorted(range(g, g + 3), key=order.index) for g in range(0, 12, 3)]
    for group in groups:
        for number in group:
            if number not in lost:
                buffer.put((start + 160 * number) % 2**32, bytes((number + 1,)) * 160)
        heard += [buffer.pop() for _ in range(3)]
    heard += [buffer.pop() for _ in range(20)]
    numbers = [frame[0] - 1 for frame in heard if frame == frame[:1] * 160 and frame[0] <= 12]
    assert numbers == sorted(set(numbers))


@EXAMPLES
@given(first=UINT16, steps=st.lists(st.integers(-5, 8), max_size=200))
def test_reception_counts_add_up(first, steps):
    reception = Reception(first)
    position = first
    for step in [0, *steps]:
        position += step
        reception.receive(position % 65536)
    assert 0 <= reception.lost <= reception.expected
    assert reception.received == len(steps) + 1
    assert 0 <= reception.take_fraction_lost() <= 255


@EXAMPLES
@given(st.lists(st.tuples(UINT32, st.binary(max_size=8), st.floats(0, 1)), max_size=60))
def test_events_of_any_bytes_give_only_digits(packets):
    receiver, now = TelephoneEventReceiver(), 0.0
    for timestamp, payload, pause in packets:
        now += pause
        digits = receiver.receive(timestamp, payload, now) + receiver.expire(now)
        assert len(digits) <= 2
        assert set(digits) <= set(DIGITS)


ACTIONS = st.one_of(
    st.tuples(st.just("play"), st.integers(0, 700)),
    st.tuples(st.just("pop"), st.integers(1, 5)),
    st.tuples(st.just("mark"), st.just(0)),
    st.tuples(st.just("clear"), st.just(0)),
    st.tuples(st.just("hold"), st.integers(0, 1)),
)


@EXAMPLES
@given(st.lists(ACTIONS, max_size=60))
def test_every_mark_is_reported_once_and_in_order(actions):
    waiting = PlayoutQueue(max_seconds=0.2)
    reported: list[str] = []
    marks = 0

    def pop() -> None:
        frame = waiting.pop()
        assert frame is None or len(frame) == 160
        reported.extend(waiting.take_due_marks())

    for action, amount in actions:
        if action == "play":
            waiting.play(b"\x21" * amount)
        elif action == "pop":
            for _ in range(amount):
                pop()
        elif action == "mark":
            if not waiting.mark(str(marks)):
                reported.append(str(marks))
            marks += 1
        elif action == "clear":
            reported.extend(waiting.clear())
        else:
            waiting.held = bool(amount)
    waiting.held = False
    for _ in range(15):
        pop()
    assert reported == [str(number) for number in range(marks)]
    assert waiting.is_drained


SOURCES = st.sampled_from([PEER, ("203.0.113.66", 9999), ("203.0.113.67", 1)])
DATAGRAMS = st.binary(max_size=300) | st.builds(
    build_rtp,
    payload_type=st.sampled_from([0, 8, 13, 101, 77]),
    marker=st.booleans(),
    sequence=st.integers(0, 30),
    timestamp=st.sampled_from([160 * n for n in range(30)]) | UINT32,
    ssrc=st.integers(0, 2),
    payload=st.binary(max_size=200),
)


@EXAMPLES
@given(st.lists(st.tuples(DATAGRAMS, SOURCES), max_size=80))
def test_receiver_survives_any_datagrams_from_anybody(datagrams):
    receiver = RtpReceiver(is_symmetric=True)
    receiver.configure(audio_parameters(PEER), 0.0)
    now = 0.0
    for data, source in datagrams:
        now += 0.01
        receiver.receive(data, source, now)
        receiver.expire(now)
        assert len(receiver.jitter.pop()) == 160
    assert receiver.lost >= 0


@EXAMPLES
@given(st.lists(DATAGRAMS, max_size=60))
def test_stranger_can_send_what_he_wants_once_the_peer_has_spoken(datagrams):
    receiver = RtpReceiver(is_symmetric=True)
    receiver.configure(audio_parameters(PEER), 0.0)
    hello = build_rtp(
        payload_type=0, marker=True, sequence=5, timestamp=0, ssrc=1, payload=b"\x21" * 160
    )
    receiver.receive(hello, PEER, 0.0)
    for data in datagrams:
        assert receiver.receive(data, ("203.0.113.66", 9999), 0.01) == ""
    assert receiver.packets_received == 1
    assert receiver.latch.target == PEER
    assert [receiver.jitter.pop() for _ in range(3)][2] == b"\x21" * 160
