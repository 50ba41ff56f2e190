"""Offers answered, and answers read, as RFC 3264 says."""

from __future__ import annotations

import pytest

from sip_edge.media.offer_answer import (
    Answer,
    AudioParameters,
    Codec,
    Direction,
    LocalMedia,
    NotAcceptableError,
    answer_offer,
    make_offer,
    read_answer,
)
from sip_edge.media.sdp import parse_sdp

LOCAL = LocalMedia(address="203.0.113.10", port=20000, session_id=77, version=78)
LOCAL_IPV6 = LocalMedia(address="2001:db8::10", port=20000, session_id=77, version=78)

MIRRORED = {
    "sendrecv": Direction.SENDRECV,
    "sendonly": Direction.RECVONLY,
    "recvonly": Direction.SENDONLY,
    "inactive": Direction.INACTIVE,
}
HEAD = "v=0\no=- 1 1 IN IP4 192.0.2.1\ns=-\nc=IN IP4 192.0.2.1\nt=0 0\n"


def answer(*media_lines: str, head: str = HEAD, local: LocalMedia = LOCAL) -> Answer:
    return answer_offer(parse_sdp((head + "\n".join(media_lines) + "\n").encode()), local)


def refusal(*media_lines: str, head: str = HEAD, local: LocalMedia = LOCAL) -> tuple[int, str]:
    with pytest.raises(NotAcceptableError) as caught:
        answer(*media_lines, head=head, local=local)
    return caught.value.warning_code, caught.value.text


def lines(answered: Answer) -> list[str]:
    """The answer from its first m= line on."""
    text = answered.description.serialize().decode()
    return text[text.index("m=") :].split("\r\n")[:-1]


class TestCodecs:
    @pytest.mark.parametrize(
        ("media", "codec", "payload_type"),
        [
            (["m=audio 4000 RTP/AVP 0 8"], Codec.PCMU, 0),
            (["m=audio 4000 RTP/AVP 8 0"], Codec.PCMA, 8),
            (["m=audio 4000 RTP/AVP 18 9 8"], Codec.PCMA, 8),
            (["m=audio 4000 RTP/AVP 96 8", "a=rtpmap:96 PCMU/8000"], Codec.PCMU, 96),
            (["m=audio 4000 RTP/AVP 97", "a=rtpmap:97 pcma/8000/1"], Codec.PCMA, 97),
            (["m=audio 4000 RTP/AVP 0 8", "a=rtpmap:0 G729/8000"], Codec.PCMA, 8),
            (["m=audio 4000 RTP/AVP 96 0", "a=rtpmap:96 PCMU/16000"], Codec.PCMU, 0),
        ],
    )
    def test_offerers_order_decides_among_our_codecs(
        self, media: list[str], codec: Codec, payload_type: int
    ) -> None:
        answered = answer(*media)
        assert (answered.parameters.codec, answered.parameters.payload_type) == (
            codec,
            payload_type,
        )
        assert lines(answered)[:2] == [
            f"m=audio 20000 RTP/AVP {payload_type}",
            f"a=rtpmap:{payload_type} {codec.value}/8000",
        ]

    def test_telephone_event_on_the_codecs_clock_is_taken_though_another_comes_first(self) -> None:
        answered = answer(
            "m=audio 4000 RTP/AVP 0 103 96",
            "a=rtpmap:103 telephone-event/48000",
            "a=rtpmap:96 telephone-event/8000",
            "a=fmtp:103 0-16",
        )
        assert answered.parameters.telephone_event_payload_type == 96
        assert lines(answered)[2:4] == ["a=rtpmap:96 telephone-event/8000", "a=fmtp:96 0-15"]
        assert lines(answered)[0] == "m=audio 20000 RTP/AVP 0 96"

    def test_telephone_event_that_was_not_offered_is_not_answered(self) -> None:
        answered = answer("m=audio 4000 RTP/AVP 0", "a=rtpmap:101 telephone-event/8000")
        assert answered.parameters.telephone_event_payload_type is None
        assert lines(answered) == [
            *("m=audio 20000 RTP/AVP 0", "a=rtpmap:0 PCMU/8000", "a=ptime:20", "a=sendrecv")
        ]

    @pytest.mark.parametrize(
        ("fmtp", "answered"),
        [("0-16", "0-16"), ("0-15", "0-15"), ("0-11", "0-15"), ("0-15,32-49", "0-15")],
    )
    def test_events_that_we_understand_are_answered(self, fmtp: str, answered: str) -> None:
        answer_lines = lines(
            answer(
                "m=audio 4000 RTP/AVP 0 101",
                "a=rtpmap:101 telephone-event/8000",
                f"a=fmtp:101 {fmtp}",
            )
        )
        assert f"a=fmtp:101 {answered}" in answer_lines

    @pytest.mark.parametrize(
        ("wishes", "ptime"),
        [
            (["a=ptime:10"], 10),
            (["a=ptime:30", "a=maxptime:150"], 30),
            (["a=ptime:20", "a=maxptime:20"], 20),
            ([], 20),
        ],
    )
    def test_packets_are_as_long_as_the_offer_asks(self, wishes: list[str], ptime: int) -> None:
        answered = answer("m=audio 4000 RTP/AVP 0", *wishes)
        assert answered.parameters.ptime_ms == ptime
        assert f"a=ptime:{ptime}" in lines(answered)


