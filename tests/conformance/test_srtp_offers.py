"""Offers and answers with `a=crypto`: RFC 4568 section 7, and what carriers make of it."""

from __future__ import annotations

import pytest

from sip_edge.media.offer_answer import (
    Answer,
    AudioParameters,
    LocalMedia,
    NotAcceptableError,
    answer_offer,
    make_offer,
    read_answer,
)
from sip_edge.media.sdes import CryptoSuite, SrtpKeys, SrtpPolicy, SrtpTerms, parse_crypto
from sip_edge.media.sdp import parse_sdp

OPTIONAL, REQUIRED = SrtpPolicy.OPTIONAL, SrtpPolicy.REQUIRED
HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"
KEY_TEXT = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
KEY = bytes(range(30))
SHA1_80 = f"AES_CM_128_HMAC_SHA1_80 inline:{KEY_TEXT}"
SHA1_32 = f"AES_CM_128_HMAC_SHA1_32 inline:{KEY_TEXT}"
GCM_256 = "AEAD_AES_256_GCM inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8gISIjJCUmJygpKis="
AES_256 = f"AES_256_CM_HMAC_SHA1_80 inline:{KEY_TEXT}AAAAAAAAAAAAAAAAAAAAAA"


def local(
    policy: SrtpPolicy = OPTIONAL, *, in_use: SrtpKeys | None = None, secret: bytes = b"s" * 32
) -> LocalMedia:
    return LocalMedia(
        address="203.0.113.10",
        port=20000,
        session_id=77,
        version=78,
        srtp=SrtpTerms(policy=policy, secret=secret, in_use=in_use),
    )


def answer(*lines: str, here: LocalMedia | None = None) -> Answer:
    return answer_offer(parse_sdp((HEAD + "\n".join(lines) + "\n").encode()), here or local())


def refusal(*lines: str, policy: SrtpPolicy) -> tuple[int, str]:
    with pytest.raises(NotAcceptableError) as caught:
        answer(*lines, here=local(policy))
    return caught.value.warning_code, caught.value.text


def streams(answered: Answer) -> list[str]:
    text = answered.description.serialize().decode()
    return [line for line in text.split("\r\n") if line.startswith(("m=", "a=crypto"))]


def crypto_of(answered: Answer) -> tuple[str, CryptoSuite]:
    (media,) = [media for media in answered.description.media if media.port]
    found = parse_crypto(media.value("crypto") or "")
    assert found is not None
    assert answered.parameters.srtp is not None
    assert found.key == answered.parameters.srtp.local_key
    return found.tag, found.suite


