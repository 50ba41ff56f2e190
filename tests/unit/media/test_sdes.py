"""`a=crypto`: RFC 4568, with the suites of RFC 7714."""

from __future__ import annotations

import pytest

from sip_edge.media.sdes import (
    PLAIN,
    CryptoLine,
    CryptoSuite,
    SrtpKeys,
    SrtpPolicy,
    SrtpTerms,
    parse_crypto,
    read_crypto_lines,
)
from sip_edge.media.sdp import Attribute, MediaDescription

KEY = bytes(range(30))
KEY_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
SHA1_80 = CryptoSuite.AES_CM_128_HMAC_SHA1_80
SHA1_32 = CryptoSuite.AES_CM_128_HMAC_SHA1_32
KEYS = SrtpKeys(tag="1", suite=SHA1_80, local_key=b"\x01" * 30, remote_key=KEY)


def terms(
    policy: SrtpPolicy = SrtpPolicy.OPTIONAL,
    *,
    secret: bytes = b"s" * 32,
    in_use: SrtpKeys | None = None,
) -> SrtpTerms:
    return SrtpTerms(policy=policy, secret=secret, in_use=in_use)


def line(*, tag: str = "1", suite: CryptoSuite = SHA1_80, key: bytes = KEY) -> CryptoLine:
    return CryptoLine(tag=tag, suite=suite, key=key)


class TestReading:
    @pytest.mark.parametrize(
        ("suite", "text", "key"),
        [
            (SHA1_80, KEY_TEXT, KEY),
            (SHA1_32, KEY_TEXT, KEY),
            (
                CryptoSuite.AEAD_AES_128_GCM,
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGw==",
                bytes(range(28)),
            ),
            (
                CryptoSuite.AEAD_AES_256_GCM,
                "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis=",
                bytes(range(44)),
            ),
        ],
    )
    def test_every_suite_that_we_have_is_read(
        self, suite: CryptoSuite, text: str, key: bytes
    ) -> None:
        found = parse_crypto(f"7 {suite.value} inline:{text}")
        assert found == CryptoLine(tag="7", suite=suite, key=key)
        assert parse_crypto(f"7 {suite.value} inline:{text.rstrip('=')}") == found

    @pytest.mark.parametrize(
        ("limits", "mki"),
        [
            ("", b""),
            ("|2^20", b""),
            ("|2^48", b""),
            ("|1048576", b""),
            ("|1:1", b"\x01"),
            ("|1:32", bytes(31) + b"\x01"),
            ("|2^20|1:32", bytes(31) + b"\x01"),
            ("|2^20|258:4", b"\x00\x00\x01\x02"),
            ("|2^31|255:1", b"\xff"),
            ("|0:1", b"\x00"),
        ],
    )
    def test_lifetime_and_mki_may_stand_behind_the_key(self, limits: str, mki: bytes) -> None:
        found = parse_crypto(f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}{limits}")
        assert found == CryptoLine(tag="1", suite=SHA1_80, key=KEY, mki=mki)

    @pytest.mark.parametrize(
        "limits",
        [
            *("|", "|x", "|2^", "|2^49", "|0", "|-1", "|2^x", "|281474976710657", "|" + "9" * 40),
            *("|1:0", "|1:129", "|256:1", "|:", "|1:", "|:1", "|x:1", "|1:x", "|-1:4"),
            *("|2^20|2^20", "|1:1|2^20", "|1:1|1:1", "|2^20|1:1|1:1", "|2^20|", "||1:1"),
        ],
    )
    def test_line_whose_lifetime_or_mki_makes_no_sense_is_none(self, limits: str) -> None:
        assert parse_crypto(f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}{limits}") is None

    @pytest.mark.parametrize(
        "value",
        [
            "",
            "1",
            "1 AES_CM_128_HMAC_SHA1_80",
            f"AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}",
            f"x AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}",
            f"1234567890 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}",
            f"-1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}",
            f"٣ AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}",
            f"1 F8_128_HMAC_SHA1_80 inline:{KEY_TEXT}",
            f"1 AES_256_CM_HMAC_SHA1_80 inline:{KEY_TEXT}",
            f"1 AES_CM_128_HMAC_SHA1_80 outline:{KEY_TEXT}",
            f"1 AES_CM_128_HMAC_SHA1_80 {KEY_TEXT}",
            "1 AES_CM_128_HMAC_SHA1_80 inline:",
            f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT[:-4]}",
            f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}AAAA",
            f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT[:-1]}",
            f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT[:-1]}!",
            f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT[:-1]}é",
            f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT};inline:{KEY_TEXT}",
            f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}|1:1;inline:{KEY_TEXT}|2:1",
            f"1 AEAD_AES_256_GCM inline:{KEY_TEXT}",
            f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT} {'-x' * 300}",
        ],
    )
    def test_line_that_we_do_not_understand_is_none(self, value: str) -> None:
        assert parse_crypto(value) is None

    @pytest.mark.parametrize(
        "parameter",
        [
            *("UNENCRYPTED_SRTP", "UNENCRYPTED_SRTCP", "UNAUTHENTICATED_SRTP", "KDR=3"),
            *("FEC_ORDER=SRTP_FEC", "FEC_KEY=inline:AAAA", "SOMETHING_NEW", "WSH", "WSH=x"),
        ],
    )
    def test_line_with_a_demand_that_we_do_not_meet_is_none(self, parameter: str) -> None:
        value = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}"
        assert parse_crypto(f"{value} {parameter}") is None
        assert parse_crypto(f"{value} WSH=64 {parameter}") is None

    @pytest.mark.parametrize("parameter", ["WSH=64", "wsh=128", "-SOMETHING_NEW=1", "-X WSH=64"])
    def test_what_may_be_ignored_is_ignored(self, parameter: str) -> None:
        value = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT} {parameter}"
        assert parse_crypto(value) == line()

    def test_names_are_read_without_case_and_blanks_may_be_many(self) -> None:
        assert parse_crypto(f"1  aes_cm_128_hmac_sha1_80   INLINE:{KEY_TEXT} ") == line()

    def test_lines_of_a_stream_keep_their_order_and_unusable_ones_are_left_out(self) -> None:
        values = [
            f"1 F8_128_HMAC_SHA1_80 inline:{KEY_TEXT}",
            f"2 AES_CM_128_HMAC_SHA1_32 inline:{KEY_TEXT}",
            "nonsense",
            f"4 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}",
        ]
        assert list(read_crypto_lines(stream(*values))) == [
            line(tag="2", suite=SHA1_32),
            line(tag="4"),
        ]

    def test_only_so_many_lines_are_looked_at(self) -> None:
        good = f"1 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}"
        assert len(list(read_crypto_lines(stream(*["x"] * 31, good)))) == 1
        assert list(read_crypto_lines(stream(*["x"] * 32, good))) == []


