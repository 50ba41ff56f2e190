"""The route table against a scripted source: every race and outage, without a database or a clock.

`settle` lets everything run that can; time moves only where a test sleeps.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.route_rows import AGENT_A, agent_row, number_row
from support.scripted_routes import RouteLog, ScriptedSource
from support.virtual_time import run

from sip_edge.routing.ports import RoutesUnavailableError
from sip_edge.storage.routes import STANDARD_SETTINGS, LookupAnswer, RouteTable, TableState

NUMBER = "+12025550101"
OTHER = "+12025550102"


class World:
    def __init__(self) -> None:
        self.source = ScriptedSource()
        self.log = RouteLog()
        self.table = RouteTable(
            source=self.source,
            observer=self.log,
            clock=asyncio.get_running_loop().time,
            settings=STANDARD_SETTINGS,
        )

    async def message(self) -> str | None:
        """The number's voicemail message, as a call would find it now."""
        route = await self.table.lookup(NUMBER)
        return None if route is None else route.number.voicemail_message


async def settle() -> None:
    for _ in range(50):
        await asyncio.sleep(0)


@asynccontextmanager
async def live_world() -> AsyncIterator[World]:
    """A table that has loaded one agent and NUMBER with the message "v0"."""
    world = World()
    world.source.commit_agent(agent_row(AGENT_A))
    world.source.commit_number(number_row(NUMBER, message="v0", row_hash=10))
    running = asyncio.create_task(world.table.run())
    await settle()
    assert world.table.state is TableState.LIVE
    try:
        yield world
    finally:
        running.cancel()
        await asyncio.wait({running})


def commit(world: World, message: str, row_hash: int) -> None:
    world.source.commit_number(number_row(NUMBER, message=message, row_hash=row_hash))


def test_known_number_is_answered_from_memory_without_a_query() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.asked.clear()

            route = await world.table.lookup(NUMBER)

            assert route is not None
            assert route.primary is not None
            assert not route.is_stale
            assert world.source.asked == []
            assert world.log.answers == [LookupAnswer.HIT]

    run(scenario())


def test_unknown_number_in_a_live_table_is_certainly_unknown() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.asked.clear()

            assert await world.table.lookup(OTHER) is None

            assert world.source.asked == []
            assert world.log.answers == [LookupAnswer.MISS]

    run(scenario())


def test_listening_begins_before_the_rows_are_read() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            assert world.source.asked[:2] == ["listen", "snapshot"]

    run(scenario())


def test_change_is_fetched_and_nothing_else() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.asked.clear()

            commit(world, "v1", 11)
            await settle()

            assert await world.message() == "v1"
            assert world.source.asked == ["numbers"]

    run(scenario())


def test_removed_rows_are_forgotten() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.remove_agent(AGENT_A)
            await settle()
            route = await world.table.lookup(NUMBER)
            assert route is not None
            assert route.primary is None

            world.source.remove_number(NUMBER)
            await settle()
            assert await world.table.lookup(NUMBER) is None

    run(scenario())


def test_state_read_before_a_change_never_replaces_it() -> None:
    """The stale-fill race: the SELECT is in flight while the row changes again."""

    async def scenario() -> None:
        async with live_world() as world:
            world.source.hold("numbers")
            commit(world, "v1", 11)
            await settle()
            commit(world, "v2", 12)
            await settle()

            # The answer to the first SELECT arrives, the second SELECT waits.
            world.source.release("numbers")
            world.source.hold("numbers")
            await settle()
            assert await world.message() == "v0"

            world.source.release("numbers")
            await settle()
            assert await world.message() == "v2"

    run(scenario())


def test_agent_read_before_its_removal_does_not_come_back() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.hold("agents")
            world.source.commit_agent(agent_row(AGENT_A, name="new", row_hash=2))
            await settle()
            world.source.remove_agent(AGENT_A)
            await settle()
            world.source.release("agents")
            await settle()

            route = await world.table.lookup(NUMBER)
            assert route is not None
            assert route.primary is None

    run(scenario())


def test_change_during_a_snapshot_is_not_lost() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.hold("snapshot")
            world.source.notify("phone_numbers:*")
            await settle()
            commit(world, "v1", 11)
            world.source.commit_number(number_row(OTHER))
            await settle()

            world.source.release("snapshot")
            await settle()

            assert await world.message() == "v1"
            assert await world.table.lookup(OTHER) is not None

    run(scenario())


def test_rows_that_a_snapshot_does_not_hold_are_forgotten() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.hold("snapshot")
            world.source.notify("phone_numbers:*")
            await settle()
            world.source.release("snapshot")
            world.source.commit_number(number_row(OTHER), is_told=False)
            world.source.notify("agents:*")
            await settle()
            assert world.table.entries == 2

    run(scenario())


def test_while_everything_is_read_again_calls_ask_postgresql() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.hold("snapshot")
            world.source.commit_number(number_row(NUMBER, message="v1", row_hash=11), is_told=False)
            world.source.notify("phone_numbers:*")
            await settle()

            assert await world.message() == "v1"
            assert world.log.answers == [LookupAnswer.ASKED_HIT]
            assert await world.table.lookup(OTHER) is None
            assert world.log.answers[1:] == [LookupAnswer.ASKED_MISS]

    run(scenario())


