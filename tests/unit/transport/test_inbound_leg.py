"""The caller's leg: what the application asks of it, and what the caller gets."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support.leg_world import OFFER, VIDEO_ONLY, LegWorld
from support.virtual_time import run

from sip_edge.media.sdp import parse_sdp
from sip_edge.routing.outcome import EndedBy
from sip_edge.routing.refusal import Refusal
from sip_edge.routing.timeline import Stage
from sip_edge.sip.effects import Event


def _story(tell: Callable[[LegWorld], None], **world: object) -> LegWorld:
    """Run `tell` on a call that has just come in."""

    async def main() -> LegWorld:
        made = LegWorld(**world)  # type: ignore[arg-type]
        tell(made)
        await asyncio.sleep(0)
        made.user_agent.close()
        return made

    return run(main())


def _answered(world: LegWorld) -> None:
    assert world.leg.prepare() is None
    world.leg.answer()
    world.arrive(world.caller.ack())


def test_answer_offers_our_address_and_sends_silence_until_the_ack() -> None:
    def tell(world: LegWorld) -> None:
        assert world.leg.prepare() is None
        world.leg.answer()

    world = _story(tell)

    audio = parse_sdp(world.last_response().body).media[0]
    assert world.responses() == [100, 200]
    assert (audio.port, audio.formats[0]) == (20_000, "0")
    assert world.rtp.log == ["configure 198.51.100.7:30000", "start held"]
    assert world.leg.codec == "PCMU"


@pytest.mark.parametrize(
    ("offer", "encryption"),
    [
        (OFFER, "none"),
        (
            OFFER.replace(b"RTP/AVP", b"RTP/SAVP")
            + b"a=crypto:1 AES_CM_128_HMAC_SHA1_32"
            + b" inline:AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd\r\n",
            "sdes:AES_CM_128_HMAC_SHA1_32",
        ),
    ],
)
def test_answered_call_knows_how_its_sound_is_encrypted(offer: bytes, encryption: str) -> None:
    assert _story(_answered, body=offer).leg.encryption == encryption


def test_agents_words_are_released_by_the_ack() -> None:
    world = _story(_answered)

    assert world.rtp.log[-1] == "release"
    assert world.leg.timeline.at(Stage.ACK) == 50.0


def test_agents_words_are_released_after_half_a_second_without_an_ack() -> None:
    async def main() -> list[str]:
        world = LegWorld()
        world.leg.prepare()
        world.leg.answer()
        await asyncio.sleep(0.51)
        world.user_agent.close()
        return world.rtp.log

    assert run(main())[-1] == "release"


def test_ringing_is_sent_once_and_never_after_the_answer() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.ring()
        world.leg.ring()
        _answered(world)
        world.leg.ring()

    assert _story(tell).responses() == [100, 180, 200]


def test_refusal_carries_its_q850_reason_and_gives_the_ports_back() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        assert world.leg.reject(Refusal.AGENTS_OUT_OF_SERVICE) == 486
        assert world.leg.reject(Refusal.INTERNAL_ERROR) is None

    world = _story(tell)

    assert world.responses() == [100, 486]
    assert world.last_response().headers.get("Reason") == 'Q.850;cause=17;text="User busy"'
    assert world.rtp.log == ["close"]


def test_carriers_own_status_replaces_the_tables() -> None:
    world = _story(
        lambda world: world.leg.reject(Refusal.OUTBOUND_ONLY) and None,  # type: ignore[arg-type,return-value]
        responses={Refusal.OUTBOUND_ONLY: 404},
    )

    assert world.responses() == [100, 404]


def test_offer_without_sound_is_refused_with_488_and_a_warning() -> None:
    def tell(world: LegWorld) -> None:
        refusal = world.leg.prepare()
        assert refusal is Refusal.NO_CODEC
        world.leg.reject(refusal)

    world = _story(tell, body=VIDEO_ONLY)

    assert world.responses() == [100, 488]
    assert (world.last_response().headers.get("Warning") or "").startswith("304 203.0.113.10")


def test_body_without_a_session_description_is_no_delayed_offer() -> None:
    parts = b"--b\r\nContent-Type: application/isup\r\n\r\nxyz\r\n--b--\r\n"

    _story(
        lambda world: _assert(world.leg.prepare() is Refusal.NO_CODEC),
        body=parts,
        content_type="multipart/mixed;boundary=b",
    )


def test_call_is_refused_when_no_rtp_port_is_left() -> None:
    _story(lambda world: _assert(world.leg.prepare() is Refusal.NO_RTP_PORT), ports=0)


def test_delayed_offer_is_ours_and_its_answer_comes_with_the_ack() -> None:
    def tell(world: LegWorld) -> None:
        assert world.leg.prepare() is None
        world.leg.answer()
        assert world.rtp.log == []
        world.arrive(world.caller.ack(body=OFFER.replace(b" 0 8 101", b" 8")))

    world = _story(tell, body=b"")

    assert parse_sdp(world.last_response().body).media[0].formats[:2] == ("0", "8")
    assert world.rtp.log == ["configure 198.51.100.7:30000", "start"]


def test_delayed_offer_without_a_usable_answer_ends_in_bye() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.answer()
        world.arrive(world.caller.ack(body=VIDEO_ONLY))

    world = _story(tell, body=b"")

    assert [request.method for request in world.requests()] == ["BYE"]
    assert world.ended == [world.leg]


@pytest.mark.parametrize("answer", [b"", VIDEO_ONLY, b"no description"])
def test_call_outlives_a_delayed_offer_without_a_usable_answer(answer: bytes) -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        world.arrive(world.caller.request("INVITE"))
        world.arrive(world.caller.ack(body=answer))

    world = _story(tell)

    assert world.responses()[-1] == 200
    assert (world.requests(), world.ended) == ([], [])
    assert world.rtp.log[-1] == "configure 198.51.100.7:30000"


def test_reinvite_moves_the_sound_to_the_new_address() -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        moved = OFFER.replace(b"c=IN IP4 198.51.100.7", b"c=IN IP4 198.51.100.99")
        world.arrive(world.caller.request("INVITE", body=moved))

    world = _story(tell)

    assert world.responses()[-1] == 200
    assert world.rtp.log[-1] == "configure 198.51.100.99:30000"
    first, second = (m.body for _, m in world.udp.sent if m.body)
    assert b"o=- 7 7 " in first
    assert second == first


def test_reinvite_that_we_cannot_follow_is_refused_and_the_call_goes_on() -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        world.arrive(world.caller.request("INVITE", body=VIDEO_ONLY))

    world = _story(tell)

    assert world.responses()[-1] in (100, 488)
    assert 488 in world.responses()
    assert world.ended == []
    assert "close" not in world.rtp.log


def test_bye_from_the_caller_ends_the_leg_and_keeps_its_statistics() -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        world.arrive(world.caller.request("BYE"))

    world = _story(tell)

    assert world.leg.ended_by is EndedBy.CALLER
    assert world.ended == [world.leg]
    assert world.rtp.log[-1] == "close"
    assert world.leg.statistics == "statistics"


def test_cancel_ends_the_leg_and_nothing_more_can_be_answered() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.arrive(world.caller.cancel())
        assert world.leg.reject(Refusal.AGENTS_FAILED) is None

    world = _story(tell)

    assert world.responses() == [100, 200, 487]
    assert world.leg.ended_by is EndedBy.CALLER


def test_our_bye_says_why() -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        world.leg.hang_up(EndedBy.AGENT_LOST)
        world.leg.hang_up(EndedBy.AGENT)

    (bye,) = _story(tell).requests()

    assert bye.method == "BYE"
    assert bye.headers.get("Reason") == 'Q.850;cause=41;text="Agent lost"'


def test_hang_up_before_the_ack_waits_for_it() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.answer()
        world.leg.hang_up(EndedBy.AGENT)
        assert world.requests() == []
        world.arrive(world.caller.ack())

    assert [request.method for request in _story(tell).requests()] == ["BYE"]


def test_answer_that_is_never_acknowledged_ends_the_call_after_64_t1() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.answer()
        world.pass_time(32.1)

    world = _story(tell)

    assert world.leg.ended_by is EndedBy.NO_ACK
    assert [request.method for request in world.requests()] == ["BYE"]
    assert world.responses().count(200) == 11


def test_sound_that_stops_for_good_ends_the_call() -> None:
    def tell(world: LegWorld) -> None:
        _answered(world)
        world.leg.on_rtp_timeout()

    world = _story(tell)

    assert world.leg.ended_by is EndedBy.MEDIA_TIMEOUT
    assert world.ended == [world.leg]


def test_responses_and_events_are_counted_once_each() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.answer()
        world.pass_time(1.0)

    world = _story(tell)

    assert world.invites == 1
    assert world.statuses == [100, 200]
    assert world.events == [Event.RETRANSMISSION_SENT]


def test_nothing_is_opened_for_a_caller_who_has_cancelled() -> None:
    def tell(world: LegWorld) -> None:
        world.arrive(world.caller.cancel())
        world.leg.prepare()

    assert _story(tell).media.sessions == []


def test_late_ack_of_the_first_answer_is_not_taken_for_the_answer_to_a_later_offer() -> None:
    def tell(world: LegWorld) -> None:
        world.leg.prepare()
        world.leg.answer()
        late = world.caller.ack()
        world.arrive(world.caller.request("INVITE", body=b""))
        world.arrive(late)
        world.arrive(world.caller.ack(body=OFFER))

    world = _story(tell)

    assert world.requests() == []
    assert world.ended == []


def test_caller_on_hold_is_asked_now_and_then_whether_it_is_still_there() -> None:
    async def main() -> list[str]:
        world = LegWorld()
        _answered(world)
        world.arrive(world.caller.request("INVITE", body=OFFER + b"a=sendonly\r\n"))
        await asyncio.sleep(121.0)
        world.user_agent.close()
        world.leg.close()
        return [request.method for request in world.requests()]

    assert run(main()) == ["OPTIONS"]


def test_caller_who_resumes_is_not_asked_any_more() -> None:
    async def main() -> list[str]:
        world = LegWorld()
        _answered(world)
        world.arrive(world.caller.request("INVITE", body=OFFER + b"a=sendonly\r\n"))
        world.arrive(world.caller.ack())
        world.arrive(world.caller.request("INVITE", body=OFFER))
        await asyncio.sleep(300.0)
        world.user_agent.close()
        world.leg.close()
        return [request.method for request in world.requests()]

    assert run(main()) == []


def test_call_that_lasts_too_long_is_ended() -> None:
    async def main() -> LegWorld:
        world = LegWorld()
        _answered(world)
        await asyncio.sleep(14_401.0)
        world.user_agent.close()
        return world

    world = run(main())

    assert [request.method for request in world.requests()] == ["BYE"]
    assert world.ended == [world.leg]


def _assert(truth: bool) -> None:
    assert truth
