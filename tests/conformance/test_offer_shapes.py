"""Offers as telephones, browsers, faxes and old gateways make them, and what they get."""

from __future__ import annotations

import pytest

from sip_edge.media.offer_answer import (
    Answer,
    Codec,
    Direction,
    LocalMedia,
    NotAcceptableError,
    answer_offer,
)
from sip_edge.media.sdes import SrtpPolicy, SrtpTerms
from sip_edge.media.sdp import parse_sdp

LOCAL = LocalMedia(
    address="203.0.113.10",
    port=20000,
    session_id=77,
    version=78,
    srtp=SrtpTerms(policy=SrtpPolicy.OPTIONAL, secret=b"s" * 32),
)

SOFTPHONE = """v=0
o=- 3910862344 3910862344 IN IP4 192.0.2.1
s=phone
b=AS:117
t=0 0
a=X-nat:0
a=group:BUNDLE 0 1
a=ice-lite
a=msid-semantic: WMS *
m=audio 4000 RTP/AVP 96 97 98 9 3 13 0 8 18 101 102
c=IN IP4 192.0.2.1
b=TIAS:96000
a=rtcp:4001 IN IP4 192.0.2.1
a=mid:0
a=sendrecv
a=ice-ufrag:8hhY
a=ice-pwd:asd88fgpdd777uzjYhagZg
a=candidate:1 1 UDP 2130706431 192.0.2.1 4000 typ host
a=candidate:1 2 UDP 2130706430 192.0.2.1 4001 typ host
a=rtpmap:96 opus/48000/2
a=fmtp:96 useinbandfec=1
a=rtpmap:97 speex/16000
a=rtpmap:98 speex/8000
a=rtpmap:101 telephone-event/48000
a=fmtp:101 0-16
a=rtpmap:102 telephone-event/8000
a=fmtp:102 0-16
a=rtcp-fb:* nack
a=extmap:1 urn:ietf:params:rtp-hdrext:ssrc-audio-level
a=ssrc:1234 cname:abc
m=video 4002 RTP/AVP 99
c=IN IP4 192.0.2.1
a=mid:1
a=rtpmap:99 VP8/90000
a=inactive
"""
BROWSER = """v=0
o=- 4611731400430051336 2 IN IP4 127.0.0.1
s=-
t=0 0
a=group:BUNDLE 0
m=audio 9 UDP/TLS/RTP/SAVPF 111 0 8 110
c=IN IP4 0.0.0.0
a=rtcp:9 IN IP4 0.0.0.0
a=ice-ufrag:abcd
a=ice-pwd:aaaaaaaaaaaaaaaaaaaaaaaa
a=fingerprint:sha-256 AA:BB
a=setup:actpass
a=mid:0
a=rtcp-mux
a=rtpmap:111 opus/48000/2
"""
FAX = """v=0
o=- 1 2 IN IP4 192.0.2.1
s=-
c=IN IP4 192.0.2.1
t=0 0
m=image 4000 udptl t38
a=T38FaxVersion:0
a=T38MaxBitRate:14400
a=T38FaxRateManagement:transferredTCF
"""
OLD_GATEWAY = """v=0
o=Cisco 1 1 IN IP4 192.0.2.1
s=SIP Call
c=IN IP4 192.0.2.1
t=0 0
m=audio 4000 RTP/AVP 18 0 8 19 100
"""


def answer(offer: str) -> Answer:
    return answer_offer(parse_sdp(offer.encode()), LOCAL)


def lines(answered: Answer) -> list[str]:
    return answered.description.serialize().decode().split("\r\n")[:-1]


def test_softphone_gets_the_codec_and_the_events_that_fit_and_none_of_the_rest() -> None:
    assert lines(answer(SOFTPHONE)) == [
        "v=0",
        "o=- 77 78 IN IP4 203.0.113.10",
        "s=-",
        "c=IN IP4 203.0.113.10",
        "t=0 0",
        "m=audio 20000 RTP/AVP 0 102",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:102 telephone-event/8000",
        "a=fmtp:102 0-16",
        "a=ptime:20",
        "a=sendrecv",
        "m=video 0 RTP/AVP 99",
    ]