class TestStreams:
    def test_answer_keeps_the_offers_order_of_media_and_rejects_the_rest_with_port_zero(
        self,
    ) -> None:
        answered = answer(
            "m=video 5000 RTP/AVP 31 99",
            "a=rtpmap:99 H264/90000",
            "m=audio 4000 RTP/AVP 0",
            "m=audio 4002 RTP/AVP 8",
            "m=image 4004 udptl t38",
            "m=application 9 UDP/DTLS/SCTP webrtc-datachannel",
        )
        assert [line for line in lines(answered) if line.startswith("m=")] == [
            "m=video 0 RTP/AVP 31 99",
            "m=audio 20000 RTP/AVP 0",
            "m=audio 0 RTP/AVP 8",
            "m=image 0 udptl t38",
            "m=application 0 UDP/DTLS/SCTP webrtc-datachannel",
        ]
        assert answered.parameters.remote == ("192.0.2.1", 4000)

    @pytest.mark.parametrize(
        ("first", "first_answered"),
        [
            ("m=audio 4000 RTP/SAVP 0", "m=audio 0 RTP/SAVP 0"),
            ("m=audio 4000 RTP/AVP 9", "m=audio 0 RTP/AVP 9"),
            ("m=audio 0 RTP/AVP 0", "m=audio 0 RTP/AVP 0"),
            ("m=audio 4000 RTP/AVP 0\nc=IN IP4 224.2.1.1/127", "m=audio 0 RTP/AVP 0"),
        ],
    )
    def test_audio_that_we_cannot_serve_is_passed_over_for_the_next(
        self, first: str, first_answered: str
    ) -> None:
        answered = answer(first, "m=audio 4002 RTP/AVP 8")
        assert [line for line in lines(answered) if line.startswith("m=")] == [
            first_answered,
            "m=audio 20000 RTP/AVP 8",
        ]
        assert answered.parameters.remote == ("192.0.2.1", 4002)

    def test_stream_refused_without_formats_gets_one(self) -> None:
        assert "m=video 0 RTP/AVP 0" in lines(answer("m=audio 4000 RTP/AVP 0", "m=video 0 RTP/AVP"))

    def test_two_ports_for_one_stream_are_answered_with_one(self) -> None:
        answered = answer("m=audio 49170/2 RTP/AVP 0")
        assert lines(answered)[0] == "m=audio 20000 RTP/AVP 0"
        assert answered.parameters.remote == ("192.0.2.1", 49170)

    def test_times_of_the_offer_are_repeated(self) -> None:
        head = HEAD.replace("t=0 0", "t=3338481189 3370017201\nr=604800 3600 0")
        description = answer("m=audio 4000 RTP/AVP 0", head=head).description.serialize()
        assert b"t=3338481189 3370017201\r\n" in description
        assert b"r=" not in description

    def test_offer_without_times_is_answered_with_an_unbounded_one(self) -> None:
        description = answer("m=audio 4000 RTP/AVP 0", head=HEAD.replace("t=0 0\n", "")).description
        assert b"\r\nt=0 0\r\n" in description.serialize()


