"""A route table on a scripted source, in virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from support.route_rows import AGENT_A, agent_row, number_row
from support.scripted_routes import RouteLog, ScriptedSource
from support.virtual_time import run

from sip_edge.storage.routes import STANDARD_SETTINGS, RouteTable, TableState

NUMBER = "+12025550101"
OTHER = "+12025550102"


class RouteWorld:
    """The table, what it reads, and what it told its observer."""

    def __init__(self) -> None:
        self.source = ScriptedSource()
        self.log = RouteLog()
        self.table = RouteTable(
            source=self.source,
            observer=self.log,
            clock=asyncio.get_running_loop().time,
            settings=STANDARD_SETTINGS,
        )

    def commit(self, message: str, row_hash: int, *, is_told: bool = True) -> None:
        """Change NUMBER's voicemail message."""
        row = number_row(NUMBER, message=message, row_hash=row_hash)
        self.source.commit_number(row, is_told=is_told)

    async def message(self) -> str | None:
        """NUMBER's voicemail message, as a call would find it now."""
        route = await self.table.lookup(NUMBER)
        return None if route is None else route.number.voicemail_message

    async def agent_name(self) -> str | None:
        """The name of NUMBER's primary agent, as a call would find it now."""
        route = await self.table.lookup(NUMBER)
        return None if route is None or route.primary is None else route.primary.name


async def settle() -> None:
    """Let everything run that can; no time passes."""
    for _ in range(50):
        await asyncio.sleep(0)


async def _with_live_table(scenario: Callable[[RouteWorld], Awaitable[None]]) -> None:
    world = RouteWorld()
    world.source.commit_agent(agent_row(AGENT_A))
    world.source.commit_number(number_row(NUMBER, message="v0", row_hash=10))
    running = asyncio.create_task(world.table.run())
    await settle()
    assert world.table.state is TableState.LIVE
    try:
        await scenario(world)
    finally:
        running.cancel()
        await asyncio.wait({running})


def on_live_table(scenario: Callable[[RouteWorld], Awaitable[None]]) -> Callable[[], None]:
    """A test of a table that has loaded one agent and NUMBER with the message "v0".

    Time is virtual: it moves only while everything waits.
    """

    def test() -> None:
        run(_with_live_table(scenario))

    # Not functools.wraps: pytest would see the scenario's parameter and look for a fixture.
    test.__name__ = scenario.__name__  # type: ignore[attr-defined]
    test.__qualname__ = scenario.__qualname__
    test.__module__ = scenario.__module__
    test.__doc__ = scenario.__doc__
    return test
