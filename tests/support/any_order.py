"""A SIP endpoint under any order of events: one final response, one end, nothing left behind."""

from __future__ import annotations

from collections import Counter, defaultdict

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from support.messages import (
    ANSWER,
    CALLER_HOP,
    OFFER,
    TCP_FLOW,
    UDP_FLOW,
    Caller,
    make_endpoint,
    response_bytes,
    run_timers,
)

from sip_edge.sip.effects import (
    Acknowledged,
    AnswerReceived,
    Effect,
    InviteReceived,
    OfferReceived,
    ProvisionalAcknowledged,
    Refused,
    Send,
    SendTo,
    SessionEnded,
)
from sip_edge.sip.flow import Flow
from sip_edge.sip.message import Request, Response
from sip_edge.sip.parser import parse_message

COMMANDS = ("ring", "answer", "reject", "accept_offer", "reject_offer", "hang_up", "send_request")
METHODS = ("INVITE", "UPDATE", "INFO", "OPTIONS", "NOTIFY", "BYE", "REFER", "FOO")
ADDITIONS: tuple[list[tuple[str, str]], ...] = (
    [],
    [("Require", "foo")],
    [("Expires", "7")],
    [("Require", "100rel")],
    [("Supported", "timer")],
    [("Supported", "timer"), ("Session-Expires", "90;refresher=uac"), ("Require", "100rel")],
    [("Supported", "timer"), ("Session-Expires", "90"), ("Allow", "INVITE, UPDATE")],
    [("Session-Expires", "90;refresher=uac"), ("Min-SE", "100")],
    [("Supported", "timer"), ("Session-Expires", "30")],
)
"""What an INVITE or UPDATE may bring along."""
CALLS_END = {200, 480, 486, 487, 504}
"""What a call that was admitted may get in the end. An INVITE that comes again when nobody can
remember it is another call, or is refused with something else."""
FORGOTTEN = (481, 500)
"""What a re-INVITE gets that comes again when its transaction is over: its dialog is gone, or has
gone on."""
UNREADABLE = (b"400 ", b"414 ", b"505 ", b"513 ")
INDEX = st.integers(min_value=0, max_value=999)


