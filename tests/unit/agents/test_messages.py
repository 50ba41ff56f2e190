"""The dialect's messages, letter by letter as Twilio documents them."""

from __future__ import annotations

import json

import pytest
from support.offers import ACCOUNT_SID, AGENT_ID, CALL_ID, CALL_SID, STREAM_SID
from support.offers import agent_offer as offer
from support.offers import call_facts as facts
from websockets.frames import Frame, Opcode
from websockets.streams import StreamReader

from sip_edge.agents.messages import (
    MalformedMessageError,
    MessageWriter,
    client_text_frame,
    custom_parameters,
    decode,
)
from sip_edge.routing.ports import LostAgent


def writer() -> MessageWriter:
    return MessageWriter(stream_sid=STREAM_SID, call_sid=CALL_SID, account_sid=ACCOUNT_SID)


def test_the_opening_is_connected_and_start_as_twilio_sends_them() -> None:
    connected, start = writer().opening({"from_number": "+12025550123"})

    assert json.loads(connected) == {"event": "connected", "protocol": "Call", "version": "1.0.0"}
    assert json.loads(start) == {
        "event": "start",
        "sequenceNumber": "1",
        "streamSid": STREAM_SID,
        "start": {
            "accountSid": ACCOUNT_SID,
            "streamSid": STREAM_SID,
            "callSid": CALL_SID,
            "tracks": ["inbound"],
            "mediaFormat": {"encoding": "audio/x-mulaw", "sampleRate": 8000, "channels": 1},
            "customParameters": {"from_number": "+12025550123"},
        },
    }


def test_every_message_after_start_counts_on_and_chunks_count_sound_alone() -> None:
    stream = writer()
    stream.opening({})

    messages = [
        stream.media(b"\xff" * 160, 20),
        stream.dtmf("#"),
        stream.media(b"\x00" * 3, 40),
        stream.mark("a"),
        stream.stop(),
    ]

    assert [json.loads(message) for message in messages] == [
        {
            "event": "media",
            "sequenceNumber": "2",
            "streamSid": STREAM_SID,
            "media": {
                "track": "inbound",
                "chunk": "1",
                "timestamp": "20",
                "payload": "/" * 213 + "w==",
            },
        },
        {
            "event": "dtmf",
            "sequenceNumber": "3",
            "streamSid": STREAM_SID,
            "dtmf": {"track": "inbound_track", "digit": "#"},
        },
        {
            "event": "media",
            "sequenceNumber": "4",
            "streamSid": STREAM_SID,
            "media": {"track": "inbound", "chunk": "2", "timestamp": "40", "payload": "AAAA"},
        },
        {
            "event": "mark",
            "sequenceNumber": "5",
            "streamSid": STREAM_SID,
            "mark": {"name": "a"},
        },
        {
            "event": "stop",
            "sequenceNumber": "6",
            "streamSid": STREAM_SID,
            "stop": {"accountSid": ACCOUNT_SID, "callSid": CALL_SID},
        },
    ]
    assert stream.chunks == 2


def test_a_marks_name_comes_back_exactly_as_it_was() -> None:
    name = 'quote " backslash \\ newline \n null \x00 \U0001f600'

    assert json.loads(writer().mark(name))["mark"]["name"] == name


def test_ids_with_any_character_keep_the_messages_whole() -> None:
    stream = MessageWriter(stream_sid='"%d', call_sid="%b", account_sid="\\")
    stream.opening({})

    assert json.loads(stream.media(b"", 0))["streamSid"] == '"%d'
    assert json.loads(stream.stop())["stop"] == {"accountSid": "\\", "callSid": "%b"}


def test_parameters_say_who_calls_whom_and_which_attempt_this_is() -> None:
    parameters = custom_parameters(
        AGENT_ID,
        offer(
            facts(forwarded_headers={"X-Customer": "7"}), attempt=2, failover_reason="http_status"
        ),
    )

    assert parameters == {
        "X-Customer": "7",
        "from_number": "+12025550123",
        "to_number": "+12025550199",
        "agent_id": AGENT_ID,
        "call_id": CALL_ID,
        "attempt": "2",
        "failover_reason": "http_status",
    }


def test_worker_that_takes_over_in_mid_call_is_told_whom_it_replaces() -> None:
    lost = LostAgent("22222222-2222-4222-8222-222222222222", 61.25, "4711#")

    parameters = custom_parameters(AGENT_ID, offer(lost=lost))

    assert parameters["lost_agent_id"] == "22222222-2222-4222-8222-222222222222"
    assert parameters["lost_after_seconds"] == "61.2"
    assert parameters["digits"] == "4711#"