def test_while_everything_is_read_again_and_postgresql_is_silent_memory_answers() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.is_hanging = True
            world.source.notify("phone_numbers:*")
            await settle()

            route = await world.table.lookup(NUMBER)

            assert route is not None
            assert route.is_stale

    run(scenario())


def test_lost_connection_makes_the_table_stale_at_once() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.is_down = True
            world.source.lose_connection()

            assert world.table.state is TableState.STALE
            assert world.table.reason == "the connection to PostgreSQL was lost"

    run(scenario())


def test_table_that_is_ended_at_the_moment_of_a_loss_ends() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.lose_connection()

    run(scenario())


def test_stale_table_knows_what_it_knew_and_cannot_tell_the_rest() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.is_down = True
            world.source.lose_connection()
            await settle()

            route = await world.table.lookup(NUMBER)
            assert route is not None
            assert route.is_stale
            with pytest.raises(RoutesUnavailableError, match="connection refused"):
                await world.table.lookup(OTHER)
            assert world.log.answers == [LookupAnswer.STALE_HIT, LookupAnswer.UNAVAILABLE]

    run(scenario())


def test_stale_table_asks_about_an_unknown_number_within_half_a_second() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.is_hanging = True
            world.source.lose_connection()
            await settle()
            asked_at = asyncio.get_running_loop().time()

            with pytest.raises(RoutesUnavailableError):
                await world.table.lookup(OTHER)

            assert asyncio.get_running_loop().time() - asked_at == pytest.approx(0.5)

    run(scenario())


def test_stale_table_believes_postgresql_about_a_number_it_does_not_know() -> None:
    async def scenario() -> None:
        async with live_world() as world:
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

    run(scenario())


def test_table_is_live_again_when_the_server_is_back_and_knows_what_it_missed() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.is_down = True
            world.source.lose_connection()
            commit(world, "v1", 11)
            await asyncio.sleep(60)
            assert world.table.state is TableState.STALE

            world.source.is_down = False
            await asyncio.sleep(10)

            assert world.table.state is TableState.LIVE
            assert await world.message() == "v1"
            assert [state for state, _ in world.log.states] == [
                TableState.LIVE,
                TableState.STALE,
                TableState.LIVE,
            ]

    run(scenario())


def test_pauses_between_attempts_grow_to_a_bound() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.is_down = True
            world.source.lose_connection()
            await asyncio.sleep(5)
            early = world.source.asked.count("listen")
            await asyncio.sleep(600)
            later = world.source.asked.count("listen") - early

            # 0.1, 0.2, 0.4, ... 5 seconds, each half as long to half as long again.
            assert 5 <= early <= 8
            assert 600 / 7.5 <= later <= 600 / 2.5

    run(scenario())


def test_server_that_hangs_is_noticed_by_the_heartbeat() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.is_hanging = True
            await asyncio.sleep(6.9)
            assert world.table.state is TableState.LIVE

            await asyncio.sleep(0.2)

            assert world.table.state is TableState.STALE
            assert world.table.reason == "PostgreSQL does not answer in time"

    run(scenario())


def test_connection_lost_while_a_change_is_fetched_leaves_the_table_stale() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.hold("numbers")
            commit(world, "v1", 11)
            await settle()
            world.source.hold("listen")
            world.source.lose_connection()
            world.source.release("numbers")
            await settle()

            assert world.table.state is TableState.STALE
            assert [state for state, _ in world.log.states][1:] == [TableState.STALE]

    run(scenario())


def test_change_that_no_notification_told_is_found_by_the_digest() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.commit_number(number_row(NUMBER, message="v1", row_hash=11), is_told=False)
            await asyncio.sleep(59)
            assert await world.message() == "v0"

            await asyncio.sleep(2)

            assert await world.message() == "v1"
            assert world.log.drifts == 1

    run(scenario())


def test_equal_digest_causes_no_reload() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            await asyncio.sleep(590)

            assert world.source.asked.count("digest") == 9
            assert world.log.loads == [1]
            assert world.log.drifts == 0

    run(scenario())


def test_digest_that_a_change_overtook_is_computed_again_soon() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.hold("digest")
            await asyncio.sleep(60.5)
            commit(world, "v1", 11)
            await settle()
            world.source.release("digest")
            await asyncio.sleep(2.5)

            assert world.source.asked.count("digest") == 2
            assert world.log.drifts == 0

    run(scenario())


def test_table_that_cannot_load_says_why_and_loads_later() -> None:
    async def scenario() -> None:
        world = World()
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


def test_age_grows_while_the_table_is_stale_only() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            await asyncio.sleep(100)
            assert world.table.age_seconds is not None
            assert world.table.age_seconds <= 5.0

            world.source.is_down = True
            world.source.lose_connection()
            await asyncio.sleep(100)
            assert 100 <= world.table.age_seconds <= 105

    run(scenario())


def test_bad_row_is_reported_once_and_does_not_stop_the_others() -> None:
    async def scenario() -> None:
        async with live_world() as world:
            world.source.commit_agent(agent_row(AGENT_A, worker_url="ftp://x", row_hash=2))
            commit(world, "v1", 11)
            await settle()
            world.source.notify("agents:*")
            await settle()

            assert [problem.key for problem in world.log.problems] == [AGENT_A]
            assert await world.message() == "v1"

    run(scenario())


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