class TestAnswering:
    @pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/AVP", "rtp/savp"])
    @pytest.mark.parametrize("policy", [OPTIONAL, REQUIRED])
    def test_crypto_is_taken_under_both_profiles_and_the_profile_is_kept(
        self, profile: str, policy: SrtpPolicy
    ) -> None:
        answered = answer(f"m=audio 4000 {profile} 0", f"a=crypto:7 {SHA1_80}", here=local(policy))
        assert streams(answered)[0] == f"m=audio 20000 {profile} 0"
        assert crypto_of(answered) == ("7", CryptoSuite.AES_CM_128_HMAC_SHA1_80)
        assert answered.parameters.srtp is not None
        assert answered.parameters.srtp.remote_key == KEY

    @pytest.mark.parametrize(
        ("lines", "taken"),
        [
            ([SHA1_80, SHA1_32], ("1", CryptoSuite.AES_CM_128_HMAC_SHA1_80)),
            ([SHA1_32, SHA1_80, GCM_256], ("1", CryptoSuite.AES_CM_128_HMAC_SHA1_32)),
            ([GCM_256, SHA1_80], ("1", CryptoSuite.AEAD_AES_256_GCM)),
            ([AES_256, SHA1_80], ("2", CryptoSuite.AES_CM_128_HMAC_SHA1_80)),
            (["", "nonsense", SHA1_32], ("3", CryptoSuite.AES_CM_128_HMAC_SHA1_32)),
            (
                [f"{SHA1_80} UNENCRYPTED_SRTP", f"{SHA1_80}|2^20|1:4 WSH=64"],
                ("2", CryptoSuite.AES_CM_128_HMAC_SHA1_80),
            ),
        ],
    )
    def test_first_line_of_the_offer_that_we_can_use_is_answered_by_its_tag_alone(
        self, lines: list[str], taken: tuple[str, CryptoSuite]
    ) -> None:
        offered = [f"a=crypto:{tag} {line}" for tag, line in enumerate(lines, start=1)]
        answered = answer("m=audio 4000 RTP/SAVP 0", *offered)
        assert crypto_of(answered) == taken
        assert len(streams(answered)) == 2

    def test_plain_offer_gets_a_plain_answer_where_srtp_is_optional(self) -> None:
        answered = answer("m=audio 4000 RTP/AVP 0")
        assert streams(answered) == ["m=audio 20000 RTP/AVP 0"]
        assert answered.parameters.srtp is None

    def test_crypto_that_we_cannot_use_leaves_plain_rtp_where_that_was_offered(self) -> None:
        answered = answer("m=audio 4000 RTP/AVP 0", f"a=crypto:1 {AES_256}")
        assert streams(answered) == ["m=audio 20000 RTP/AVP 0"]
        assert answered.parameters.srtp is None

    def test_crypto_is_not_looked_at_where_srtp_is_off(self) -> None:
        answered = answer(
            "m=audio 4000 RTP/AVP 0", f"a=crypto:1 {SHA1_80}", here=local(SrtpPolicy.OFF)
        )
        assert streams(answered) == ["m=audio 20000 RTP/AVP 0"]
        assert answered.parameters.srtp is None

    @pytest.mark.parametrize(
        ("policy", "first", "taken"),
        [
            (OPTIONAL, "m=audio 4000 RTP/AVP 0", ["m=audio 20000 RTP/AVP 0"]),
            (REQUIRED, "m=audio 4000 RTP/AVP 0", ["m=audio 0 RTP/AVP 0"]),
            (OPTIONAL, "m=audio 4000 RTP/SAVP 0", ["m=audio 0 RTP/SAVP 0"]),
        ],
    )
    def test_of_two_streams_the_first_that_we_may_take_is_taken(
        self, policy: SrtpPolicy, first: str, taken: list[str]
    ) -> None:
        answered = answer(
            first, "m=audio 4002 RTP/SAVP 0", f"a=crypto:1 {SHA1_80}", here=local(policy)
        )
        assert streams(answered)[:1] == taken

    @pytest.mark.parametrize(
        ("policy", "lines", "expected"),
        [
            (
                SrtpPolicy.OFF,
                ["m=audio 4000 RTP/SAVP 0", f"a=crypto:1 {SHA1_80}"],
                (302, "Only RTP/AVP is available"),
            ),
            (
                OPTIONAL,
                ["m=audio 4000 RTP/SAVP 0"],
                (306, "No a=crypto that can be used"),
            ),
            (
                OPTIONAL,
                ["m=audio 4000 RTP/SAVP 0", f"a=crypto:1 {AES_256}"],
                (306, "No a=crypto that can be used"),
            ),
            (
                REQUIRED,
                ["m=audio 4000 RTP/AVP 0"],
                (302, "Only RTP/SAVP with a=crypto is available"),
            ),
            (
                REQUIRED,
                ["m=audio 4000 RTP/AVP 0", f"a=crypto:1 {SHA1_80} UNENCRYPTED_SRTP"],
                (302, "Only RTP/SAVP with a=crypto is available"),
            ),
            (
                REQUIRED,
                ["m=audio 4000 UDP/TLS/RTP/SAVPF 0", "a=fingerprint:sha-256 AA"],
                (302, "Only RTP/AVP and RTP/SAVP are available"),
            ),
        ],
    )
    def test_mismatch_is_refused_with_a_warning(
        self, policy: SrtpPolicy, lines: list[str], expected: tuple[int, str]
    ) -> None:
        assert refusal(*lines, policy=policy) == expected


