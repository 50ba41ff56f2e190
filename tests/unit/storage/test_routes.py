"""How calls are answered: from memory, or by asking PostgreSQL, or not at all."""

from __future__ import annotations

import asyncio

import pytest
from support.route_rows import number_row
from support.route_world import NUMBER, OTHER, RouteWorld, on_live_table, settle
from support.scripted_routes import RouteLog, ScriptedSource
from support.virtual_time import run

from sip_edge.routing.ports import RoutesUnavailableError
from sip_edge.storage.routes import STANDARD_SETTINGS, LookupAnswer, RouteTable, TableState


@on_live_table
async def test_known_number_is_answered_from_memory_without_a_query(world: RouteWorld) -> None:
    world.source.asked.clear()

    route = await world.table.lookup(NUMBER)

    assert route is not None
    assert route.primary is not None
    assert not route.is_stale
    assert world.source.asked == []
    assert world.log.answers == [LookupAnswer.HIT]


@on_live_table
async def test_unknown_number_in_a_live_table_is_certainly_unknown(world: RouteWorld) -> None:
    world.source.asked.clear()

    assert await world.table.lookup(OTHER) is None

    assert world.source.asked == []
    assert world.log.answers == [LookupAnswer.MISS]


@on_live_table
async def test_while_everything_is_read_again_calls_ask_postgresql(world: RouteWorld) -> None:
    world.source.hold("snapshot")
    world.commit("v1", 11, is_told=False)
    world.source.notify("phone_numbers:*")
    await settle()

    assert await world.message() == "v1"
    assert world.log.answers == [LookupAnswer.ASKED_HIT]
    assert await world.table.lookup(OTHER) is None
    assert world.log.answers[1:] == [LookupAnswer.ASKED_MISS]


@on_live_table
async def test_while_everything_is_read_again_and_postgresql_is_silent_memory_answers(
    world: RouteWorld,
) -> None:
    world.source.is_hanging = True
    world.source.notify("phone_numbers:*")
    await settle()

    route = await world.table.lookup(NUMBER)

    assert route is not None
    assert route.is_stale


@on_live_table
async def test_table_that_is_ended_at_the_moment_of_a_loss_ends(world: RouteWorld) -> None:
    world.source.lose_connection()


@on_live_table
async def test_stale_table_knows_what_it_knew_and_cannot_tell_the_rest(world: RouteWorld) -> None:
    world.source.is_down = True
    world.source.lose_connection()
    await settle()

    route = await world.table.lookup(NUMBER)
    assert route is not None
    assert route.is_stale
    with pytest.raises(RoutesUnavailableError, match="connection refused"):
        await world.table.lookup(OTHER)
    assert world.log.answers == [LookupAnswer.STALE_HIT, LookupAnswer.UNAVAILABLE]


@on_live_table
async def test_stale_table_asks_about_an_unknown_number_within_half_a_second(
    world: RouteWorld,
) -> None:
    world.source.is_hanging = True
    world.source.lose_connection()
    await settle()
    asked_at = asyncio.get_running_loop().time()

    with pytest.raises(RoutesUnavailableError):
        await world.table.lookup(OTHER)

    assert asyncio.get_running_loop().time() - asked_at == pytest.approx(0.5)


@on_live_table
async def test_stale_table_believes_postgresql_about_a_number_it_does_not_know(
    world: RouteWorld,
) -> None:
    world.source.hold("listen")
    world.source.lose_connection()
    world.source.commit_number(number_row(OTHER))
    await asyncio.sleep(1)

    route = await world.table.lookup(OTHER)

    assert world.table.state is TableState.STALE
    assert route is not None
    assert not route.is_stale
    assert route.primary is not None
    assert await world.table.lookup("+12025550199") is None


def test_table_that_cannot_load_says_why_and_loads_later() -> None:
    async def scenario() -> None:
        world = RouteWorld()
        world.source.is_down = True
        running = asyncio.create_task(world.table.run())
        await settle()
        assert world.table.state is TableState.STARTING
        assert world.table.reason == "connection refused"
        assert world.table.age_seconds is None
        with pytest.raises(RoutesUnavailableError):
            await world.table.lookup(NUMBER)

        world.source.is_down = False
        await world.table.wait_loaded()

        assert world.table.state is TableState.LIVE
        assert world.table.reason == ""
        running.cancel()
        await asyncio.wait({running})

    run(scenario())


@on_live_table
async def test_age_grows_while_the_table_is_stale_only(world: RouteWorld) -> None:
    await asyncio.sleep(100)
    assert world.table.age_seconds is not None
    assert world.table.age_seconds <= 5.0

    world.source.is_down = True
    world.source.lose_connection()
    await asyncio.sleep(100)
    assert 100 <= world.table.age_seconds <= 105


def test_defect_ends_the_table_loudly() -> None:
    class BrokenSource(ScriptedSource):
        async def digest(self) -> None:  # type: ignore[override]
            raise ZeroDivisionError

    async def scenario() -> None:
        table = RouteTable(
            source=BrokenSource(),
            observer=RouteLog(),
            clock=asyncio.get_running_loop().time,
            settings=STANDARD_SETTINGS,
        )
        with pytest.raises(BaseExceptionGroup) as caught:
            await table.run()
        assert caught.group_contains(ZeroDivisionError)

    run(scenario())
