"""Rows for messages: at once, or when the database is back. Virtual time."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID

from support.virtual_time import run
from support.voicemail import (
    MESSAGE_ID,
    SPEECH,
    MemoryStore,
    RecordingObserver,
    inline,
    message,
)

from sip_edge.voicemail.mailbox import Mailbox
from sip_edge.voicemail.message import Message
from sip_edge.voicemail.spool import MessageFile, MessageSpool


class World:
    """A mailbox on a folder."""

    def __init__(self, folder: Path) -> None:
        self.spool = MessageSpool(folder, min_free_bytes=0)
        self.observer = RecordingObserver()
        self.mailbox = Mailbox(spool=self.spool, offload=inline, observer=self.observer)
        self.incoming = folder / "incoming"

    def record(self, message_id: UUID = MESSAGE_ID) -> MessageFile:
        """A message that is being spoken: two seconds so far."""
        file = self.spool.create(message(message_id))
        file.append(SPEECH * 100)
        return file

    def complete(self, message_id: UUID = MESSAGE_ID) -> Message:
        return self.record(message_id).finish()

    def waiting(self) -> list[str]:
        return sorted(path.name for path in self.incoming.iterdir())


@asynccontextmanager
async def world_in(folder: Path) -> AsyncIterator[World]:
    """A mailbox that has looked through its folder once."""
    world = World(folder)
    task = asyncio.create_task(world.mailbox.run())
    await asyncio.sleep(1)
    try:
        yield world
    finally:
        task.cancel()
        await asyncio.wait([task])
    if not task.cancelled():
        task.result()


def test_row_is_written_at_once_when_the_database_is_there(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            store = MemoryStore()
            world.mailbox.connect(store)
            await asyncio.sleep(1)
            whole = world.complete()

            assert await world.mailbox.deliver(whole) == "stored"

            assert store.rows == {MESSAGE_ID: whole}
            assert world.waiting() == []
            assert world.mailbox.undelivered == 0

    run(check())


def test_row_waits_on_disk_while_the_database_is_away(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            store = MemoryStore("unavailable")
            world.mailbox.connect(store)
            await asyncio.sleep(1)
            whole = world.complete()

            assert await world.mailbox.deliver(whole) == "unavailable"
            await asyncio.sleep(30)
            assert world.waiting() == [f"{MESSAGE_ID}.json"]
            assert world.mailbox.undelivered == 1

            store.answer = "stored"
            await asyncio.sleep(6)

            assert store.rows == {MESSAGE_ID: whole}
            assert world.waiting() == []
            assert world.mailbox.undelivered == 0

    run(check())


def test_database_that_is_away_is_asked_every_five_seconds_not_for_each_message(
    tmp_path: Path,
) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            store = MemoryStore("unavailable", seconds=1.0)
            world.mailbox.connect(store)
            for number in range(50):
                await world.mailbox.deliver(world.complete(UUID(int=number)))
            await asyncio.sleep(60)

            assert store.asked <= 12
            store.answer = "stored"
            await asyncio.sleep(60)
            assert len(store.rows) == 50
            assert world.mailbox.undelivered == 0

    run(check())


def test_messages_before_there_is_a_database_wait_for_it(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            whole = world.complete()
            assert await world.mailbox.deliver(whole) == "unavailable"
            await asyncio.sleep(1)

            store = MemoryStore()
            world.mailbox.connect(store)
            await asyncio.sleep(1)

            assert store.rows == {MESSAGE_ID: whole}

    run(check())


def test_what_an_earlier_process_left_is_delivered_at_start(tmp_path: Path) -> None:
    whole = World(tmp_path).complete()

    async def check() -> None:
        async with world_in(tmp_path) as world:
            store = MemoryStore()
            world.mailbox.connect(store)
            await asyncio.sleep(1)

            assert store.rows == {MESSAGE_ID: whole}

    run(check())


def test_what_another_process_leaves_later_is_found(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            store = MemoryStore()
            world.mailbox.connect(store)
            await asyncio.sleep(1)

            World(tmp_path).complete()
            await asyncio.sleep(301)

            assert list(store.rows) == [MESSAGE_ID]

    run(check())


def test_message_that_is_being_spoken_is_not_delivered(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            file = world.record()
            store = MemoryStore()
            world.mailbox.connect(store)
            await asyncio.sleep(400)

            assert store.rows == {}
            assert world.mailbox.undelivered == 0
            file.discard()

    run(check())


def test_row_that_is_refused_is_set_aside_and_blocks_nobody(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            store = MemoryStore("refused")
            world.mailbox.connect(store)
            await asyncio.sleep(1)

            assert await world.mailbox.deliver(world.complete()) == "refused"
            store.answer = "stored"
            other = UUID(int=1)
            assert await world.mailbox.deliver(world.complete(other)) == "stored"

            assert list(store.rows) == [other]
            assert world.waiting() == [f"{MESSAGE_ID}.refused"]
            assert world.observer.rows == ["refused", "stored"]

    run(check())


def test_refused_row_of_an_earlier_process_blocks_nobody(tmp_path: Path) -> None:
    World(tmp_path).complete()

    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.mailbox.connect(MemoryStore("refused"))
            await asyncio.sleep(1)

            assert world.waiting() == [f"{MESSAGE_ID}.refused"]
            assert world.mailbox.undelivered == 0

    run(check())


def test_spool_that_cannot_be_read_does_not_end_the_mailbox(tmp_path: Path) -> None:
    async def check() -> None:
        incoming = tmp_path / "incoming"
        incoming.write_text("a file is in the way")
        async with world_in(tmp_path) as world:
            store = MemoryStore()
            world.mailbox.connect(store)
            await asyncio.sleep(1)
            incoming.unlink()

            world.complete()
            await asyncio.sleep(301)

            assert list(store.rows) == [MESSAGE_ID]

    run(check())


def test_one_message_that_cannot_be_read_does_not_block_the_others(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            store = MemoryStore()
            (tmp_path / "incoming" / "0.wav.part").mkdir(parents=True)
            (tmp_path / "incoming" / "0.json").write_text("{}")
            world.complete()
            world.mailbox.connect(store)
            await asyncio.sleep(1)

            assert list(store.rows) == [MESSAGE_ID]

    run(check())


def test_store_that_does_not_answer_counts_as_away(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.mailbox.connect(MemoryStore(seconds=1000.0))

            assert await world.mailbox.deliver(world.complete()) == "unavailable"

    run(check())
