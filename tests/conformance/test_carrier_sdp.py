"""The carriers' own session descriptions get the right answer, as sent."""

from __future__ import annotations

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
from sip_edge.media.sdp import extract_sdp, parse_sdp

CARRIER_MESSAGES = Path(__file__).parents[1] / "data" / "carrier"
LOCAL = LocalMedia(address="203.0.113.10", port=20000, session_id=77, version=78)


def carrier_answer(name: str) -> Answer:
    message = (CARRIER_MESSAGES / f"{name}.sip").read_bytes().replace(b"\r\n", b"\n")
    sdp = extract_sdp("application/sdp", message.partition(b"\n\n")[2])
    assert sdp is not None
    return answer_offer(parse_sdp(sdp), LOCAL)


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


def test_srtp_is_refused() -> None:
    with pytest.raises(NotAcceptableError) as caught:
        carrier_answer("twilio_invite_tls_srtp")
    assert caught.value.warning_code == 302
