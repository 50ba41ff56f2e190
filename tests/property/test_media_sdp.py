"""Whatever arrives: session descriptions, offers and bodies of any shape."""

from __future__ import annotations

from base64 import b64encode
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from sip_edge.media.offer_answer import (
    Direction,
    LocalMedia,
    NotAcceptableError,
    answer_offer,
    read_answer,
)
from sip_edge.media.sdes import SrtpPolicy, SrtpTerms, parse_crypto
from sip_edge.media.sdp import (
    Attribute,
    Connection,
    Line,
    MediaDescription,
    Origin,
    SdpError,
    SessionDescription,
    extract_sdp,
    parse_sdp,
)

EXAMPLES = settings(max_examples=200, deadline=None)

locals_ = st.builds(
    lambda policy: LocalMedia(
        address="203.0.113.10",
        port=20000,
        session_id=77,
        version=78,
        srtp=SrtpTerms(policy=policy, secret=b"s" * 32),
    ),
    st.sampled_from(SrtpPolicy),
)

# Text of one line, as it is after decoding: any bytes but CR, LF and NUL, most of them not UTF-8.
values = (
    st.text(max_size=20).map(lambda text: text.encode("utf-8", "replace")) | st.binary(max_size=20)
).map(lambda raw: raw.translate(None, b"\r\n\0").decode("utf-8", "surrogateescape"))
tokens = values.map(lambda text: text.replace(" ", "") or "-")
ports = st.integers(0, 65535)
other_lines = st.lists(st.builds(Line, st.sampled_from("iuepbtrzkxyQ"), values), max_size=4)
attributes = st.lists(
    st.builds(Attribute, values.filter(lambda name: ":" not in name), st.none() | values),
    max_size=4,
)
connections = st.none() | st.builds(Connection, tokens, tokens, tokens)
any_media = st.builds(
    MediaDescription,
    kind=tokens,
    port=ports,
    port_count=st.integers(1, 65535),
    protocol=tokens,
    formats=st.lists(tokens, max_size=4).map(tuple),
    connection=connections,
    attributes=attributes.map(tuple),
    other_lines=other_lines.map(tuple),
)
any_descriptions = st.builds(
    SessionDescription,
    origin=st.builds(Origin, tokens, tokens, tokens, tokens, tokens, tokens),
    name=values,
    connection=connections,
    attributes=attributes.map(tuple),
    media=st.lists(any_media, max_size=4).map(tuple),
    other_lines=other_lines.map(tuple),
)

