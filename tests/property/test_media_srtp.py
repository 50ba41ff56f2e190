"""Whatever arrives on an RTP port: no packet of a stranger opens, is heard, or moves the sound."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from support.rtp_peer import audio_parameters

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.rtp import RtpPacket, build_rtp
from sip_edge.media.sdes import CryptoSuite, SrtpKeys, SrtpPolicy
from sip_edge.transport.rtp_latch import SourceLatch
from sip_edge.transport.rtp_receiver import RtpReceiver
from sip_edge.transport.rtp_srtp import Srtp

SDP = ("192.0.2.10", 4000)
SPEECH = b"\x21" * 160

EXAMPLES = settings(max_examples=100, deadline=None)

suites = st.sampled_from(CryptoSuite)
mkis = st.sampled_from([b"", b"\x01", bytes(32)])
foreign_sources = st.builds(
    lambda host, port: (f"203.0.113.{host}", port), st.integers(1, 9), st.integers(1, 65535)
)
packets = st.builds(
    RtpPacket,
    st.sampled_from([0, 101, 13, 96]),
    st.booleans(),
    st.integers(0, 20),
    st.integers(0, 2**32 - 1),
    st.sampled_from([1, 2, 3]),
    st.just(SPEECH),
)


def srtp(suite: CryptoSuite, local: int, remote: int, mki: bytes = b"") -> Srtp:
    made = Srtp(SrtpPolicy.OPTIONAL)
    made.configure(
        SrtpKeys(
            tag="1",
            suite=suite,
            local_key=bytes([local]) * suite.key_bytes,
            remote_key=bytes([remote]) * suite.key_bytes,
            remote_mki=mki,
        ),
        0.0,
    )
    return made


def rtp(index: int) -> bytes:
    return build_rtp(
        payload_type=0,
        marker=False,
        sequence=index % 65536,
        timestamp=160 * index % 2**32,
        ssrc=7,
        payload=SPEECH,
    )


@given(suites, mkis, st.binary(max_size=300), st.booleans())
@EXAMPLES
def test_any_bytes_are_refused_and_the_peer_is_still_heard(
    suite: CryptoSuite, mki: bytes, data: bytes, looks_like_rtp: bool
) -> None:
    there, here = srtp(suite, 2, 1, mki), srtp(suite, 1, 2)
    if looks_like_rtp:
        data = b"\x80\x00" + data
    assert there.unprotect(data, 0.0) is None
    assert there.unprotect_rtcp(data, 0.0) is None
    assert there.unauthentic + there.replayed == 2
    if not mki:
        assert there.unprotect(here.protect(rtp(0)) or b"", 0.0) == rtp(0)


@given(suites, st.integers(0, 200), st.integers(0, 7))
@EXAMPLES
def test_packet_with_any_bit_changed_is_refused(suite: CryptoSuite, at: int, bit: int) -> None:
    there, here = srtp(suite, 2, 1), srtp(suite, 1, 2)
    sealed = bytearray(here.protect(rtp(5)) or b"")
    sealed[at % len(sealed)] ^= 1 << bit
    assert there.unprotect(bytes(sealed), 0.0) is None


@given(
    suites,
    st.integers(0, 2**15 - 1),
    st.lists(st.integers(-60, 30_000), min_size=1, max_size=12),
)
@EXAMPLES
def test_packets_that_come_in_any_order_open_once(
    suite: CryptoSuite, first: int, steps: list[int]
) -> None:
    there, here = srtp(suite, 2, 1), srtp(suite, 1, 2)
    newest, opened = first, set[int]()
    sealed: dict[int, bytes] = {}
    for step in [0, *steps]:
        index = newest + step
        if index < first:
            continue
        if index not in sealed:
            sealed[index] = here.protect(rtp(index)) or b""
        clear = there.unprotect(sealed[index], 0.0)
        assert clear == (None if index in opened else rtp(index))
        opened.add(index)
        newest = max(newest, index)


@given(st.lists(st.tuples(foreign_sources, packets, st.floats(0.0, 20.0)), max_size=40))
@EXAMPLES
def test_no_stranger_is_ever_learned_by_plain_packets(
    arrivals: list[tuple[tuple[str, int], RtpPacket, float]],
) -> None:
    latch = SourceLatch(is_symmetric=True, signalling_host="198.51.100.7")
    latch.expect(SDP, 0.0)
    for source, packet, now in sorted(arrivals, key=lambda arrival: arrival[2]):
        assert not latch.accept(source, packet, now)
    assert latch.target == SDP
    assert latch.accept(SDP, RtpPacket(0, False, 0, 0, 9, SPEECH), 21.0)


@given(st.lists(st.tuples(foreign_sources, st.binary(max_size=60)), max_size=20))
@EXAMPLES
def test_no_bytes_of_a_stranger_are_heard(
    arrivals: list[tuple[tuple[str, int], bytes]],
) -> None:
    receiver = RtpReceiver(is_symmetric=True, signalling_host="198.51.100.7")
    receiver.configure(audio_parameters(SDP), 0.0)
    for source, data in arrivals:
        assert receiver.receive(b"\x80\x00" + data, source, 0.1) == ""
    assert receiver.jitter.pop() == ULAW_SILENCE
    assert receiver.strangers + receiver.malformed == len(arrivals)
    assert receiver.heard_at is None
