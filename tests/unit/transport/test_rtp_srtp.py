"""SRTP between two ends of ours, and against what RFC 3711 says."""

from __future__ import annotations

import hmac
from dataclasses import replace

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sip_edge.media.rtcp import Report, build_report
from sip_edge.media.rtp import build_rtp
from sip_edge.media.sdes import CryptoSuite, SrtpKeys, SrtpPolicy
from sip_edge.transport.rtp_srtp import MAX_SSRCS, Srtp

LENGTHS = {
    CryptoSuite.AES_CM_128_HMAC_SHA1_80: 30,
    CryptoSuite.AES_CM_128_HMAC_SHA1_32: 30,
    CryptoSuite.AEAD_AES_128_GCM: 28,
    CryptoSuite.AEAD_AES_256_GCM: 44,
}
SHA1_80 = CryptoSuite.AES_CM_128_HMAC_SHA1_80


def keys(
    local: int = 1, remote: int = 2, *, suite: CryptoSuite = SHA1_80, mki: bytes = b""
) -> SrtpKeys:
    return SrtpKeys(
        tag="1",
        suite=suite,
        local_key=bytes([local]) * LENGTHS[suite],
        remote_key=bytes([remote]) * LENGTHS[suite],
        remote_mki=mki,
    )


def end(agreed: SrtpKeys | None) -> Srtp:
    srtp = Srtp(SrtpPolicy.OPTIONAL)
    srtp.configure(agreed, 0.0)
    return srtp


def ends(suite: CryptoSuite = SHA1_80) -> tuple[Srtp, Srtp]:
    """One end, and the other."""
    return end(keys(1, 2, suite=suite)), end(keys(2, 1, suite=suite))


def rtp(index: int, *, ssrc: int = 7) -> bytes:
    """The packet of this index: sequence numbers wrap."""
    return build_rtp(
        payload_type=0,
        marker=False,
        sequence=index % 65536,
        timestamp=160 * index % 2**32,
        ssrc=ssrc,
        payload=b"\x21" * 160,
    )


RTCP = build_report(Report(7, None, ()))


def sealed(sender: Srtp, packet: bytes) -> bytes:
    protected = sender.protect(packet)
    assert protected is not None
    return protected


def sealed_rtcp(sender: Srtp, packet: bytes = RTCP) -> bytes:
    protected = sender.protect_rtcp(packet)
    assert protected is not None
    return protected


@pytest.mark.parametrize("suite", CryptoSuite)
def test_packets_arrive_as_they_were_sent_and_cannot_be_read_on_the_way(suite: CryptoSuite) -> None:
    here, there = ends(suite)
    for index in range(3):
        protected = sealed(here, rtp(index))
        assert protected[:12] == rtp(index)[:12]
        assert b"\x21\x21" not in protected
        assert there.unprotect(protected, 0.0) == rtp(index)
    report = sealed_rtcp(there)
    assert report[:8] == RTCP[:8]
    assert here.unprotect_rtcp(report, 0.0) == RTCP


@pytest.mark.parametrize(
    ("suite", "rtp_bytes", "rtcp_bytes"),
    [
        (CryptoSuite.AES_CM_128_HMAC_SHA1_80, 10, 14),
        (CryptoSuite.AES_CM_128_HMAC_SHA1_32, 4, 14),
        (CryptoSuite.AEAD_AES_128_GCM, 16, 20),
        (CryptoSuite.AEAD_AES_256_GCM, 16, 20),
    ],
)
def test_packets_grow_by_what_the_suite_adds(
    suite: CryptoSuite, rtp_bytes: int, rtcp_bytes: int
) -> None:
    here, _ = ends(suite)
    assert len(sealed(here, rtp(0))) == 172 + rtp_bytes
    assert len(sealed_rtcp(here)) == len(RTCP) + rtcp_bytes


def test_packet_is_what_the_rfc_makes_of_it() -> None:
    # RFC 3711 appendix B.3: a master key and salt, and the session keys that come of them.
    master = bytes.fromhex("e1f97a0d3e018be0d64fa32c06de41390ec675ad498afeebb6960b3aabe6")
    cipher_key = bytes.fromhex("c61e7a93744f39ee10734afe3ff7a087")
    salt = int("30cbbc08863d8c85d49db34a9ae1", 16)
    auth_key = bytes.fromhex("cebe321f6ff7716b6fd4ab49af256a156d38baa4")
    here = Srtp(SrtpPolicy.OPTIONAL)
    here.configure(replace(keys(), local_key=master), 0.0)
    packet = rtp(0x1234, ssrc=0xCAFEBABE)
    # Section 4.1.1, then 4.2: keystream from salt, SSRC and index; HMAC over packet and wraps.
    counter = (salt << 16) ^ (0xCAFEBABE << 64) ^ (0x1234 << 16)
    stream = Cipher(algorithms.AES(cipher_key), modes.CTR(counter.to_bytes(16, "big"))).encryptor()
    encrypted = packet[:12] + stream.update(packet[12:])
    tag = hmac.digest(auth_key, encrypted + bytes(4), "sha1")[:10]
    assert sealed(here, packet) == encrypted + tag