def stream(*values: str) -> MediaDescription:
    return MediaDescription(
        kind="audio",
        port=4000,
        protocol="RTP/SAVP",
        formats=("0",),
        attributes=(Attribute("crypto"), *(Attribute("crypto", value) for value in values)),
    )


class TestWriting:
    def test_line_is_written_without_lifetime_and_mki(self) -> None:
        with_mki = CryptoLine(tag="3", suite=SHA1_80, key=KEY, mki=b"\x01")
        assert with_mki.attribute() == Attribute(
            "crypto", f"3 AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}"
        )

    def test_keys_are_not_in_any_text_of_a_value(self) -> None:
        secret = b"unmistakable" * 3
        keys = SrtpKeys(tag="1", suite=SHA1_80, local_key=secret[:30], remote_key=secret[:30])
        for value in (keys, keys.line(), terms(secret=secret[:32], in_use=keys)):
            assert "unmistakable" not in repr(value)


class TestTerms:
    def test_answer_has_a_key_of_our_own_as_long_as_the_suite_wants(self) -> None:
        for suite, length in [
            (SHA1_80, 30),
            (SHA1_32, 30),
            (CryptoSuite.AEAD_AES_128_GCM, 28),
            (CryptoSuite.AEAD_AES_256_GCM, 44),
        ]:
            keys = terms().answer_keys(line(suite=suite, key=bytes(length)), "RTP/AVP")
            assert len(keys.local_key) == length
            assert keys.local_key != bytes(length)
            assert (keys.remote_key, keys.profile) == (bytes(length), "RTP/AVP")

    def test_other_secret_makes_other_keys(self) -> None:
        one, other = (
            terms(secret=secret * 32).answer_keys(line(), "RTP/SAVP") for secret in (b"a", b"b")
        )
        assert one.local_key != other.local_key

    def test_our_key_stays_as_long_as_the_peers_does(self) -> None:
        again = terms(in_use=KEYS).answer_keys(line(tag="2"), "RTP/SAVP")
        assert again.local_key == KEYS.local_key
        assert again.tag == "2"

    @pytest.mark.parametrize(
        "changed",
        [
            line(key=bytes(30)),
            line(suite=SHA1_32),
            CryptoLine(tag="1", suite=SHA1_80, key=KEY, mki=b"\x01"),
        ],
    )
    def test_new_key_of_the_peer_gets_a_new_one_of_ours(self, changed: CryptoLine) -> None:
        renewed = terms(in_use=KEYS).answer_keys(changed, "RTP/SAVP")
        assert renewed.local_key != KEYS.local_key

    @pytest.mark.parametrize("policy", [SrtpPolicy.OFF, SrtpPolicy.OPTIONAL])
    def test_plain_rtp_is_offered_where_srtp_need_not_be(self, policy: SrtpPolicy) -> None:
        assert terms(policy).offer_lines() == ()
        assert PLAIN.offer_lines() == ()

    def test_every_suite_is_offered_with_a_key_of_its_own_where_srtp_must_be(self) -> None:
        lines = terms(SrtpPolicy.REQUIRED).offer_lines()
        assert [(found.tag, found.suite.value) for found in lines] == [
            ("1", "AES_CM_128_HMAC_SHA1_80"),
            ("2", "AEAD_AES_256_GCM"),
            ("3", "AEAD_AES_128_GCM"),
            ("4", "AES_CM_128_HMAC_SHA1_32"),
        ]
        assert len({found.key[:28] for found in lines}) == 4

    @pytest.mark.parametrize("policy", SrtpPolicy)
    def test_what_is_in_use_is_offered_again(self, policy: SrtpPolicy) -> None:
        assert terms(policy, in_use=KEYS).offer_lines() == (line(key=b"\x01" * 30),)
