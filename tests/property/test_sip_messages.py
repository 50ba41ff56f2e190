"""What holds of every SIP message, whoever wrote it."""

from __future__ import annotations

from contextlib import suppress
from itertools import pairwise
from pathlib import Path

from hypothesis import given, settings
from hypothesis import strategies as st

from sip_edge.sip.fields import FieldError, NameAddr, parse_name_addr, parse_via
from sip_edge.sip.flow import Address
from sip_edge.sip.message import Request, Response, make_request, make_response
from sip_edge.sip.parser import ParseError, parse_message
from sip_edge.sip.stream import FramingError, Ping, StreamFramer
from sip_edge.sip.uri import SipUri, UriError, parse_uri

EXAMPLES = 200
TOKEN = "abcXYZ019-.!%*_+`'~"
CARRIER = sorted((Path(__file__).parents[1] / "data" / "carrier").glob("*.sip"))

tokens = st.text(TOKEN, min_size=1, max_size=12)
values = st.text(st.characters(min_codepoint=32, max_codepoint=255), max_size=40)
hosts = st.sampled_from(["example.com", "192.0.2.1", "agent_1", "2001:db8::1", "::ffff:192.0.2.1"])
ports = st.none() | st.integers(1, 65_535)
params = st.lists(st.tuples(tokens, st.none() | tokens), max_size=4).map(tuple)
users = st.text("abc019+;?/%-_.!~*'()&=$,", min_size=1, max_size=12)
display_names = st.none() | st.text(
    st.characters(blacklist_characters="\r\n", blacklist_categories=["Cs"]), max_size=20
)
sip_uris = st.builds(
    SipUri,
    scheme=st.sampled_from(["sip", "sips"]),
    user=users,
    password=st.none() | tokens,
    host=hosts,
    port=ports,
    params=params,
    headers=st.none() | tokens,
)
name_addrs = st.builds(NameAddr, display_name=display_names, uri=sip_uris, params=params)


@st.composite
def requests(draw: st.DrawFn) -> Request:
    """A request that we might build, with headers that we know nothing of among the others."""
    method = draw(tokens)
    headers = [
        ("Via", f"SIP/2.0/UDP example.com;branch=z9hG4bK{draw(tokens)}"),
        ("From", f"{draw(name_addrs)};tag={draw(tokens)}"),
        ("t", str(draw(name_addrs))),
        ("Call-ID", draw(tokens)),
        ("CSeq", f"{draw(st.integers(0, 2**32 - 1))} {method}"),
        *draw(st.lists(st.tuples(tokens.map("X-{}".format), values), max_size=5)),
    ]
    uri = draw(sip_uris)
    return make_request(
        method,
        str(SipUri(uri.scheme, uri.user, uri.password, uri.host, uri.port, uri.params, None)),
        draw(st.permutations(headers)),
        draw(st.binary(max_size=100)),
    )


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    """A carrier's message with a few bytes changed, lost or added."""
    data = bytearray(draw(st.sampled_from(CARRIER)).read_bytes())
    for _ in range(draw(st.integers(1, 4))):
        start = draw(st.integers(0, len(data)))
        length = draw(st.integers(0, 4))
        data[start : start + length] = draw(
            st.sampled_from([b"", b"\r\n", b"\r\n ", b'"', b"<", b">", b",", b";", b"\x00", b"\n"])
            | st.binary(max_size=3)
        )
    return bytes(data)


def refusal_of(data: bytes) -> ParseError | None:
    try:
        parse_message(data)
    except ParseError as error:
        return error
    return None


def read_everything(message: Request | Response) -> None:
    """Do to a parsed message what its users do to it: none of it may raise."""
    message.top_via.with_received("192.0.2.1", 5060)
    values = [message.from_, message.to, message.contact]
    assert message.call_id
    assert message.cseq.number >= 0
    _ = (message.content_type, message.record_routes)
    again = [("X", str(value)) for value in values if value is not None]
    again += list(message.headers)
    make_request("OPTIONS", "sip:example.com", again)
    if isinstance(message, Request):
        _ = (message.max_forwards, message.routes, str(message.parsed_uri))
        noted = message.with_received(Address("192.0.2.1", 5060))
        response = make_response(noted, 200, to_tag="ours", headers=[("X", "y")])
        make_request(message.method, message.uri, list(message.headers))
        answered = parse_message(response.serialize())
        assert isinstance(answered, Response)
        assert answered.call_id == message.call_id
        assert answered.to.tag == (message.to.tag or "ours")