def test_without_keys_packets_are_plain() -> None:
    plain = end(None)
    assert plain.protect(rtp(0)) == rtp(0)
    assert plain.protect_rtcp(RTCP) == RTCP
    assert plain.unprotect(rtp(0), 0.0) == rtp(0)
    assert plain.unprotect_rtcp(RTCP, 0.0) == RTCP


@pytest.mark.parametrize("suite", CryptoSuite)
def test_packets_of_others_are_counted_and_not_opened(suite: CryptoSuite) -> None:
    here, there = ends(suite)
    good = sealed(here, rtp(0))
    forged = [
        rtp(0),
        good[:-1] + bytes([good[-1] ^ 1]),
        good[:20] + bytes([good[20] ^ 1]) + good[21:],
        good[:-1],
        sealed(end(keys(9, 9, suite=suite)), rtp(0)),
        b"",
        b"\x80",
        b"\xff" * 40,
        good + bytes(2000),
    ]
    assert [there.unprotect(data, 0.0) for data in forged] == [None] * 9
    assert there.unauthentic == 9
    assert [there.unprotect_rtcp(data, 0.0) for data in (*forged, RTCP)] == [None] * 10
    assert there.unauthentic == 19
    assert there.unprotect(good, 0.0) == rtp(0)


def test_packet_that_came_before_is_not_opened_again() -> None:
    here, there = ends()
    packets = [sealed(here, rtp(index)) for index in range(200)]
    for packet in packets:
        assert there.unprotect(packet, 0.0) is not None
    assert [there.unprotect(packets[index], 0.0) for index in (199, 190, 0)] == [None] * 3
    assert (there.replayed, there.unauthentic) == (3, 0)
    report = sealed_rtcp(here)
    assert there.unprotect_rtcp(report, 0.0) == RTCP
    assert there.unprotect_rtcp(report, 0.0) is None
    assert there.replayed == 4


def test_sequence_numbers_may_wrap_whatever_is_lost_or_late() -> None:
    here, there = ends()
    packets = {index: sealed(here, rtp(index)) for index in range(32000, 200_000)}
    for index in (32000, 60_000, 65_535, 65_537, 65_536, 65_534, 90_000, 120_000, 131_073, 131_072):
        assert there.unprotect(packets[index], 0.0) == rtp(index), index


def test_peer_may_take_a_new_ssrc_at_any_time() -> None:
    here, there = ends()
    for index, ssrc in enumerate((1, 1, 2, 1, 3)):
        packet = rtp(60_000 + index, ssrc=ssrc)
        assert there.unprotect(sealed(here, packet), 0.0) == packet
    assert there.unauthentic == 0


def test_ssrcs_of_a_peer_are_bounded() -> None:
    here, there = ends()
    opened = [there.unprotect(sealed(here, rtp(0, ssrc=n)), 0.0) for n in range(MAX_SSRCS + 3)]
    assert opened.count(None) == 3
    assert there.unauthentic == 3
    assert there.unprotect(sealed(here, rtp(1, ssrc=0)), 0.0) == rtp(1, ssrc=0)
    many = [build_report(Report(1000 + n, None, ())) for n in range(3)]
    assert [there.unprotect_rtcp(sealed_rtcp(here, report), 0.0) for report in many] == [None] * 3


@pytest.mark.parametrize(
    ("suite", "rtp_tag", "rtcp_tag"),
    [
        (CryptoSuite.AES_CM_128_HMAC_SHA1_80, 10, 10),
        (CryptoSuite.AES_CM_128_HMAC_SHA1_32, 4, 10),
        (CryptoSuite.AEAD_AES_256_GCM, 0, 0),
    ],
)
def test_mki_of_the_peer_is_taken_out(suite: CryptoSuite, rtp_tag: int, rtcp_tag: int) -> None:
    here = end(keys(1, 2, suite=suite))
    there = end(keys(2, 1, suite=suite, mki=b"\x00\x01"))

    def with_mki(data: bytes, tag: int, mki: bytes = b"\x00\x01") -> bytes:
        return data[: len(data) - tag] + mki + data[len(data) - tag :]

    assert there.unprotect(with_mki(sealed(here, rtp(0)), rtp_tag), 0.0) == rtp(0)
    assert there.unprotect_rtcp(with_mki(sealed_rtcp(here), rtcp_tag), 0.0) == RTCP
    assert there.unprotect(with_mki(sealed(here, rtp(1)), rtp_tag, b"\x00\x02"), 0.0) is None
    assert there.unprotect(sealed(here, rtp(2)), 0.0) is None
    assert there.unprotect(b"\x80\x00\x01", 0.0) is None
    assert there.unauthentic == 3


