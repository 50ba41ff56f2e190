"""The books of who is on the line: one leg, one task and one report for each INVITE."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import replace
from ipaddress import ip_network
from typing import Any

import pytest
from support.leg_world import OFFER, MemoryMedia, MemoryUdp
from support.messages import Caller, make_endpoint
from support.virtual_time import run

from sip_edge.app.calls import Calls
from sip_edge.routing.inbound import InboundCallHandler
from sip_edge.routing.outcome import EndedBy, Outcome
from sip_edge.routing.ports import CallReport, InboundCall
from sip_edge.routing.refusal import Refusal
from sip_edge.sip.effects import Event, InviteReceived
from sip_edge.sip.message import Response
from sip_edge.transport.inbound_leg import InboundLeg
from sip_edge.transport.sources import Carrier, CarrierTable
from sip_edge.transport.user_agent import UserAgent

BEHIND_A_PROXY = "192.0.2.77"
CARRIER = Carrier("local", [ip_network("198.51.100.0/24")], None, "US", {})


class _Observer:
    def invite_received(self) -> None: ...

    def response_sent(self, status: int) -> None: ...

    def sip_event(self, event: Event) -> None: ...


class _Names:
    async def resolve(self, host: str, deadline: float) -> list[str]:
        return ["192.0.2.1"]


class World:
    """Calls between a real endpoint and a handler that answers and talks until it is cancelled."""

    def __init__(self, *, max_calls: int = 10, carrier: Carrier = CARRIER) -> None:
        self.carriers = CarrierTable([carrier])
        self.is_late = False
        self.ahead: list[int] = []
        self.loop = asyncio.get_running_loop()
        self.udp = MemoryUdp()
        self.media = MemoryMedia(100)
        self.answers: list[CallReport] = []
        self.reports: list[CallReport] = []
        self.levels: list[int] = []
        self.started: list[str] = []
        self.live = 0
        self.calls = Calls(
            loop=self.loop,
            carrier_of=lambda request, flow: self.carriers.carrier_of(flow.remote.host),
            source_of=lambda request, flow: BEHIND_A_PROXY,
            is_overloaded=lambda: self.is_late,
            media=self.media,  # type: ignore[arg-type]
            max_calls=max_calls,
            max_call_seconds=14_400.0,
            forward_headers=(),
            on_call_started=lambda facts, at: self.started.append(facts.call_id),
            on_call_answered=self.answers.append,
            on_call_ended=lambda report, statistics: self.reports.append(report),
            on_change=self.levels.append,
        )
        self.user_agent = UserAgent(
            loop=self.loop,
            clock=self.loop.time,
            endpoint=make_endpoint(),
            resolver=_Names(),
            observer=_Observer(),
            on_invite=self._on_invite,
        )
        self.user_agent.bind(udp=self.udp, streams=None)  # type: ignore[arg-type]

    def _on_invite(self, effect: InviteReceived, received_at: float) -> InboundLeg | None:
        handler: Any = self
        assert isinstance(handler, World)
        return self.calls.start(
            effect,
            received_at,
            user_agent=self.user_agent,
            handler=_as_handler(handler.handle_invite),
        )

    async def handle_invite(self, call: InboundCall) -> None:
        report = CallReport(call.facts, call.timeline, Outcome.FAILED)
        try:
            self.ahead.append(self.calls.calls_ahead(call))
            if refusal := self.calls.admission(call):
                report.refusal = refusal
                report.status = call.reject(refusal)
                report.outcome = Outcome.OVERLOADED
                return
            call.prepare()
            call.answer()
            report.outcome = Outcome.AGENT
            self.calls.call_answered(report)
            await asyncio.Event().wait()
        finally:
            report.ended_by = call.ended_by
            self.calls.call_ended(report)

    def arrive(self, caller: Caller, data: bytes) -> None:
        self.user_agent.receive_datagram(data, caller.flow)

    def statuses(self) -> list[int]:
        return [m.status for _, m in self.udp.sent if isinstance(m, Response)]


def _as_handler(serve: Callable[[InboundCall], Coroutine[Any, Any, None]]) -> InboundCallHandler:
    class Handler:
        handle_invite = staticmethod(serve)

    handler: Any = Handler()
    return handler  # type: ignore[no-any-return]


def _callers(count: int) -> list[Caller]:
    return [Caller(call_id=f"call-{index}") for index in range(count)]


def _invite(caller: Caller) -> bytes:
    return caller.invite(body=OFFER, branch=f"z9hG4bK-{caller.call_id}")


def test_answer_is_passed_on_before_the_call_ends() -> None:
    async def story() -> None:
        world = World()
        (caller,) = _callers(1)
        world.arrive(caller, _invite(caller))
        await asyncio.sleep(1)

        assert [report.outcome for report in world.answers] == [Outcome.AGENT]
        assert world.reports == []

    run(story())


def test_every_invite_gets_a_call_and_every_bye_ends_one() -> None:
    async def main() -> World:
        world = World()
        callers = _callers(3)
        for index, caller in enumerate(callers, start=1):
            caller.to_tag = f"edge-tag-{index}"
            world.arrive(caller, _invite(caller))
        await asyncio.sleep(0.1)
        assert len(world.calls) == 3
        for caller in callers:
            world.arrive(caller, caller.ack())
            world.arrive(caller, caller.request("BYE"))
        await asyncio.sleep(0.1)
        world.user_agent.close()
        return world

    world = run(main())

    assert len(world.calls) == 0
    assert [report.ended_by for report in world.reports] == [EndedBy.CALLER] * 3
    assert [report.encryption for report in world.reports] == ["none"] * 3
    # Sound is expected from where the INVITE came from, not from the proxy before us.
    assert world.media.peers == [("local", BEHIND_A_PROXY)] * 3
    assert sorted(world.started) == sorted(report.facts.call_id for report in world.reports)
    assert world.levels == [1, 2, 3, 2, 1, 0]


def test_repeated_invite_is_one_call() -> None:
    async def main() -> World:
        world = World()
        (caller,) = _callers(1)
        for _ in range(5):
            world.arrive(caller, _invite(caller))
        await asyncio.sleep(0.1)
        world.live = len(world.calls)
        world.user_agent.close()
        return world

    assert run(main()).live == 1


def test_newest_calls_lose_at_the_bound_and_the_others_notice_nothing() -> None:
    async def main() -> World:
        world = World(max_calls=2)
        for caller in _callers(4):
            world.arrive(caller, _invite(caller))
        await asyncio.sleep(0.1)
        world.live = len(world.calls)
        world.user_agent.close()
        return world

    world = run(main())

    assert world.live == 2
    assert sorted(world.statuses()) == [100, 100, 100, 100, 200, 200, 503, 503]
    assert [report.outcome for report in world.reports[:2]] == [Outcome.OVERLOADED] * 2


def test_late_process_takes_no_new_calls_and_keeps_those_it_has() -> None:
    async def main() -> World:
        world = World()
        first, second, third = _callers(3)
        world.arrive(first, _invite(first))
        await asyncio.sleep(0.1)
        world.is_late = True
        world.arrive(second, _invite(second))
        await asyncio.sleep(0.1)
        world.is_late = False
        world.arrive(third, _invite(third))
        await asyncio.sleep(0.1)
        world.live = len(world.calls)
        world.user_agent.close()
        return world

    world = run(main())

    assert world.live == 2
    assert [report.refusal for report in world.reports[:1]] == [Refusal.OVERLOADED]
    assert [status for status in world.statuses() if status > 100] == [200, 503, 200]


def test_process_is_full_with_its_last_call_and_not_for_those_that_it_refuses() -> None:
    async def main() -> list[bool]:
        world = World(max_calls=1)
        levels = [world.calls.is_full]
        first, second = _callers(2)
        world.arrive(first, _invite(first))
        levels.append(world.calls.is_full)
        world.arrive(second, _invite(second))
        await asyncio.sleep(0.1)
        first.to_tag = "edge-tag-1"
        world.arrive(first, first.ack())
        world.arrive(first, first.request("BYE"))
        await asyncio.sleep(0.1)
        levels.append(world.calls.is_full)
        world.user_agent.close()
        return levels

    assert run(main()) == [False, True, False]


def test_each_call_knows_how_many_to_its_number_came_before_it_and_go_on() -> None:
    async def main() -> World:
        world = World(max_calls=3)
        callers = _callers(5)
        for caller in callers[:4]:  # The fourth is refused, and counts for nobody.
            world.arrive(caller, _invite(caller))
        await asyncio.sleep(0.1)
        first = callers[0]
        first.to_tag = "edge-tag-1"
        world.arrive(first, first.ack())
        world.arrive(first, first.request("BYE"))
        await asyncio.sleep(0.1)
        world.arrive(callers[4], _invite(callers[4]))
        await asyncio.sleep(0.1)
        world.user_agent.close()
        return world

    assert run(main()).ahead == [0, 1, 2, 0, 2]


SECRET = "correct-horse-battery"
SECRETS = (b"the-one-to-come", SECRET.encode())


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ([("X-Edge-Secret", SECRET)], 200),
        ([("x-edge-secret", SECRET)], 200),
        ([("X-Edge-Secret", "the-one-to-come")], 200),
        ([("X-Edge-Secret", f"the-one-to-come,{SECRET}")], 403),
        ([("X-Edge-Secret", "correct-horse-batterz")], 403),
        ([("X-Edge-Secret", "")], 403),
        ([("X-Edge-Secret", "\N{LATIN SMALL LETTER E WITH ACUTE}" * 16)], 403),
        ([("X-Edge-Secret", SECRET), ("X-Edge-Secret", SECRET)], 403),
        ([], 403),
    ],
)
def test_invite_must_bring_its_carriers_secret_once(
    headers: list[tuple[str, str]], status: int
) -> None:
    carrier = replace(CARRIER, secret_header="X-Edge-Secret", secrets=SECRETS)

    async def main() -> World:
        world = World(carrier=carrier)
        (caller,) = _callers(1)
        world.arrive(caller, caller.invite(body=OFFER, headers=headers))
        await asyncio.sleep(0.1)
        world.user_agent.close()
        return world

    assert run(main()).statuses() == [100, status]
    assert "horse" not in repr(carrier)


def test_call_that_is_being_refused_takes_no_line_from_the_next() -> None:
    carrier = replace(CARRIER, secret_header="X-Edge-Secret", secrets=SECRETS)

    async def main() -> World:
        world = World(max_calls=1, carrier=carrier)
        refused, welcome = _callers(2)
        world.arrive(refused, _invite(refused))
        headers = [("X-Edge-Secret", SECRET)]
        data = welcome.invite(body=OFFER, branch="z9hG4bK-welcome", headers=headers)
        world.arrive(welcome, data)
        await asyncio.sleep(0.1)
        world.user_agent.close()
        return world

    assert sorted(run(main()).statuses()) == [100, 100, 200, 403]


def test_cancel_in_the_same_breath_as_the_invite_is_reported_like_any_other_call() -> None:
    async def main() -> World:
        world = World()
        (caller,) = _callers(1)
        world.arrive(caller, _invite(caller))
        world.arrive(caller, caller.cancel(branch="z9hG4bK-call-0"))
        await asyncio.sleep(0.1)
        world.user_agent.close()
        return world

    world = run(main())

    assert len(world.reports) == 1
    assert len(world.calls) == 0
    assert all(session.log[-1:] == ["close"] for session in world.media.sessions)


def test_drain_refuses_new_calls_and_lets_the_current_ones_finish() -> None:
    async def main() -> World:
        world = World()
        first, second = _callers(2)
        world.arrive(first, _invite(first))
        await asyncio.sleep(0.1)
        world.arrive(first, first.ack())
        drain = asyncio.create_task(world.calls.drain(60.0))
        await asyncio.sleep(0.1)
        world.arrive(second, _invite(second))
        await asyncio.sleep(10.0)
        assert not drain.done()
        world.arrive(first, first.request("BYE"))
        await drain
        world.user_agent.close()
        return world

    world = run(main())

    assert 503 in world.statuses()
    assert [report.ended_by for report in world.reports] == [None, EndedBy.CALLER]


def test_calls_that_outlast_the_drain_are_ended_with_bye() -> None:
    async def main() -> World:
        world = World()
        (caller,) = _callers(1)
        world.arrive(caller, _invite(caller))
        await asyncio.sleep(0.1)
        world.arrive(caller, caller.ack())
        await world.calls.drain(5.0)
        await asyncio.sleep(0.1)
        world.user_agent.close()
        return world

    world = run(main())

    assert [report.ended_by for report in world.reports] == [EndedBy.DRAIN]
    assert "BYE" in [getattr(message, "method", "") for _, message in world.udp.sent]


def test_caller_from_a_network_that_is_no_carriers_any_more_gets_503() -> None:
    async def main() -> World:
        world = World()
        (caller,) = _callers(1)
        caller.flow = type(caller.flow)(
            caller.flow.transport,
            caller.flow.local,
            type(caller.flow.remote)("192.0.2.66", 5060),
            0,
        )
        world.arrive(caller, _invite(caller))
        await asyncio.sleep(0.1)
        world.user_agent.close()
        return world

    world = run(main())

    assert world.statuses() == [100, 503]
    assert len(world.calls) == 0