@settings(max_examples=EXAMPLES)
@given(requests())
def test_reading_what_was_written_gives_the_same_request(request: Request) -> None:
    again = parse_message(request.serialize())

    assert isinstance(again, Request)
    assert again == request
    assert list(again.headers) == [(name, value.strip(" \t")) for name, value in request.headers]
    assert (again.from_, again.to, again.cseq) == (request.from_, request.to, request.cseq)
    assert again.body == request.body


@settings(max_examples=EXAMPLES)
@given(requests())
def test_what_can_be_parsed_can_be_answered_and_built_again(request: Request) -> None:
    read_everything(parse_message(request.serialize()))


@settings(max_examples=EXAMPLES)
@given(name_addrs)
def test_address_survives_being_written(value: NameAddr) -> None:
    assert parse_name_addr(str(value)) == value


@settings(max_examples=EXAMPLES)
@given(sip_uris)
def test_uri_survives_being_written(uri: SipUri) -> None:
    assert parse_uri(str(uri)) == uri


@settings(max_examples=EXAMPLES)
@given(st.binary(max_size=300))
def test_noise_raises_parse_error_and_nothing_else(data: bytes) -> None:
    error = refusal_of(data)

    assert error is None or (error.status is None) == (error.request is None)


@settings(max_examples=EXAMPLES)
@given(damaged())
def test_damaged_message_is_read_or_refused_with_an_answer_that_can_be_built(data: bytes) -> None:
    error = refusal_of(data)

    if error is None:
        read_everything(parse_message(data))
    elif error.request is not None:
        assert error.status is not None
        noted = error.request.with_received(Address("192.0.2.1", 5060))
        make_response(noted, error.status, reason=error.phrase, to_tag="ours").serialize()


@settings(max_examples=EXAMPLES)
@given(st.text(st.characters(max_codepoint=255), max_size=80))
def test_values_raise_their_own_errors_and_nothing_else(text: str) -> None:
    for read, declared in (
        (parse_uri, UriError),
        (parse_via, FieldError),
        (parse_name_addr, FieldError),
    ):
        with suppress(declared):
            read(text)


def frames_of(framer: StreamFramer, pieces: list[bytes]) -> tuple[list[bytes | Ping], str]:
    """All that comes out, and how it ended."""
    frames: list[bytes | Ping] = []
    for piece in pieces:
        try:
            frames += framer.feed(piece)
        except FramingError as error:
            return frames + error.frames, str(error)
    return frames, ""


def cut(data: bytes, places: list[int]) -> list[bytes]:
    bounds = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in pairwise(bounds)]


@settings(max_examples=EXAMPLES)
@given(
    st.lists(
        st.sampled_from([path.read_bytes() for path in CARRIER])
        | st.sampled_from([b"\r\n", b"\r\n\r\n"])
        | requests().map(Request.serialize)
        | damaged(),
        max_size=4,
    ),
    st.lists(st.integers(0, 10_000), max_size=20),
)
def test_stream_gives_the_same_messages_however_it_is_cut(
    parts: list[bytes], places: list[int]
) -> None:
    data = b"".join(parts)

    assert frames_of(StreamFramer(), cut(data, places)) == frames_of(StreamFramer(), [data])


@settings(max_examples=EXAMPLES)
@given(st.lists(st.binary(max_size=50), max_size=10))
def test_noise_on_a_stream_raises_framing_error_and_nothing_else(pieces: list[bytes]) -> None:
    frames_of(StreamFramer(), pieces)


@settings(max_examples=50)
@given(requests(), st.lists(st.integers(0, 10_000), max_size=10))
def test_messages_of_a_stream_can_be_parsed(request: Request, places: list[int]) -> None:
    data = request.serialize()

    frames, fault = frames_of(StreamFramer(), cut(data + data, places))

    assert fault == ""
    assert [parse_message(frame) for frame in frames if isinstance(frame, bytes)] == [
        request,
        request,
    ]