class TestNewKeys:
    def test_same_keys_again_change_nothing(self) -> None:
        here, there = ends()
        packets = [sealed(here, rtp(index)) for index in range(3)]
        there.unprotect(packets[0], 0.0)
        assert not there.configure(replace(keys(2, 1), tag="2"), 10.0)
        assert there.unprotect(packets[1], 10.0) == rtp(1)
        assert there.unprotect(packets[0], 10.0) is None
        assert there.replayed == 1

    def test_new_key_of_ours_wants_a_new_stream(self) -> None:
        here = Srtp(SrtpPolicy.OPTIONAL)
        assert here.configure(keys(1, 2), 0.0)
        assert not here.configure(keys(1, 3), 1.0)
        assert here.configure(keys(4, 3), 2.0)
        assert not here.configure(None, 3.0)
        assert here.configure(keys(4, 3), 4.0)

    def test_last_packets_under_the_old_key_are_taken_for_a_while(self) -> None:
        here, there = ends()
        late = [sealed(here, rtp(index)) for index in range(4)]
        report = sealed_rtcp(here)
        there.unprotect(late[0], 0.0)
        renewed = end(keys(5, 2))
        there.configure(keys(2, 5), 10.0)
        assert there.unprotect(late[1], 10.1) == rtp(1)
        assert there.unprotect(sealed(renewed, rtp(3)), 10.1) == rtp(3)
        assert there.unprotect(late[2], 10.2) == rtp(2)
        assert there.unprotect_rtcp(report, 10.2) == RTCP
        assert there.unprotect(late[3], 15.0) is None
        assert there.unprotect_rtcp(sealed_rtcp(here), 15.0) is None
        assert there.unprotect_rtcp(sealed_rtcp(renewed), 15.0) == RTCP

    @pytest.mark.parametrize("last", [65_530, 65_600, 150_000, 720_000])
    @pytest.mark.parametrize("suite", [SHA1_80, CryptoSuite.AEAD_AES_256_GCM])
    def test_peer_may_count_its_wraps_on_under_a_new_key(
        self, last: int, suite: CryptoSuite
    ) -> None:
        there, renewed = self.after(last, suite), end(keys(5, 2, suite=suite))
        for index in (*range(0x4000, last, 0x4000), last):
            renewed.protect(rtp(index))
        for index in range(last + 1, last + 40):
            assert there.unprotect(sealed(renewed, rtp(index)), 100.0) == rtp(index)

    @pytest.mark.parametrize("last", [65_530, 65_600, 150_000, 720_000])
    def test_peer_may_begin_again_at_no_wraps_under_a_new_key(self, last: int) -> None:
        there, renewed = self.after(last, SHA1_80), end(keys(5, 2))
        for index in range(last % 65536 + 1, last % 65536 + 40):
            assert there.unprotect(sealed(renewed, rtp(index)), 100.0) == rtp(index)

    def test_peer_that_has_counted_absurdly_far_is_not_followed(self) -> None:
        far = 40 * 65536
        there, renewed = self.after(far, SHA1_80), end(keys(5, 2))
        for index in (*range(0x4000, far, 0x4000), far):
            renewed.protect(rtp(index))
        assert there.unprotect(sealed(renewed, rtp(far + 1)), 100.0) is None
        again = end(keys(5, 2))
        assert there.unprotect(sealed(again, rtp(1)), 100.0) == rtp(1)

    def test_keys_may_go_and_come_back(self) -> None:
        here, there = ends()
        there.configure(None, 1.0)
        assert there.unprotect(rtp(0), 1.0) == rtp(0)
        there.configure(keys(2, 1), 2.0)
        assert there.unprotect(sealed(here, rtp(0)), 2.0) == rtp(0)
        assert there.unprotect(rtp(1), 2.0) is None

    def test_each_description_gets_a_secret_of_its_own(self) -> None:
        here = end(keys(1, 2))
        one, other = here.terms(), here.terms()
        assert one.secret != other.secret
        assert len(one.secret) == 32
        assert (one.policy, one.in_use) == (SrtpPolicy.OPTIONAL, keys(1, 2))

    def after(self, last: int, suite: CryptoSuite) -> Srtp:
        """An end that has heard the other one up to packet `last`, and then got its new key."""
        here, there = ends(suite)
        for index in (*range(0x4000, last, 0x4000), last):
            assert there.unprotect(sealed(here, rtp(index)), 0.0) is not None
        there.configure(keys(2, 5, suite=suite), 100.0)
        return there
