"""Asking about single numbers: together, bounded, never answered by an older question."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.route_rows import AGENT_A, agent_row, number_row
from support.scripted_routes import ScriptedSource
from support.virtual_time import run

from sip_edge.routing.ports import RoutesUnavailableError
from sip_edge.storage.route_questions import MAX_WAITING_NUMBERS, Questions

NUMBER = "+12025550101"


@asynccontextmanager
async def served(source: ScriptedSource) -> AsyncIterator[Questions]:
    questions = Questions(source=source, timeout_seconds=0.5)
    serving = asyncio.create_task(questions.serve())
    try:
        yield questions
    finally:
        serving.cancel()
        await asyncio.wait({serving})


def test_answer_holds_the_number_and_its_agents() -> None:
    async def scenario() -> None:
        source = ScriptedSource()
        source.commit_agent(agent_row(AGENT_A))
        source.commit_number(number_row(NUMBER, agent=AGENT_A))
        async with served(source) as questions:
            route = await questions.ask(NUMBER)

        assert route is not None
        assert route.primary is not None
        assert route.primary.agent_id == AGENT_A
        assert not route.is_stale

    run(scenario())


def test_many_callers_are_answered_by_one_query() -> None:
    async def scenario() -> None:
        source = ScriptedSource()
        source.commit_number(number_row(NUMBER))
        async with served(source) as questions:
            numbers = [NUMBER, NUMBER, "+12025550102", "+12025550103"]
            routes = await asyncio.gather(*(questions.ask(number) for number in numbers))

        assert [route is not None for route in routes] == [True, True, False, False]
        assert source.asked.count("numbers") == 1

    run(scenario())


def test_question_does_not_join_a_query_that_is_under_way() -> None:
    async def scenario() -> None:
        source = ScriptedSource()
        async with served(source) as questions:
            source.hold("numbers")
            early = asyncio.create_task(questions.ask(NUMBER))
            await asyncio.sleep(0.1)
            source.commit_number(number_row(NUMBER))
            late = asyncio.create_task(questions.ask(NUMBER))
            await asyncio.sleep(0.1)
            source.release("numbers")

            assert await early is None
            assert await late is not None

    run(scenario())


def test_caller_who_leaves_takes_nothing_away_from_others() -> None:
    async def scenario() -> None:
        source = ScriptedSource()
        source.commit_number(number_row(NUMBER))
        async with served(source) as questions:
            source.hold("numbers")
            leaving = asyncio.create_task(questions.ask(NUMBER))
            staying = asyncio.create_task(questions.ask(NUMBER))
            await asyncio.sleep(0.1)
            leaving.cancel()
            await asyncio.sleep(0.1)
            source.release("numbers")

            assert await staying is not None

    run(scenario())


def test_server_that_is_down_makes_the_routes_unavailable() -> None:
    async def scenario() -> None:
        source = ScriptedSource()
        source.is_down = True
        async with served(source) as questions:
            with pytest.raises(RoutesUnavailableError, match="connection refused"):
                await questions.ask(NUMBER)

            source.is_down = False
            assert await questions.ask(NUMBER) is None

    run(scenario())


def test_server_that_hangs_makes_the_routes_unavailable_in_time() -> None:
    async def scenario() -> None:
        source = ScriptedSource()
        source.is_hanging = True
        async with served(source) as questions:
            started_at = asyncio.get_running_loop().time()
            with pytest.raises(RoutesUnavailableError, match="in time"):
                await questions.ask(NUMBER)
            assert asyncio.get_running_loop().time() - started_at == pytest.approx(0.5)

    run(scenario())


def test_nobody_who_serves_makes_the_routes_unavailable_in_time() -> None:
    async def scenario() -> None:
        questions = Questions(source=ScriptedSource(), timeout_seconds=0.5)
        with pytest.raises(RoutesUnavailableError, match="in time"):
            await questions.ask(NUMBER)

    run(scenario())


def test_flood_of_numbers_meets_a_bound() -> None:
    async def scenario() -> None:
        source = ScriptedSource()
        source.hold("numbers")
        async with served(source) as questions:
            numbers = [f"+1202{number:07}" for number in range(MAX_WAITING_NUMBERS + 1)]
            asking = [asyncio.create_task(questions.ask(number)) for number in numbers]
            results = await asyncio.gather(*asking, return_exceptions=True)

        refused = [result for result in results if "too many" in str(result)]
        assert len(refused) == 1

    run(scenario())
