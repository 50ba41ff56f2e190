"""The carriers' own session descriptions get the right answer, as sent."""

from __future__ import annotations

from base64 import b64encode
from pathlib import Path

import pytest

from sip_edge.media.offer_answer import (
    Answer,
    AudioParameters,
    Codec,
    Direction,
    LocalMedia,
    NotAcceptableError,
    answer_offer,
)
from sip_edge.media.sdes import SrtpPolicy, SrtpTerms
from sip_edge.media.sdp import extract_sdp, parse_sdp

CARRIER_MESSAGES = Path(__file__).parents[1] / "data" / "carrier"


def carrier_answer(name: str, policy: SrtpPolicy = SrtpPolicy.OPTIONAL) -> Answer:
    local = LocalMedia(
        address="203.0.113.10",
        port=20000,
        session_id=77,
        version=78,
        srtp=SrtpTerms(policy=policy, secret=b"s" * 32),
    )
    message = (CARRIER_MESSAGES / f"{name}.sip").read_bytes().replace(b"\r\n", b"\n")
    sdp = extract_sdp("application/sdp", message.partition(b"\n\n")[2])
    assert sdp is not None
    return answer_offer(parse_sdp(sdp), local)


def test_twilio_gets_pcmu_and_its_telephone_event() -> None:
    answered = carrier_answer("twilio_invite_udp")
    assert answered.description.serialize() == (
        b"v=0\r\n"
        b"o=- 77 78 IN IP4 203.0.113.10\r\n"
        b"s=-\r\n"
        b"c=IN IP4 203.0.113.10\r\n"
        b"t=0 0\r\n"
        b"m=audio 20000 RTP/AVP 0 101\r\n"
        b"a=rtpmap:0 PCMU/8000\r\n"
        b"a=rtpmap:101 telephone-event/8000\r\n"
        b"a=fmtp:101 0-16\r\n"
        b"a=ptime:20\r\n"
        b"a=sendrecv\r\n"
    )
    assert answered.parameters == AudioParameters(
        codec=Codec.PCMU,
        payload_type=0,
        telephone_event_payload_type=101,
        remote=("168.86.138.121", 12692),
        remote_rtcp=("168.86.138.121", 12693),
        direction=Direction.SENDRECV,
        ptime_ms=20,
    )


@pytest.mark.parametrize("name", ["telnyx_invite_udp_fqdn", "telnyx_invite_tcp_compact"])
def test_telnyx_gets_pcmu_though_it_prefers_g722(name: str) -> None:
    answered = carrier_answer(name)
    text = answered.description.serialize().decode()
    assert text[text.index("m=") :].splitlines() == [
        "m=audio 20000 RTP/AVP 0 101",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-15",
        "a=ptime:20",
        "a=sendrecv",
    ]
    assert answered.parameters == AudioParameters(
        codec=Codec.PCMU,
        payload_type=0,
        telephone_event_payload_type=101,
        remote=("50.114.144.48", 19888),
        remote_rtcp=("50.114.144.48", 19889),
        direction=Direction.SENDRECV,
        ptime_ms=20,
    )


@pytest.mark.parametrize("policy", [SrtpPolicy.OPTIONAL, SrtpPolicy.REQUIRED])
def test_twilio_gets_srtp_with_its_suite_and_a_key_of_ours(policy: SrtpPolicy) -> None:
    answered = carrier_answer("twilio_invite_tls_srtp", policy)
    text = answered.description.serialize().decode()
    keys = answered.parameters.srtp
    assert keys is not None
    assert keys.remote_key == bytes(30)
    assert text[text.index("m=") :].splitlines() == [
        "m=audio 20000 RTP/SAVP 0 101",
        f"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:{b64encode(keys.local_key).decode()}",
        "a=rtpmap:0 PCMU/8000",
        "a=rtpmap:101 telephone-event/8000",
        "a=fmtp:101 0-16",
        "a=ptime:20",
        "a=sendrecv",
    ]
    assert len(keys.local_key) == 30
    assert keys.local_key != keys.remote_key


def test_srtp_is_refused_where_it_is_off() -> None:
    with pytest.raises(NotAcceptableError) as caught:
        carrier_answer("twilio_invite_tls_srtp", SrtpPolicy.OFF)
    assert caught.value.warning_code == 302


@pytest.mark.parametrize("name", ["twilio_invite_udp", "telnyx_invite_udp_fqdn"])
def test_plain_rtp_is_refused_where_srtp_must_be(name: str) -> None:
    with pytest.raises(NotAcceptableError) as caught:
        carrier_answer(name, SrtpPolicy.REQUIRED)
    assert caught.value.warning_code == 302
