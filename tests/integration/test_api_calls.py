"""`/v1/calls`."""

from __future__ import annotations

import pytest
from support.control_rows import call_record
from support.control_world import ControlWorld, control_world

pytestmark = pytest.mark.asyncio


async def world_with_calls() -> ControlWorld:
    world = await control_world()
    world.records.call_rows = [
        (world.our_workspace, call_record(1)),
        (world.our_workspace, call_record(2, outcome="voicemail")),
        (world.our_workspace, call_record(3, phone_number="+12025550102")),
        (world.their_workspace, call_record(4)),
        (None, call_record(5)),
    ]
    return world


async def test_call_is_shown_with_its_story() -> None:
    world = await world_with_calls()

    call = (await world.call("GET", f"/v1/calls/{call_record(1).id}")).json()

    assert (call["phone_number"], call["outcome"]) == ("+12025550101", "agent")
    assert call["started_at"] == "2026-07-01T12:01:00Z"


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        ("", [3, 2, 1]),
        ("outcome=voicemail", [2]),
        ("outcome=unheard_of", []),
        ("phone_number=%2B12025550102", [3]),
        ("phone_number=+12025550102", [3]),
        ("caller_number=%2B12025550199", []),
        ("started_from=2026-07-01T12:02:00Z", [3, 2]),
        ("started_before=2026-07-01T14:02:00%2B02:00", [1]),
        ("started_from=2026-07-01T12:02:00&started_before=2026-07-01T12:03:00", [2]),
        ("limit=1", [3]),
    ],
)
async def test_calls_are_filtered(query: str, minutes: list[int]) -> None:
    world = await world_with_calls()

    page = (await world.call("GET", f"/v1/calls?{query}")).json()

    assert [int(call["started_at"][14:16]) for call in page["items"]] == minutes


@pytest.mark.parametrize(
    "query",
    ["phone_number=12", "started_from=x", "started_from=0001-01-01T00:00:00%2B14:00", "outcome=A!"],
)
async def test_filter_that_makes_no_sense_is_invalid(query: str) -> None:
    world = await world_with_calls()

    assert (await world.call("GET", f"/v1/calls?{query}")).status_code == 422


@pytest.mark.parametrize("number", [4, 5])
async def test_calls_of_others_and_of_nobody_do_not_exist(number: int) -> None:
    world = await world_with_calls()

    assert (await world.call("GET", f"/v1/calls/{call_record(number).id}")).status_code == 404
