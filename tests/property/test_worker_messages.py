"""Anything a worker may send, in any order: nothing escapes, nothing grows without bound."""

from __future__ import annotations

import json
from base64 import b64encode

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from support.gateway import CountingObserver
from support.offers import AGENT_ID, ScriptedAudio, agent_offer
from support.scheduler import ManualScheduler

from sip_edge.agents.messages import (
    MalformedMessageError,
    MessageWriter,
    client_text_frame,
    custom_parameters,
    decode,
)
from sip_edge.agents.session import WorkerSession
from sip_edge.agents.settings import WorkerSettings
from sip_edge.agents.signature import twilio_signature
from sip_edge.routing.outcome import AgentEnd
from sip_edge.routing.worker_url import WorkerUrlError, parse_worker_url

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
worker_like = st.fixed_dictionaries(
    {"event": st.sampled_from(["media", "mark", "clear", "stop", "start", "close"]) | json_values},
    optional={
        "media": st.fixed_dictionaries({"payload": st.text() | json_values}) | json_values,
        "mark": st.fixed_dictionaries({"name": st.text() | json_values}) | json_values,
        "streamSid": json_values,
    },
).map(lambda value: json.dumps(value).encode("utf-8", "surrogatepass"))


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=200) | worker_like)
def test_any_bytes_are_a_message_or_malformed(data: bytes) -> None:
    try:
        message = decode(data)
    except MalformedMessageError:
        return
    assert (message.event != "media") or isinstance(message.media.payload, bytes)


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=2000))
def test_sound_survives_the_way_there_and_back(ulaw: bytes) -> None:
    writer = MessageWriter(stream_sid="MZ", call_sid="CA", account_sid="AC")

    message = decode(writer.media(ulaw, 0))

    assert message.media is not None
    assert message.media.payload == ulaw


@settings(max_examples=100, deadline=None)
@given(st.text(), st.text(), st.dictionaries(st.text(), st.text(), max_size=3))
def test_whatever_an_invite_said_the_start_is_json_with_strings_alone(
    stream_sid: str, reason: str, headers: dict[str, str]
) -> None:
    offered = agent_offer(failover_reason=reason)
    writer = MessageWriter(stream_sid=stream_sid, call_sid="CA", account_sid="AC")

    _, start = writer.opening({**headers, **custom_parameters(AGENT_ID, offered)})

    told = json.loads(start)
    assert told["streamSid"] == stream_sid
    assert all(isinstance(value, str) for value in told["start"]["customParameters"].values())


@settings(max_examples=100, deadline=None)
@given(st.binary(max_size=300), st.binary(min_size=4, max_size=4))
def test_a_frame_unmasks_to_what_was_masked(text: bytes, key: bytes) -> None:
    frame = client_text_frame(text, key)

    head = 6 if len(text) < 126 else 8
    assert bytes(b ^ key[i % 4] for i, b in enumerate(frame[head:])) == text


@settings(max_examples=200, deadline=None)
@given(st.text() | st.text(alphabet="ws:/[]@#?.:-%0123456789a\r\n ").map(lambda t: "ws://" + t))
def test_any_text_is_a_url_to_dial_or_refused(text: str) -> None:
    try:
        url = parse_worker_url(text)
    except WorkerUrlError:
        return
    assert url.host
    assert 0 < url.port < 65_536
    assert len(twilio_signature("secret", url.text)) == 28


class Link:
    """Checks what a connection may rely on."""

    def __init__(self) -> None:
        self.numbers: list[int] = []
        self.returned: list[str] = []
        self.closings = 0
        self.aborts = 0

    def send(self, message: bytes) -> None:
        assert not self.closings
        assert not self.aborts
        told = json.loads(message)
        self.numbers.append(int(told["sequenceNumber"]))
        if told["event"] == "mark":
            self.returned.append(told["mark"]["name"])

    def close(self, code: int) -> None:
        assert code in {1000, 1008}
        self.closings += 1

    def abort(self) -> None:
        self.aborts += 1


class AnyOrderOfEvents(RuleBasedStateMachine):
    """Caller, worker, connection and time do what they like."""

    def __init__(self) -> None:
        super().__init__()
        self.time, self.link, self.audio = ManualScheduler(), Link(), ScriptedAudio()
        self.session = WorkerSession(
            agent_id=AGENT_ID,
            offer=agent_offer(),
            settings=WorkerSettings(
                malformed_limit=3, max_ahead_seconds=0.1, max_early_seconds=0.1, max_marks=3
            ),
            first_audio_timeout_seconds=20.0,
            observer=CountingObserver(),
            scheduler=self.time,
        )
        self.session.writer.opening({})
        self.session.connected(self.link)
        self.asked: list[str] = []
        self.first_end: AgentEnd | None = None

    @rule(ulaw=st.binary(max_size=400))
    def worker_says(self, ulaw: bytes) -> None:
        payload = b64encode(ulaw).decode()
        self.session.receive(json.dumps({"event": "media", "media": {"payload": payload}}).encode())

    @rule(name=st.text(max_size=5))
    def worker_marks(self, name: str) -> None:
        self.asked.append(name)
        self.session.receive(json.dumps({"event": "mark", "mark": {"name": name}}).encode())

    @rule()
    def worker_clears(self) -> None:
        self.session.receive(b'{"event":"clear"}')

    @rule(data=st.binary(max_size=20))
    def worker_talks_nonsense(self, data: bytes) -> None:
        self.session.receive(data)

    @rule()
    def worker_sends_binary(self) -> None:
        self.session.receive_binary()

    @precondition(lambda self: self.audio.listener is None)
    @rule()
    def caller_is_answered(self) -> None:
        self.session.join(self.audio)

    @rule()
    def all_is_heard(self) -> None:
        self.audio.heard()

    @rule(frame=st.binary(min_size=160, max_size=160))
    def caller_speaks(self, frame: bytes) -> None:
        self.session.on_audio(frame)

    @rule(digit=st.sampled_from("0123456789*#ABCD"))
    def caller_presses(self, digit: str) -> None:
        self.session.on_digit(digit)

    @rule()
    def worker_stops_reading(self) -> None:
        self.session.writing_paused()

    @rule()
    def worker_reads_on(self) -> None:
        self.session.writing_resumed()

    @rule(seconds=st.floats(0.0, 30.0))
    def time_passes(self, seconds: float) -> None:
        self.time.advance(seconds)

    @rule(code=st.none() | st.integers(1000, 4999))
    def worker_closes(self, code: int | None) -> None:
        self.session.peer_closed(code, "")

    @rule()
    def we_hang_up(self) -> None:
        self.session.hang_up()

    @rule()
    def connection_drops(self) -> None:
        self.session.connection_lost()

    @invariant()
    def the_first_end_counts(self) -> None:
        if self.first_end is not None:
            assert self.session.end is self.first_end
        self.first_end = self.session.end

    @invariant()
    def it_is_closed_once(self) -> None:
        assert self.link.closings <= 1

    @invariant()
    def every_message_has_the_next_number(self) -> None:
        assert self.link.numbers == list(range(2, 2 + len(self.link.numbers)))

    @invariant()
    def marks_return_in_order_though_a_deaf_worker_may_miss_some(self) -> None:
        remaining = iter(self.asked)
        assert all(name in remaining for name in self.link.returned)

    def teardown(self) -> None:
        self.session.connection_lost()
        assert self.session.end is not None
        assert self.time.pending == 0


AnyOrderOfEvents.TestCase.settings = settings(
    max_examples=100, stateful_step_count=30, deadline=None
)
TestAnyOrderOfEvents = AnyOrderOfEvents.TestCase