class AnyOrder(RuleBasedStateMachine):
    """Several peers, an application that commands at random, and a clock that jumps."""

    def __init__(self) -> None:
        super().__init__()
        self.endpoint = make_endpoint(max_sessions=6, max_transactions=60)
        self.now = 0.0
        self.callers: list[Caller] = []
        self.received: list[tuple[bytes, Flow]] = []
        self.own_requests: list[tuple[Request, SendTo]] = []
        self.sessions: list[int] = []
        self.announced: set[int] = set()
        self.ended: Counter[int] = Counter()
        self.finals: defaultdict[tuple[str, str, str, str], set[int]] = defaultdict(set)
        self.admitted: Counter[str] = Counter()
        self.rseq: dict[str, str] = {}
        self.offered_early: set[str] = set()

    # What the network does.

    @rule(
        body=st.sampled_from([OFFER, b""]),
        flow=st.sampled_from([UDP_FLOW, TCP_FLOW]),
        headers=st.sampled_from(ADDITIONS),
    )
    def call(self, body: bytes, flow: Flow, headers: list[tuple[str, str]]) -> None:
        number = len(self.callers) + 1
        caller = Caller(flow=flow, call_id=f"call-{number}", to_tag="not-known-yet")
        self.callers.append(caller)
        data = caller.invite(branch=f"z9hG4bK-invite-{number}", body=body, headers=headers)
        self.receive(data, flow)

    @rule(
        index=INDEX,
        method=st.sampled_from(METHODS),
        body=st.sampled_from([OFFER, b""]),
        headers=st.sampled_from(ADDITIONS),
    )
    def request_within_dialog(
        self, index: int, method: str, body: bytes, headers: list[tuple[str, str]]
    ) -> None:
        if self.callers:
            caller = self.callers[index % len(self.callers)]
            self.receive(caller.request(method, body=body, headers=headers), caller.flow)

    @rule(index=INDEX, body=st.sampled_from([ANSWER, b""]), off_by=st.sampled_from([0, 0, 0, 1]))
    def acknowledge_provisional(self, index: int, body: bytes, off_by: int) -> None:
        if self.callers:
            caller = self.callers[index % len(self.callers)]
            rseq = int(self.rseq.get(caller.call_id, "1")) + off_by
            headers = [("RAck", f"{rseq} {caller.first_cseq} INVITE")]
            self.receive(caller.request("PRACK", body=body, headers=headers), caller.flow)

    @rule(index=INDEX, body=st.sampled_from([ANSWER, b""]))
    def acknowledge(self, index: int, body: bytes) -> None:
        if self.callers:
            caller = self.callers[index % len(self.callers)]
            self.receive(caller.ack(body=body), caller.flow)

    @rule(index=INDEX)
    def acknowledge_error(self, index: int) -> None:
        if self.callers:
            number = index % len(self.callers)
            branch = f"z9hG4bK-invite-{number + 1}"
            caller = self.callers[number]
            self.receive(caller.ack_error(branch=branch, cseq=caller.first_cseq), caller.flow)

    @rule(index=INDEX)
    def cancel(self, index: int) -> None:
        if self.callers:
            number = index % len(self.callers)
            caller = self.callers[number]
            self.receive(caller.cancel(branch=f"z9hG4bK-invite-{number + 1}"), caller.flow)

    @rule(index=INDEX)
    def repeat(self, index: int) -> None:
        if self.received:
            data, flow = self.received[index % len(self.received)]
            self.observe(self.endpoint.receive_datagram(data, flow, self.now))

    @rule(index=INDEX, position=INDEX, byte=st.integers(min_value=0, max_value=255))
    def repeat_with_a_fault(self, index: int, position: int, byte: int) -> None:
        if self.received:
            data, flow = self.received[index % len(self.received)]
            at = position % len(data)
            data = data[:at] + bytes([byte]) + data[at + 1 :]
            self.observe(self.endpoint.receive_datagram(data, flow, self.now))

    @rule(data=st.binary(max_size=60))
    def junk(self, data: bytes) -> None:
        self.observe(self.endpoint.receive_datagram(data, UDP_FLOW, self.now))

    @rule(
        index=INDEX,
        status=st.sampled_from([100, 180, 200, 200, 302, 405, 408, 422, 481, 487, 491, 503]),
        to_tag=st.sampled_from(["callee", "other", None]),
        interval=st.sampled_from([None, "90;refresher=uac", "90;refresher=uas"]),
    )
    def respond(self, index: int, status: int, to_tag: str | None, interval: str | None) -> None:
        if self.own_requests:
            request, _ = self.own_requests[-1 - index % len(self.own_requests)]
            headers = [] if interval is None else [("Session-Expires", interval)]
            if request.method != "ACK":
                data = response_bytes(request, status, to_tag=to_tag, headers=headers)
                self.receive(data, UDP_FLOW)

    @rule(index=INDEX)
    def fail_to_send(self, index: int) -> None:
        if self.own_requests:
            _, send_to = self.own_requests[index % len(self.own_requests)]
            self.observe(self.endpoint.send_failed(send_to.key, self.now))

    # What the application does.

    @rule(index=INDEX, command=st.sampled_from(COMMANDS))
    def command(self, index: int, command: str) -> None:
        if self.sessions:
            self.do(command, self.sessions[index % len(self.sessions)])

    @rule()
    def place_call(self) -> None:
        number, effects = self.endpoint.invite(
            uri="sip:x@198.51.100.7",
            from_="<sip:edge@203.0.113.10>",
            to="<sip:x@198.51.100.7>",
            hop=CALLER_HOP,
            sdp=OFFER,
            now=self.now,
        )
        self.sessions.append(number)
        self.announced.add(number)
        self.observe(effects)

    # Time.

    @rule(seconds=st.sampled_from([0.1, 0.5, 3.0, 31.0, 45.0, 200.0]))
    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.observe([effect for _, effect in run_timers(self.endpoint, self.now)])

    @rule(seconds=st.sampled_from([0.5, 3.0, 33.0]))
    def wake_late(self, seconds: float) -> None:
        self.now += seconds
        self.observe(self.endpoint.handle_timer(self.now))
        next_timeout = self.endpoint.next_timeout()
        assert next_timeout is None or next_timeout > self.now

    # What must hold.

    @invariant()
    def bounds_are_kept(self) -> None:
        own = len(self.own_requests)
        assert self.endpoint.transactions <= 60 + 15 + own
        assert self.endpoint.sessions <= 6 + own

    def teardown(self) -> None:
        for session in self.sessions:
            self.do("hang_up", session)
        self.observe([effect for _, effect in run_timers(self.endpoint, self.now + 1000.0)])
        for branch, times in self.admitted.items():
            answers = [found for key, found in self.finals.items() if key[1] == branch]
            assert len([found for found in answers if found <= CALLS_END]) == times, answers
        left = (self.endpoint.sessions, self.endpoint.transactions, self.endpoint.next_timeout())
        assert left == (0, 0, None)

    # How it is seen to.

    def receive(self, data: bytes, flow: Flow) -> None:
        self.received.append((data, flow))
        self.observe(self.endpoint.receive_datagram(data, flow, self.now))

    def do(self, command: str, session: int) -> None:
        endpoint, now = self.endpoint, self.now
        match command:
            case "ring":
                effects = endpoint.ring(session, now, offer=OFFER)
            case "answer":
                effects = endpoint.answer(session, ANSWER, now)
            case "reject":
                effects = endpoint.reject(session, 486, now)
                if effects:
                    self.announced.discard(session)  # It was refused: no end is told.
            case "accept_offer":
                effects = endpoint.accept_offer(session, ANSWER, now)
            case "reject_offer":
                effects = endpoint.reject_offer(session, 488, now)
            case "send_request":
                effects = endpoint.send_request(session, "INFO", now)
            case _:
                effects = endpoint.hang_up(session, now)
        self.observe(effects)

    def observe(self, effects: list[Effect]) -> None:
        for effect in effects:
            match effect:
                case Send():
                    self.observe_response(effect)
                case SendTo():
                    message = parse_message(effect.data)
                    assert isinstance(message, Request)
                    self.own_requests.append((message, effect))
                case InviteReceived(session=session, request=request):
                    assert session not in self.sessions
                    self.admitted[request.top_via.branch or ""] += 1
                    self.sessions.append(session)
                    self.announced.add(session)
                case SessionEnded(session=session) | Refused(session=session):
                    assert session in self.announced
                    self.ended[session] += 1
                    assert self.ended[session] == 1
                case (
                    Acknowledged(session=session)
                    | AnswerReceived(session=session)
                    | ProvisionalAcknowledged(session=session)
                    | OfferReceived(session=session)
                ):
                    assert self.ended[session] == 0
                case _:
                    pass

    def observe_response(self, send: Send) -> None:
        if send.data[8:12] in UNREADABLE:
            return  # Without a transaction; what could not be read is echoed as it was.
        message = parse_message(send.data)
        assert isinstance(message, Response)
        self.learn_tag(message)
        self.observe_reliability(message)
        is_late = message.status in FORGOTTEN
        if message.cseq.method == "INVITE" and message.status >= 200 and not is_late:
            key = (
                message.call_id,
                message.top_via.branch or "",
                str(message.cseq),
                message.to.tag or "",
            )
            self.finals[key].add(message.status)
            assert len(self.finals[key]) == 1, self.finals[key]

    def observe_reliability(self, message: Response) -> None:
        """RFC 3262: no 2xx to an INVITE before the PRACK of our offer in a 180."""
        match message.cseq.method, message.status:
            case "INVITE", 180 if "RSeq" in message.headers:
                self.rseq[message.call_id] = message.headers.get("RSeq") or ""
                if message.body:
                    self.offered_early.add(message.call_id)
            case "PRACK", 200:
                self.offered_early.discard(message.call_id)
            case "INVITE", 200:
                assert message.call_id not in self.offered_early
            case _:
                pass

    def learn_tag(self, message: Response) -> None:
        """A peer knows its dialog from the first response with a tag."""
        for caller in self.callers:
            if caller.call_id == message.call_id and caller.to_tag == "not-known-yet":
                caller.to_tag = message.to.tag or caller.to_tag
