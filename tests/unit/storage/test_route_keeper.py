"""How the memory is kept equal to PostgreSQL: every race and every outage, without either."""

from __future__ import annotations

import asyncio

from support.route_rows import AGENT_A, agent_row, number_row
from support.route_world import NUMBER, OTHER, RouteWorld, on_live_table, settle

from sip_edge.storage.routes import TableState


@on_live_table
async def test_listening_begins_before_the_rows_are_read(world: RouteWorld) -> None:
    assert world.source.asked[:2] == ["listen", "snapshot"]


@on_live_table
async def test_change_is_fetched_and_nothing_else(world: RouteWorld) -> None:
    world.source.asked.clear()

    world.commit("v1", 11)
    await settle()

    assert await world.message() == "v1"
    assert world.source.asked == ["numbers"]


@on_live_table
async def test_removed_rows_are_forgotten(world: RouteWorld) -> None:
    world.source.remove_agent(AGENT_A)
    await settle()
    route = await world.table.lookup(NUMBER)
    assert route is not None
    assert route.primary is None

    world.source.remove_number(NUMBER)
    await settle()
    assert await world.table.lookup(NUMBER) is None


@on_live_table
async def test_state_read_before_a_change_never_replaces_it(world: RouteWorld) -> None:
    """The stale-fill race: the SELECT is in flight while the row changes again."""

    world.source.hold("numbers")
    world.commit("v1", 11)
    await settle()
    world.commit("v2", 12)
    await settle()

    # The answer to the first SELECT arrives, the second SELECT waits.
    world.source.release("numbers")
    world.source.hold("numbers")
    await settle()
    assert await world.message() == "v0"

    world.source.release("numbers")
    await settle()
    assert await world.message() == "v2"


@on_live_table
async def test_agent_read_before_its_removal_does_not_come_back(world: RouteWorld) -> None:
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


@on_live_table
async def test_rows_that_come_back_while_their_absence_is_read_are_never_missing(
    world: RouteWorld,
) -> None:
    world.source.hold("agents")
    world.source.hold("numbers")
    world.source.remove_agent(AGENT_A)
    world.source.remove_number(NUMBER)
    await settle()
    world.source.commit_agent(agent_row(AGENT_A, name="new", row_hash=2))
    world.source.release("agents")
    await settle()
    world.commit("v1", 11)
    world.source.hold("agents")
    world.source.release("numbers")
    await settle()

    # Both absences have been read, both returns have not.
    route = await world.table.lookup(NUMBER)
    assert route is not None
    assert route.number.voicemail_message == "v0"
    assert route.primary is not None
    assert route.primary.name == "Front desk"

    world.source.release("agents")
    await settle()
    assert await world.message() == "v1"


@on_live_table
async def test_change_during_a_snapshot_is_not_lost(world: RouteWorld) -> None:
    world.source.hold("snapshot")
    world.source.notify("phone_numbers:*")
    await settle()
    world.commit("v1", 11)
    world.source.commit_number(number_row(OTHER))
    await settle()

    world.source.release("snapshot")
    await settle()

    assert await world.message() == "v1"
    assert await world.table.lookup(OTHER) is not None


@on_live_table
async def test_row_of_a_snapshot_that_has_changed_since_is_not_stored(world: RouteWorld) -> None:
    world.source.hold("snapshot")
    world.commit("v1", 11, is_told=False)
    world.source.commit_agent(agent_row(name="v1", row_hash=11), is_told=False)
    world.source.notify("phone_numbers:*")
    await settle()
    world.source.hold("agents")
    world.commit("v2", 12)
    world.source.commit_agent(agent_row(name="v2", row_hash=12))
    world.source.release("snapshot")
    await settle()

    route = await world.table.lookup(NUMBER)
    assert route is not None
    assert route.number.voicemail_message == "v0"
    assert route.primary is not None
    assert route.primary.name == "Front desk"


@on_live_table
async def test_rows_that_a_snapshot_does_not_hold_are_forgotten(world: RouteWorld) -> None:
    world.source.remove_number(NUMBER, is_told=False)
    world.source.remove_agent(AGENT_A, is_told=False)
    world.source.commit_number(number_row(OTHER), is_told=False)
    world.source.notify("agents:*")
    await settle()

    assert await world.table.lookup(NUMBER) is None
    route = await world.table.lookup(OTHER)
    assert route is not None
    assert route.primary is None
    assert world.table.entries == 1


@on_live_table
async def test_lost_connection_makes_the_table_stale_at_once(world: RouteWorld) -> None:
    world.source.is_down = True
    world.source.lose_connection()

    assert world.table.state is TableState.STALE
    assert world.table.reason == "the connection to PostgreSQL was lost"


@on_live_table
async def test_table_is_live_again_when_the_server_is_back_and_knows_what_it_missed(
    world: RouteWorld,
) -> None:
    world.source.is_down = True
    world.source.lose_connection()
    world.commit("v1", 11)
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


@on_live_table
async def test_pauses_between_attempts_grow_to_a_bound(world: RouteWorld) -> None:
    world.source.is_down = True
    world.source.lose_connection()
    await asyncio.sleep(5)
    early = world.source.asked.count("listen")
    await asyncio.sleep(600)
    later = world.source.asked.count("listen") - early

    # 0.1, 0.2, 0.4, ... 5 seconds, each half as long to half as long again.
    assert 5 <= early <= 8
    assert 600 / 7.5 <= later <= 600 / 2.5


@on_live_table
async def test_server_that_hangs_is_noticed_by_the_heartbeat(world: RouteWorld) -> None:
    world.source.is_hanging = True
    await asyncio.sleep(6.9)
    assert world.table.state is TableState.LIVE

    await asyncio.sleep(0.2)

    assert world.table.state is TableState.STALE
    assert world.table.reason == "PostgreSQL does not answer in time"


@on_live_table
async def test_connection_lost_while_a_change_is_fetched_leaves_the_table_stale(
    world: RouteWorld,
) -> None:
    world.source.hold("numbers")
    world.commit("v1", 11)
    await settle()
    world.source.hold("listen")
    world.source.lose_connection()
    world.source.release("numbers")
    await settle()

    assert world.table.state is TableState.STALE
    assert [state for state, _ in world.log.states][1:] == [TableState.STALE]


@on_live_table
async def test_change_that_no_notification_told_is_found_by_the_digest(world: RouteWorld) -> None:
    world.commit("v1", 11, is_told=False)
    await asyncio.sleep(59)
    assert await world.message() == "v0"

    await asyncio.sleep(2)

    assert await world.message() == "v1"
    assert world.log.drifts == 1


@on_live_table
async def test_equal_digest_causes_no_reload(world: RouteWorld) -> None:
    await asyncio.sleep(590)

    assert world.source.asked.count("digest") == 9
    assert world.log.loads == [1]
    assert world.log.drifts == 0


@on_live_table
async def test_digest_that_a_change_overtook_is_computed_again_soon(world: RouteWorld) -> None:
    world.source.hold("digest")
    await asyncio.sleep(60.5)
    world.commit("v1", 11)
    await settle()
    world.source.release("digest")
    await asyncio.sleep(2.5)

    assert world.source.asked.count("digest") == 2
    assert world.log.drifts == 0


@on_live_table
async def test_bad_row_is_reported_once_and_does_not_stop_the_others(world: RouteWorld) -> None:
    world.source.commit_agent(agent_row(AGENT_A, worker_url="ftp://x", row_hash=2))
    world.commit("v1", 11)
    await settle()
    world.source.notify("agents:*")
    await settle()

    assert [problem.key for problem in world.log.problems] == [AGENT_A]
    assert await world.message() == "v1"
