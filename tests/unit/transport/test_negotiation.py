"""The caller's leg and what callers may add: keys in INFO, 100rel, session timers, Reason."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support.leg_world import OFFER, VIDEO_ONLY, LegWorld
from support.messages import response_bytes
from support.virtual_time import run

from sip_edge.routing.outcome import EndedBy

RELIABLE = [("Require", "100rel")]
TIMED = [("Supported", "timer"), ("Session-Expires", "600")]


def _story(tell: Callable[[LegWorld], None], **world: object) -> LegWorld:
    """Run `tell` on a call that has just come in."""

    async def main() -> LegWorld:
        made = LegWorld(**world)  # type: ignore[arg-type]
        tell(made)
        await asyncio.sleep(0)
        made.user_agent.close()
        made.leg.close()
        return made

    return run(main())


def _answered(world: LegWorld) -> None:
    assert world.leg.prepare() is None
    world.leg.answer()
    world.arrive(world.caller.ack())


def _press(world: LegWorld, content_type: str, body: bytes) -> None:
    world.arrive(world.caller.request("INFO", content_type=content_type, body=body))


def test_keys_in_info_reach_the_agent_like_any_other() -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        _press(world, "application/dtmf-relay", b"Signal=5\r\nDuration=160\r\n")
        _press(world, "application/dtmf", b"#")
        _press(world, "application/dtmf-relay", b"Duration=160\r\n")

    world = _story(tell)

    assert [entry for entry in world.rtp.log if "key" in entry] == ["key 5", "key #"]
    assert world.responses() == [100, 200, 200, 200, 200]


def test_info_before_there_is_any_sound_is_answered_and_forgotten() -> None:
    world = _story(lambda world: _press(world, "application/dtmf", b"5"))

    assert world.responses() == [100, 200]


def test_caller_that_requires_100rel_and_offers_nothing_gets_our_offer_with_the_180() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.ring()
        [ringing] = [m for _, m in world.udp.sent if m.body]
        assert b"m=audio 20000 RTP/AVP 0 8" in ringing.body
        rack = f"{ringing.headers.get('RSeq')} 1 INVITE"
        world.arrive(world.caller.request("PRACK", headers=[("RAck", rack)], body=OFFER))
        world.leg.answer()
        world.arrive(world.caller.ack(cseq=1))

    world = _story(tell, body=b"", headers=RELIABLE)

    assert world.responses() == [100, 180, 200, 200]
    assert world.last_response().body == b""
    assert world.rtp.log[:3] == ["configure 198.51.100.7:30000", "start held", "release"]


def test_answer_that_waits_for_the_prack_sounds_from_then_on() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.ring()
        world.leg.answer()
        assert world.responses() == [100, 180]
        assert world.rtp.log == []
        world.arrive(world.caller.request("PRACK", headers=[("RAck", "2 1 INVITE")], body=OFFER))

    world = _story(tell, body=b"", headers=RELIABLE)

    assert world.responses() == [100, 180, 200, 200]
    assert world.rtp.log[:2] == ["configure 198.51.100.7:30000", "start held"]


@pytest.mark.parametrize("is_answered", [False, True])
@pytest.mark.parametrize("body", [b"", VIDEO_ONLY])
def test_prack_without_a_usable_answer_ends_the_call(is_answered: bool, body: bytes) -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.ring()
        if is_answered:
            world.leg.answer()
        world.arrive(world.caller.request("PRACK", headers=[("RAck", "2 1 INVITE")], body=body))
        if is_answered:
            world.arrive(world.caller.ack(cseq=1))

    world = _story(tell, body=b"", headers=RELIABLE)

    assert world.responses()[-1] == (200 if is_answered else 480)
    assert [request.method for request in world.requests()] == (["BYE"] if is_answered else [])
    assert world.ended == [world.leg]
    assert world.leg.ended_by is EndedBy.EDGE


def test_180_that_is_never_acknowledged_ends_the_call() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.ring()
        world.pass_time(32.1)

    world = _story(tell, headers=RELIABLE)

    assert world.responses()[-1] == 504
    assert (world.leg.ended_by, world.ended) == (EndedBy.NO_ACK, [world.leg])


def test_version_counts_on_when_our_description_is_another_and_only_then() -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        for body in (OFFER, OFFER + b"a=sendonly\r\n", OFFER + b"a=sendonly\r\n", VIDEO_ONLY, b""):
            world.arrive(world.caller.request("INVITE", body=body))
            world.arrive(world.caller.ack(body=b"" if body else OFFER))

    world = _story(tell)

    bodies = [m.body for _, m in world.udp.sent if m.body]
    assert [body.split(b" ")[2] for body in bodies] == [b"7", b"7", b"8", b"8", b"9"]
    assert bodies[0] == bodies[1]
    assert b"a=recvonly" in bodies[2]


def _refreshed(world: LegWorld, answer: bytes) -> None:
    _answered(world)
    world.pass_time(300.0)
    invite = world.requests()[-1]
    first = next(m.body for _, m in world.udp.sent if m.body)
    assert (invite.method, invite.body) == ("INVITE", first)
    world.arrive(response_bytes(invite, 200, body=answer))


def test_refresh_offers_what_is_in_force_and_an_unchanged_answer_changes_nothing() -> None:
    world = _story(lambda world: _refreshed(world, OFFER), headers=TIMED)

    assert world.requests()[-1].method == "ACK"
    assert world.rtp.log == ["configure 198.51.100.7:30000", "start held", "release", "close"]


def test_peer_that_has_moved_says_so_in_its_answer_to_a_refresh() -> None:
    moved = OFFER.replace(b"c=IN IP4 198.51.100.7", b"c=IN IP4 198.51.100.99")
    world = _story(lambda world: _refreshed(world, moved), headers=TIMED)

    assert world.rtp.log[-2] == "configure 198.51.100.99:30000"


def test_answer_to_a_refresh_that_cannot_be_read_changes_nothing() -> None:
    world = _story(lambda world: _refreshed(world, b"what?"), headers=TIMED)

    assert world.rtp.log[-2:] == ["release", "close"]
    assert world.ended == []


def test_session_that_nobody_refreshes_ends() -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        world.pass_time(600.0)

    headers = [("Supported", "timer"), ("Session-Expires", "600;refresher=uac")]
    world = _story(tell, headers=headers)

    assert world.requests()[-1].method == "BYE"
    assert (world.leg.ended_by, world.ended) == (EndedBy.TRANSPORT, [world.leg])


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ('Q.850;cause=16;text="Normal call clearing"', "Q.850;cause=16"),
        ('SIP ;cause=487 , Q.850 ; text="a;b, c" ;cause=31', "SIP;cause=487, Q.850;cause=31"),
        ("Q.850", "Q.850"),
        ("Q.850;cause=many", None),
        ('"', None),
        ("x" * 40, None),
        ("", None),
    ],
)
def test_reason_of_the_peers_bye_is_kept_as_protocol_and_cause(
    value: str, kept: str | None
) -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        world.arrive(world.caller.request("BYE", headers=[("Reason", value)]))

    assert _story(tell).leg.peer_reason == kept