# Offers that a telephone could make, and some that none should.
addresses = st.sampled_from(
    ["192.0.2.1", "0.0.0.0", "224.0.0.1", "::", "2001:db8::1", "::ffff:192.0.2.1", "a.example", "/"]
)
offer_attributes = st.sampled_from(
    [
        *("sendrecv", "sendonly", "recvonly", "inactive", "rtcp-mux", "ptime:30", "maxptime:10"),
        *("rtcp:5000", "rtcp:5000 IN IP4 192.0.2.9", "rtcp:x", "rtcp:", "rtpmap:", "fmtp:"),
        *("rtpmap:101 telephone-event/8000", "rtpmap:96 PCMU/8000", "rtpmap:0 PCMA/8000"),
        "crypto:1 AES_CM_128_HMAC_SHA1_80 inline:" + "A" * 40,
        "crypto:2 AEAD_AES_128_GCM inline:" + "A" * 38 + "==|2^20|1:4",
        "crypto:3 AES_CM_128_HMAC_SHA1_32 inline:" + "A" * 40 + " UNENCRYPTED_SRTP",
        *("crypto:", "crypto:1", "ptime:60"),
        *("fmtp:101 0-16", "rtpmap:72 PCMA/8000", "rtpmap:x PCMA/8000", "rtpmap:96 PCMU/"),
    ]
).map(lambda text: Attribute(*text.split(":", 1)))
offered_connections = st.none() | st.builds(
    Connection, st.just("IN"), st.sampled_from(["IP4", "IP6"]), addresses
)
offered_media = st.builds(
    MediaDescription,
    kind=st.sampled_from(["audio", "video", "image", "AUDIO"]),
    port=st.sampled_from([0, 1, 4000, 65535]),
    protocol=st.sampled_from(["RTP/AVP", "RTP/AVP", "rtp/avp", "RTP/SAVP", "udptl"]),
    formats=st.lists(st.sampled_from(["0", "8", "9", "72", "96", "101", "x", "999"])).map(tuple),
    connection=offered_connections,
    attributes=st.lists(offer_attributes, max_size=6).map(tuple),
)
offers = st.builds(
    SessionDescription,
    origin=st.just(Origin("-", "1", "1", "IN", "IP4", "192.0.2.1")),
    connection=offered_connections,
    attributes=st.lists(offer_attributes, max_size=2).map(tuple),
    media=st.lists(offered_media, max_size=4).map(tuple),
    other_lines=other_lines.map(tuple),
)
crypto_soup = st.lists(
    st.sampled_from(["1", " ", "AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "inline:", "A" * 40])
    | st.sampled_from(["|", "2^20", "1:4", ";", "WSH=64", "-X", "KDR=1", "A" * 38 + "==", ":"])
    | st.text(max_size=3),
    max_size=12,
).map("".join) | st.builds(
    "{} {} inline:{}{}".format,
    st.integers(0, 10**10),
    st.sampled_from(["AES_CM_128_HMAC_SHA1_80", "AEAD_AES_128_GCM", "AEAD_AES_256_GCM"]),
    st.binary(min_size=26, max_size=46).map(lambda key: b64encode(key).decode()),
    st.sampled_from(["", "|2^20", "|1:4", "|2^20|70000:3", " WSH=70", " KDR=2", "|2^99"]),
)
line_soup = st.lists(
    st.sampled_from([b"v=0", b"o=- 1 1 IN IP4 192.0.2.1", b"s=-", b"c=IN IP4 192.0.2.1", b"t=0 0"])
    | st.sampled_from([b"m=audio 4000 RTP/AVP 0", b"m=audio 0/2 X", b"a=sendonly", b"m=", b"c="])
    | st.binary(max_size=8),
    max_size=12,
)


@given(st.binary(max_size=200) | line_soup.map(b"\n".join))
@EXAMPLES
def test_any_bytes_are_a_description_or_an_error(data: bytes) -> None:
    try:
        description = parse_sdp(data)
    except SdpError:
        return
    assert parse_sdp(description.serialize()) == description


@given(any_descriptions)
@EXAMPLES
def test_description_survives_being_written_and_read(description: SessionDescription) -> None:
    assert parse_sdp(description.serialize()) == description


@given(any_descriptions | offers, locals_)
@EXAMPLES
def test_any_offer_is_answered_stream_by_stream_or_refused(
    offer: SessionDescription, local: LocalMedia
) -> None:
    try:
        answer = answer_offer(offer, local)
    except NotAcceptableError:
        return
    assert len(answer.description.media) == len(offer.media)
    accepted = [media for media in answer.description.media if media.port != 0]
    assert [media.port for media in accepted] == [20000]
    assert accepted[0].formats[0] == str(answer.parameters.payload_type)
    assert accepted[0].has(answer.parameters.direction.value)
    assert parse_sdp(answer.description.serialize()) == answer.description
    keys = answer.parameters.srtp
    assert accepted[0].has("crypto") == (keys is not None)
    if local.srtp.policy is not SrtpPolicy.OPTIONAL:
        assert (keys is None) == (local.srtp.policy is SrtpPolicy.OFF)
    assert 10 <= answer.parameters.ptime_ms <= 60
    if answer.parameters.remote[0] in {"0.0.0.0", "::"}:
        assert answer.parameters.direction in {Direction.RECVONLY, Direction.INACTIVE}


@given(st.text(max_size=80) | crypto_soup)
@EXAMPLES
def test_any_crypto_line_is_read_or_passed_over(value: str) -> None:
    line = parse_crypto(value)
    if line is not None:
        assert len(line.key) == line.suite.key_bytes
        again = parse_crypto(line.attribute().value or "")
        assert again == replace(line, mki=b"")


@given(any_descriptions | offers, any_descriptions | offers)
@EXAMPLES
def test_any_answer_is_understood_or_refused(
    offer: SessionDescription, answer: SessionDescription
) -> None:
    try:
        parameters = read_answer(offer, answer)
    except NotAcceptableError:
        return
    assert str(parameters.payload_type) in {
        text for media in answer.media for text in media.formats
    }


@given(
    st.none() | st.text(max_size=40) | st.just("multipart/mixed;boundary=b"),
    st.binary(max_size=100)
    | st.lists(
        st.sampled_from([b"--b", b"--b--", b"", b"Content-Type: application/sdp", b"v=0", b":"]),
        max_size=10,
    ).map(b"\r\n".join),
)
@EXAMPLES
def test_any_body_holds_a_description_or_none(content_type: str | None, body: bytes) -> None:
    sdp = extract_sdp(content_type, body)
    assert sdp is None or sdp in body