def test_offerer_that_shares_a_port_gets_it_shared() -> None:
    answered = answer(SOFTPHONE.replace("a=mid:0\n", "a=mid:0\na=rtcp-mux\n"))
    assert "a=rtcp-mux" in lines(answered)
    assert answered.parameters.remote_rtcp == answered.parameters.remote == ("192.0.2.1", 4000)


def test_static_payload_types_need_no_rtpmap() -> None:
    answered = answer(OLD_GATEWAY)
    assert lines(answered)[5:] == [
        "m=audio 20000 RTP/AVP 0",
        "a=rtpmap:0 PCMU/8000",
        "a=ptime:20",
        "a=sendrecv",
    ]
    assert answered.parameters.telephone_event_payload_type is None


def test_comfort_noise_is_neither_answered_nor_in_the_way() -> None:
    answered = answer(OLD_GATEWAY.replace("18 0 8 19 100", "13 8 13 0"))
    assert lines(answered)[5] == "m=audio 20000 RTP/AVP 8"
    assert answered.parameters.codec is Codec.PCMA


@pytest.mark.parametrize(
    ("offer", "code"),
    [
        (BROWSER, 302),
        (FAX, 304),
        (FAX.replace("m=image 4000 udptl t38", "m=video 4000 RTP/AVP 31"), 304),
        (FAX.replace("m=image 4000 udptl t38", "m=message 4000 TCP/MSRP *"), 304),
        (OLD_GATEWAY.replace("18 0 8 19 100", "18 3 4 9"), 305),
        (OLD_GATEWAY.replace("18 0 8 19 100", "100"), 305),
        (OLD_GATEWAY.replace("IN IP4 192.0.2.1\nt=", "IN IP4 239.1.1.1/127\nt="), 330),
    ],
)
def test_what_we_cannot_serve_is_refused_with_its_own_warning(offer: str, code: int) -> None:
    with pytest.raises(NotAcceptableError) as caught:
        answer(offer)
    assert caught.value.warning_code == code


def test_fax_that_joins_a_call_is_refused_and_the_call_goes_on() -> None:
    answered = answer(OLD_GATEWAY + "m=image 4002 udptl t38\na=T38FaxVersion:0\n")
    assert [line for line in lines(answered) if line.startswith("m=")] == [
        "m=audio 20000 RTP/AVP 0",
        "m=image 0 udptl t38",
    ]


def test_stream_that_the_caller_has_closed_stays_closed_in_its_place() -> None:
    closed = OLD_GATEWAY + "m=audio 4002 RTP/AVP 8\nm=video 0 RTP/AVP 31\n"
    answered = answer(closed.replace("m=audio 4000", "m=audio 0"))
    assert [line for line in lines(answered) if line.startswith("m=")] == [
        "m=audio 0 RTP/AVP 18 0 8 19 100",
        "m=audio 20000 RTP/AVP 8",
        "m=video 0 RTP/AVP 31",
    ]
    assert answered.parameters.remote == ("192.0.2.1", 4002)


@pytest.mark.parametrize(
    ("hold", "ours"),
    [
        ("a=sendonly", Direction.RECVONLY),
        ("a=inactive", Direction.INACTIVE),
        ("c=IN IP4 0.0.0.0", Direction.RECVONLY),
        ("c=IN IP4 0.0.0.0\na=sendonly", Direction.RECVONLY),
        ("c=IN IP4 0.0.0.0\na=inactive", Direction.INACTIVE),
    ],
)
def test_hold_in_each_form_and_resume(hold: str, ours: Direction) -> None:
    held = answer(f"{OLD_GATEWAY}{hold}\n")
    assert held.parameters.direction is ours
    assert f"a={ours.value}" in lines(held)
    resumed = answer(OLD_GATEWAY)
    assert resumed.parameters.direction is Direction.SENDRECV
    assert resumed.parameters.remote == ("192.0.2.1", 4000)