def test_parameters_are_strings_even_for_an_anonymous_caller_and_a_first_attempt() -> None:
    parameters = custom_parameters(
        AGENT_ID,
        offer(facts(caller_number=None, called_number=None, caller="anonymous@anonymous.invalid")),
    )

    assert parameters["from_number"] == "anonymous@anonymous.invalid"
    assert parameters["to_number"] == ""
    assert parameters["failover_reason"] == ""


def test_a_forwarded_header_cannot_pass_for_the_callers_number() -> None:
    parameters = custom_parameters(AGENT_ID, offer(facts(forwarded_headers={"from_number": "x"})))

    assert parameters["from_number"] == "+12025550123"


def test_header_bytes_that_are_not_utf_8_do_not_spoil_the_start() -> None:
    odd = b"caf\xe9".decode("utf-8", "surrogateescape")

    _, start = writer().opening(
        custom_parameters(AGENT_ID, offer(facts(forwarded_headers={"X-" + odd: odd})))
    )

    assert json.loads(start)["start"]["customParameters"]["X-caf?"] == "caf?"


def test_sound_is_decoded_whatever_its_size() -> None:
    message = decode(b'{"event":"media","streamSid":"MZ","media":{"payload":"AAECAw=="}}')

    assert message.event == "media"
    assert message.media is not None
    assert message.media.payload == b"\x00\x01\x02\x03"


@pytest.mark.parametrize(
    ("text", "name"),
    [
        (b'{"event":"mark","mark":{"name":"part 1"}}', "part 1"),
        (b'{"event":"mark","mark":{"name":"%s"}}' % (b"x" * 1024), "x" * 1024),
        (b'{"event":"mark","mark":{}}', None),
        (b'{"event":"mark","mark":{"name":null}}', None),
    ],
)
def test_marks_are_decoded_with_or_without_a_name(text: bytes, name: str | None) -> None:
    message = decode(text)

    assert message.mark is not None
    assert message.mark.name == name


@pytest.mark.parametrize(
    "text",
    [
        b'{"event":"mark","streamSid":"MZ"}',
        b'{"event":"clear"}',
        b'{"event":"close"}',
        b'{"event":"x","deep":{"er":[1,2,{"and":"deeper"}]}}',
        b' {"event" : "clear"} ',
    ],
)
def test_events_that_carry_nothing_of_ours_are_fine(text: bytes) -> None:
    message = decode(text)

    assert message.media is None
    assert message.mark is None


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"hello",
        b"[]",
        b"null",
        b"{}",
        b'{"event":5}',
        b'{"event":"media"}',
        b'{"event":"media","media":{}}',
        b'{"event":"media","media":{"payload":null}}',
        b'{"event":"media","media":{"payload":"!!!!"}}',
        b'{"event":"media","media":{"payload":"AAA"}}',
        b'{"event":"mark","mark":{"name":5}}',
        b'{"event":"mark","mark":{"name":"\\ud800 alone"}}',
        b'{"event":"mark","mark":{"name":"%s"}}' % (b"x" * 1025),
        b'{"event":"clear"} {"event":"clear"}',
        b'{"event":"\xff"}',
        b'{"event":"x","deep":' + b"[" * 100_000,
        b'{"event":"x","deep":' + b'{"a":' * 100_000,
    ],
    ids=lambda text: text[:40].decode("latin-1"),
)
def test_what_is_no_message_is_refused(text: bytes) -> None:
    with pytest.raises(MalformedMessageError):
        decode(text)


@pytest.mark.parametrize("size", [0, 1, 125, 126, 127, 65_535, 65_536, 100_001])
def test_a_frame_of_ours_is_read_by_a_library_that_is_not(size: int) -> None:
    text = bytes(index % 251 for index in range(size))
    reader = StreamReader()
    reader.feed_data(client_text_frame(text, b"\x9a\x01\xff\x37"))
    reader.feed_eof()

    parsing = Frame.parse(reader.read_exact, mask=True)
    with pytest.raises(StopIteration) as parsed:
        next(parsing)

    assert parsed.value.value == Frame(Opcode.TEXT, text)
    assert reader.buffer == b""


def test_a_frame_is_masked_with_the_key_that_was_given() -> None:
    assert client_text_frame(b"abcde", b"\x01\x02\x03\x04") == (
        b"\x81\x85\x01\x02\x03\x04" + bytes([0x60, 0x60, 0x60, 0x60, 0x64])
    )
