"""Rows of messages in PostgreSQL."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import UUID

import asyncpg
import msgspec
import pytest
from support.voicemail import CALL_ID, MESSAGE_ID, message

from sip_edge.storage.pool import create_pool
from sip_edge.storage.voicemails import StoredVoicemail, VoicemailStore
from sip_edge.voicemail.message import Message

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]


def at(minute: int, *, number: str = "+12025550100") -> Message:
    """A message of that minute."""
    return msgspec.structs.replace(
        message(UUID(int=minute), seconds=2.5, size=20058),
        received_at=datetime(2025, 11, 21, 15, minute, tzinfo=UTC),
        phone_number=number,
    )


async def test_row_holds_the_message(every_database_dsn: str) -> None:
    async with create_pool(every_database_dsn) as pool:
        store = VoicemailStore(pool)

        assert await store.insert(message(seconds=2.5, size=20058)) == "stored"

        assert await store.find(str(MESSAGE_ID)) == StoredVoicemail(
            id=str(MESSAGE_ID),
            call_id=CALL_ID,
            phone_number="+12025550100",
            caller_number="+12025550123",
            agent_id=None,
            received_at=datetime(2025, 11, 21, 15, 30, tzinfo=UTC),
            seconds=2.5,
            size=20058,
            path=f"2025-11-21/{MESSAGE_ID}.wav",
        )


async def test_writing_a_row_twice_changes_nothing(database_dsn: str) -> None:
    async with create_pool(database_dsn) as pool:
        store = VoicemailStore(pool)
        await store.insert(message(seconds=2.5))

        assert await store.insert(message(seconds=99.0)) == "stored"

        (row,) = await store.newest(limit=10)
        assert row.seconds == 2.5


async def test_caller_may_be_unknown_and_an_agent_known(database_dsn: str) -> None:
    async with create_pool(database_dsn) as pool:
        store = VoicemailStore(pool)
        anonymous = msgspec.structs.replace(
            message(), caller_number=None, agent_id="11111111-1111-4111-8111-111111111111"
        )

        assert await store.insert(anonymous) == "stored"

        row = await store.find(str(MESSAGE_ID))
        assert row is not None
        assert row.caller_number is None
        assert row.agent_id == "11111111-1111-4111-8111-111111111111"


async def test_messages_are_listed_newest_first(database_dsn: str) -> None:
    async with create_pool(database_dsn) as pool:
        store = VoicemailStore(pool)
        for minute in (2, 1, 3):
            await store.insert(at(minute))
        await store.insert(at(4, number="+12025550199"))

        newest = await store.newest(limit=2)
        of_one_number = await store.newest(limit=10, phone_number="+12025550100")

        assert [row.received_at.minute for row in newest] == [4, 3]
        assert [row.received_at.minute for row in of_one_number] == [3, 2, 1]
        assert newest[0].received_at.utcoffset() == timedelta(0)


@pytest.mark.parametrize("message_id", ["", "not a uuid", "00000000-0000-4000-8000-000000000000"])
async def test_message_that_does_not_exist_is_not_found(database_dsn: str, message_id: str) -> None:
    async with create_pool(database_dsn) as pool:
        assert await VoicemailStore(pool).find(message_id) is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"call_id": "not a uuid"},
        {"agent_id": "not a uuid"},
        {"path": "a\0b"},
        {"phone_number": "\ud800"},
        {"size": 1 << 70},
    ],
)
async def test_row_that_can_never_be_written_is_refused(
    database_dsn: str, wrong: dict[str, object]
) -> None:
    async with create_pool(database_dsn) as pool:
        store = VoicemailStore(pool)

        assert await store.insert(msgspec.structs.replace(message(), **wrong)) == "refused"


async def test_database_that_is_away_is_an_answer() -> None:
    async with create_pool("postgresql://nobody@127.0.0.1:1/nothing") as pool:
        assert await VoicemailStore(pool).insert(message()) == "unavailable"


async def test_table_that_is_missing_is_as_good_as_away(empty_database_dsn: str) -> None:
    async with create_pool(empty_database_dsn) as pool:
        assert await VoicemailStore(pool).insert(message()) == "unavailable"


async def test_a_pool_that_is_closed_is_as_good_as_away(database_dsn: str) -> None:
    pool: asyncpg.Pool = create_pool(database_dsn)
    async with pool:
        pass

    assert await VoicemailStore(pool).insert(message()) == "unavailable"