class TestLaterOffers:
    def test_refresh_with_the_same_key_changes_no_key_of_ours(self) -> None:
        first = answer("m=audio 4000 RTP/SAVP 0", f"a=crypto:1 {SHA1_80}")
        here = local(in_use=first.parameters.srtp, secret=b"t" * 32)
        again = answer("m=audio 4000 RTP/SAVP 0", f"a=crypto:1 {SHA1_80}", here=here)
        assert again.parameters.srtp == first.parameters.srtp
        assert streams(again) == streams(first)

    def test_new_key_of_the_caller_gets_a_new_key_of_ours(self) -> None:
        first = answer("m=audio 4000 RTP/SAVP 0", f"a=crypto:1 {SHA1_80}")
        here = local(in_use=first.parameters.srtp, secret=b"t" * 32)
        other = SHA1_80.replace("AAEC", "BBEC")
        keys = answer("m=audio 4000 RTP/SAVP 0", f"a=crypto:1 {other}", here=here).parameters.srtp
        assert keys is not None
        assert first.parameters.srtp is not None
        assert keys.remote_key != first.parameters.srtp.remote_key
        assert keys.local_key != first.parameters.srtp.local_key

    @pytest.mark.parametrize("profile", ["RTP/SAVP", "RTP/AVP"])
    def test_our_own_later_offer_says_what_is_in_use(self, profile: str) -> None:
        first = answer(f"m=audio 4000 {profile} 0", f"a=crypto:5 {SHA1_80}")
        here = local(in_use=first.parameters.srtp, secret=b"t" * 32)
        (media,) = make_offer(here).media
        assert media.protocol == profile
        assert f"a=crypto:{media.value('crypto')}" == streams(first)[1]
        assert [attribute.name for attribute in media.attributes].count("crypto") == 1


class TestOffering:
    def test_plain_rtp_is_offered_where_srtp_is_optional(self) -> None:
        (media,) = make_offer(local()).media
        assert media.protocol == "RTP/AVP"
        assert not media.has("crypto")

    def test_every_suite_is_offered_where_srtp_is_required(self) -> None:
        (media,) = make_offer(local(REQUIRED)).media
        assert media.protocol == "RTP/SAVP"
        offered = [a.value or "" for a in media.attributes if a.name == "crypto"]
        assert [value.split(" inline:")[0] for value in offered] == [
            "1 AES_CM_128_HMAC_SHA1_80",
            "2 AEAD_AES_256_GCM",
            "3 AEAD_AES_128_GCM",
            "4 AES_CM_128_HMAC_SHA1_32",
        ]

    def test_both_sides_of_our_own_exchange_hold_the_same_keys(self) -> None:
        caller = LocalMedia(
            address="203.0.113.20",
            port=30000,
            session_id=5,
            version=5,
            srtp=SrtpTerms(policy=REQUIRED, secret=b"c" * 32),
        )
        offer = make_offer(caller)
        ours = answer_offer(offer, local())
        theirs = read_answer(offer, ours.description)
        assert ours.parameters.srtp is not None
        assert theirs.srtp is not None
        assert ours.parameters.srtp.local_key == theirs.srtp.remote_key
        assert ours.parameters.srtp.remote_key == theirs.srtp.local_key
        assert theirs.srtp.suite is CryptoSuite.AES_CM_128_HMAC_SHA1_80

    def read(self, *lines: str, policy: SrtpPolicy = REQUIRED) -> AudioParameters:
        answered = parse_sdp((HEAD + "\n".join(lines) + "\n").encode())
        return read_answer(make_offer(local(policy)), answered)

    def test_answer_takes_one_of_our_suites_by_its_tag(self) -> None:
        keys = self.read("m=audio 4000 RTP/SAVP 0", f"a=crypto:2 {GCM_256}").srtp
        assert keys is not None
        assert (keys.suite, keys.remote_key) == (CryptoSuite.AEAD_AES_256_GCM, bytes(range(44)))
        assert len(keys.local_key) == 44

    @pytest.mark.parametrize(
        ("lines", "code"),
        [
            (["m=audio 4000 RTP/SAVP 0"], 306),
            (["m=audio 4000 RTP/SAVP 0", f"a=crypto:2 {SHA1_80}"], 306),
            (["m=audio 4000 RTP/SAVP 0", f"a=crypto:9 {SHA1_80}"], 306),
            (["m=audio 4000 RTP/SAVP 0", f"a=crypto:1 {SHA1_80} UNENCRYPTED_SRTP"], 306),
            (["m=audio 4000 RTP/AVP 0", f"a=crypto:1 {SHA1_80}"], 302),
            (["m=audio 0 RTP/SAVP 0"], 304),
        ],
    )
    def test_answer_that_takes_none_of_our_keys_is_refused(
        self, lines: list[str], code: int
    ) -> None:
        with pytest.raises(NotAcceptableError) as caught:
            self.read(*lines)
        assert caught.value.warning_code == code

    def test_keys_in_the_answer_to_a_plain_offer_mean_nothing(self) -> None:
        plain = self.read("m=audio 4000 RTP/AVP 0", f"a=crypto:1 {SHA1_80}", policy=OPTIONAL)
        assert plain.srtp is None