class TestDirection:
    @pytest.mark.parametrize(("offered", "ours"), MIRRORED.items())
    def test_direction_is_mirrored(self, offered: str, ours: Direction) -> None:
        answered = answer("m=audio 4000 RTP/AVP 0", f"a={offered}")
        assert answered.parameters.direction is ours
        assert lines(answered)[-1] == f"a={ours.value}"

    def test_session_says_the_direction_where_the_stream_does_not(self) -> None:
        head = HEAD + "a=sendonly\n"
        assert answer("m=audio 4000 RTP/AVP 0", head=head).parameters.direction is (
            Direction.RECVONLY
        )
        assert (
            answer("m=audio 4000 RTP/AVP 0", "a=recvonly", head=head).parameters.direction
            is Direction.SENDONLY
        )

    @pytest.mark.parametrize(
        ("offered", "ours"),
        [
            *(("sendrecv", Direction.RECVONLY), ("sendonly", Direction.RECVONLY)),
            *(("recvonly", Direction.INACTIVE), ("inactive", Direction.INACTIVE)),
        ],
    )
    @pytest.mark.parametrize("local", [LOCAL, LOCAL_IPV6])
    def test_hold_by_an_unspecified_address_means_that_we_do_not_send(
        self, offered: str, ours: Direction, local: LocalMedia
    ) -> None:
        held = answer("m=audio 4000 RTP/AVP 0", "c=IN IP4 0.0.0.0", f"a={offered}", local=local)
        assert held.parameters.direction is ours
        assert held.parameters.remote == ("0.0.0.0", 4000)
        assert lines(held)[0] == "m=audio 20000 RTP/AVP 0"

    def test_hold_and_resume_differ_from_the_first_answer_only_in_version_and_direction(
        self,
    ) -> None:
        later = LocalMedia(address="203.0.113.10", port=20000, session_id=77, version=79)
        first = answer("m=audio 4000 RTP/AVP 0").description.serialize()
        held = answer("m=audio 4000 RTP/AVP 0", "a=sendonly", local=later).description.serialize()
        assert held == first.replace(b"- 77 78", b"- 77 79").replace(b"sendrecv", b"recvonly")


class TestAddresses:
    def test_stream_says_the_address_where_it_differs_from_the_sessions(self) -> None:
        answered = answer("m=audio 4000 RTP/AVP 0", "c=IN IP4 198.51.100.7")
        assert answered.parameters.remote == ("198.51.100.7", 4000)
        assert answered.parameters.remote_rtcp == ("198.51.100.7", 4001)

    def test_ipv6_is_answered_by_ipv6(self) -> None:
        answered = answer("m=audio 4000 RTP/AVP 0", "c=IN IP6 2001:DB8::1", local=LOCAL_IPV6)
        assert answered.parameters.remote == ("2001:db8::1", 4000)
        assert b"o=- 77 78 IN IP6 2001:db8::10\r\n" in answered.description.serialize()
        assert b"c=IN IP6 2001:db8::10\r\n" in answered.description.serialize()

    def test_rtcp_goes_where_the_offer_says(self) -> None:
        answered = answer("m=audio 4000 RTP/AVP 0", "a=rtcp:5555 IN IP4 198.51.100.7")
        assert answered.parameters.remote_rtcp == ("198.51.100.7", 5555)

    def test_rtcp_shares_the_rtp_port_if_the_offer_proposes_it(self) -> None:
        answered = answer("m=audio 4000 RTP/AVP 96", "a=rtpmap:96 PCMU/8000", "a=rtcp-mux")
        assert answered.parameters.remote_rtcp == ("192.0.2.1", 4000)
        assert lines(answered)[-1] == "a=rtcp-mux"

    @pytest.mark.parametrize(
        "media",
        [
            ["m=audio 4000 RTP/AVP 64", "a=rtpmap:64 PCMU/8000"],
            ["m=audio 4000 RTP/AVP 0 95", "a=rtpmap:95 telephone-event/8000"],
        ],
    )
    def test_rtcp_keeps_its_port_where_a_payload_type_looks_like_rtcp(
        self, media: list[str]
    ) -> None:
        answered = answer(*media, "a=rtcp-mux")
        assert answered.parameters.remote_rtcp == ("192.0.2.1", 4001)
        assert "a=rtcp-mux" not in lines(answered)


ONLY_AUDIO = (304, "Only audio is available")
ONLY_AVP = (302, "Only RTP/AVP is available")
ONLY_G711 = (305, "Only PCMU and PCMA are available")
NO_NAMES = (301, "The connection address must be a numeric IP address")
NO_WAY = (301, "The connection address cannot be reached from here")
NO_GROUPS = (330, "Multicast is not available")


class TestRefusals:
    @pytest.mark.parametrize(
        ("media", "expected"),
        [
            ("m=video 4000 RTP/AVP 31", ONLY_AUDIO),
            ("m=image 4000 udptl t38", ONLY_AUDIO),
            ("m=audio 0 RTP/AVP 0", ONLY_AUDIO),
            ("a=nothing", ONLY_AUDIO),
            ("m=audio 4000 RTP/SAVP 0", ONLY_AVP),
            ("m=audio 4000 RTP/AVPF 0", ONLY_AVP),
            ("m=audio 9 UDP/TLS/RTP/SAVPF 0", ONLY_AVP),
            ("m=audio 4000 TCP/RTP/AVP 0", ONLY_AVP),
            ("m=audio 4000 RTP/AVP 9 18", ONLY_G711),
            ("m=audio 4000 RTP/AVP", ONLY_G711),
            ("m=audio 4000 RTP/AVP 101\na=rtpmap:101 telephone-event/8000", ONLY_G711),
            ("m=audio 4000 RTP/AVP 0\nc=IN IP4 media.example.com", NO_NAMES),
            ("m=audio 4000 RTP/AVP 0\nc=IN IP6 2001:db8::1", NO_WAY),
            ("m=audio 4000 RTP/AVP 0\nc=IN IP4 255.255.255.255", NO_WAY),
            ("m=audio 4000 RTP/AVP 0\nc=IN IP4 224.2.1.1/127", NO_GROUPS),
        ],
    )
    def test_offer_without_a_stream_for_us_is_refused_with_a_warning(
        self, media: str, expected: tuple[int, str]
    ) -> None:
        assert refusal(media) == expected

    def test_offer_without_any_address_is_refused(self) -> None:
        head = HEAD.replace("c=IN IP4 192.0.2.1\n", "")
        assert refusal("m=audio 4000 RTP/AVP 0", head=head) == NO_NAMES

    def test_ipv4_is_refused_where_we_speak_ipv6(self) -> None:
        assert refusal("m=audio 4000 RTP/AVP 0", local=LOCAL_IPV6) == NO_WAY

    def test_warning_is_that_of_the_first_audio_stream(self) -> None:
        assert (
            refusal("m=video 4 RTP/AVP 31", "m=audio 4 RTP/SAVP 0", "m=audio 4 RTP/AVP 9")[0] == 302
        )


class TestOffering:
    def test_offer_names_both_codecs_and_keys(self) -> None:
        assert make_offer(LOCAL).serialize() == (
            b"v=0\r\n"
            b"o=- 77 78 IN IP4 203.0.113.10\r\n"
            b"s=-\r\n"
            b"c=IN IP4 203.0.113.10\r\n"
            b"t=0 0\r\n"
            b"m=audio 20000 RTP/AVP 0 8 101\r\n"
            b"a=rtpmap:0 PCMU/8000\r\n"
            b"a=rtpmap:8 PCMA/8000\r\n"
            b"a=rtpmap:101 telephone-event/8000\r\n"
            b"a=fmtp:101 0-15\r\n"
            b"a=ptime:20\r\n"
            b"a=sendrecv\r\n"
        )

    def test_offer_names_the_codecs_asked_for_in_their_order(self) -> None:
        offer = make_offer(LOCAL, codecs=[Codec.PCMA, Codec.PCMU])
        assert offer.media[0].formats == ("8", "0", "101")
        assert make_offer(LOCAL, codecs=[Codec.PCMA]).media[0].formats == ("8", "101")


class TestReadingAnswers:
    def read(self, *media_lines: str, head: str = HEAD) -> AudioParameters:
        sdp = (head + "\n".join(media_lines) + "\n").encode()
        return read_answer(make_offer(LOCAL), parse_sdp(sdp))

    def test_answer_says_codec_keys_and_addresses(self) -> None:
        assert self.read(
            "m=audio 4000 RTP/AVP 8 101", "a=rtpmap:101 telephone-event/8000"
        ) == AudioParameters(
            codec=Codec.PCMA,
            payload_type=8,
            telephone_event_payload_type=101,
            remote=("192.0.2.1", 4000),
            remote_rtcp=("192.0.2.1", 4001),
            direction=Direction.SENDRECV,
            ptime_ms=20,
        )

    def test_first_codec_of_several_counts(self) -> None:
        assert self.read("m=audio 4000 RTP/AVP 8 0").codec is Codec.PCMA

    def test_answer_without_keys_leaves_none(self) -> None:
        assert self.read("m=audio 4000 RTP/AVP 0").telephone_event_payload_type is None

    @pytest.mark.parametrize(("answered", "ours"), MIRRORED.items())
    def test_direction_of_the_answer_is_mirrored(self, answered: str, ours: Direction) -> None:
        assert self.read("m=audio 4000 RTP/AVP 0", f"a={answered}").direction is ours

    def test_answer_grants_no_direction_that_was_not_offered(self) -> None:
        offer = parse_sdp(make_offer(LOCAL).serialize().replace(b"a=sendrecv", b"a=sendonly"))
        answered = parse_sdp(f"{HEAD}m=audio 4000 RTP/AVP 0\na=sendrecv\n".encode())
        assert read_answer(offer, answered).direction is Direction.SENDONLY

    def test_codec_that_was_not_offered_is_refused(self) -> None:
        offer = make_offer(LOCAL, codecs=[Codec.PCMA])
        with pytest.raises(NotAcceptableError, match="305"):
            read_answer(offer, parse_sdp(f"{HEAD}m=audio 4000 RTP/AVP 0\n".encode()))

    @pytest.mark.parametrize(
        ("media", "code"),
        [
            ([], 399),
            (["m=audio 4000 RTP/AVP 0", "m=audio 4002 RTP/AVP 0"], 399),
            (["m=audio 0 RTP/AVP 0"], 304),
            (["m=video 4000 RTP/AVP 31"], 304),
            (["m=audio 4000 RTP/SAVP 0"], 302),
            (["m=audio 4000 RTP/AVP 9"], 305),
            (["m=audio 4000 RTP/AVP 0", "c=IN IP4 media.example.com"], 301),
        ],
    )
    def test_answer_that_agrees_to_nothing_is_refused(self, media: list[str], code: int) -> None:
        with pytest.raises(NotAcceptableError) as caught:
            self.read(*media)
        assert caught.value.warning_code == code

    def test_offer_without_audio_has_no_answer(self) -> None:
        sdp = parse_sdp(f"{HEAD}m=video 4000 RTP/AVP 31\n".encode())
        with pytest.raises(NotAcceptableError, match="does not match"):
            read_answer(sdp, sdp)

    def test_our_own_answer_to_our_own_offer_is_understood(self) -> None:
        there = LocalMedia(address="203.0.113.20", port=30000, session_id=5, version=5)
        offer = make_offer(there, codecs=[Codec.PCMA, Codec.PCMU])
        ours = answer_offer(offer, LOCAL)
        theirs = read_answer(offer, ours.description)
        assert ours.parameters.remote == ("203.0.113.20", 30000)
        assert theirs.remote == ("203.0.113.10", 20000)
        assert (ours.parameters.codec, theirs.codec) == (Codec.PCMA, Codec.PCMA)
