"""A caller and the voicemail, from the greeting to the row. Virtual time, no speech engine."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from support.virtual_time import run
from support.voicemail import CALL_ID, FACTS, SPEECH, Caller
from support.voicemail_world import GREETING, TEXT, is_heard_in_order, world_in

from sip_edge.media.audio import ULAW_SILENCE
from sip_edge.media.tones import beep
from sip_edge.routing.plan import VoicemailMessage
from sip_edge.routing.timeline import Stage
from sip_edge.voicemail.packaged import packaged_message
from sip_edge.voicemail.results import GreetingSource, MessageResult


def test_caller_hears_greeting_and_beep_and_is_recorded(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = await world.call_until_the_beep()
            await world.caller.says(3.0)
            await task

            ((result, seconds),) = await world.results()
            assert result is MessageResult.SAVED
            assert 3.9 <= seconds <= 4.1
            assert is_heard_in_order(world.caller.audio.heard, GREETING, beep())
            assert SPEECH * 149 in world.sound()
            assert world.sound().endswith(SPEECH + ULAW_SILENCE * 50)
            assert world.observer.greetings == [(GreetingSource.TEXT, 0.0)]
            assert world.service.recordings == 0

    run(check())


def test_row_says_whose_message_it_is(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = await world.call_until_the_beep()
            await world.caller.says(2.0)
            world.caller.audio.press("#")
            await task
            await world.results()

            (row,) = world.store.rows.values()
            assert row.call_id == CALL_ID
            assert row.phone_number == "+12025550100"
            assert row.caller_number == "+12025550123"
            assert row.agent_id == "66666666-6666-4666-8666-666666666666"
            assert row.received_at == datetime(2025, 11, 21, 15, 30, tzinfo=UTC)
            assert row.path == f"2025-11-21/{row.id}.wav"
            assert row.size == 58 + row.seconds * 8000

    run(check())


def test_caller_who_hangs_up_in_the_message_has_left_it(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = await world.call_until_the_beep()
            await world.caller.says(2.0)
            task.cancel()
            await asyncio.wait([task])

            assert task.cancelled()
            ((result, seconds),) = await world.results()
            assert result is MessageResult.SAVED
            assert 1.9 <= seconds <= 2.1
            assert world.caller.audio.listener is None

    run(check())


def test_caller_who_hangs_up_in_the_greeting_has_left_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = world.call()
            await world.caller.hears(GREETING)
            task.cancel()
            await asyncio.wait([task])

            assert await world.results() == [(MessageResult.HUNG_UP_IN_GREETING, 0.0)]
            assert world.files() == []
            assert world.caller.audio.listener is None

    run(check())


def test_caller_who_hangs_up_at_the_beep_has_left_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = world.call()
            await world.caller.hears(beep())
            task.cancel()

            assert await world.results() == [(MessageResult.HUNG_UP_IN_GREETING, 0.0)]

    run(check())


def test_message_shorter_than_a_second_is_dropped_and_counted(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = await world.call_until_the_beep()
            await world.caller.says(0.5)
            task.cancel()

            assert await world.results() == [(MessageResult.TOO_SHORT, 0.0)]
            assert world.files() == []
            assert world.store.rows == {}

    run(check())


def test_caller_who_says_nothing_is_released_after_the_silence(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = await world.call_until_the_beep()
            async with asyncio.timeout(5.1):
                await task

            assert await world.results() == [(MessageResult.SILENT, 0.0)]
            assert world.files() == []

    run(check())


def test_pound_key_ends_the_message(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = await world.call_until_the_beep()
            await world.caller.says(2.0)
            world.caller.audio.press("#")
            async with asyncio.timeout(0.1):
                await task

            assert (await world.results())[0][0] is MessageResult.SAVED

    run(check())


def test_pound_key_in_the_greeting_leads_to_the_beep(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = world.call()
            await world.caller.hears(GREETING)
            world.caller.audio.press("#")
            await world.caller.hears_the_end_of(beep())
            await world.caller.says(2.0)
            await task

            assert len([frame for frame in world.caller.audio.heard if frame in GREETING]) < 10
            assert (await world.results())[0][0] is MessageResult.SAVED

    run(check())


def test_pound_key_at_the_beep_changes_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = world.call()
            await world.caller.hears(beep())
            world.caller.audio.press("#")
            await world.caller.hears_the_end_of(beep())
            await world.caller.says(2.0)
            await task

            assert is_heard_in_order(world.caller.audio.heard, GREETING, beep())
            assert (await world.results())[0][0] is MessageResult.SAVED

    run(check())


def test_impatient_caller_does_not_hear_the_greeting_that_was_waited_for(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            # Nothing renders it: the caller waits for a second and a half.
            task = world.call(VoicemailMessage("A new text.", "en"))
            await asyncio.sleep(0.5)
            world.caller.audio.press("#")
            await world.caller.hears_the_end_of(beep())

            assert is_heard_in_order(world.caller.audio.heard, beep())
            task.cancel()

    run(check())


def test_longest_message_ends_at_its_limit(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, max_seconds=3.0) as world:
            task = await world.call_until_the_beep()
            await world.caller.says(5.0)
            assert task.done()

            assert await world.results() == [(MessageResult.SAVED, 3.0)]

    run(check())


def test_call_whose_sound_has_ended_is_not_waited_for_for_ever(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, max_seconds=30.0) as world:
            task = await world.call_until_the_beep()
            await world.caller.says(2.0)
            world.caller.hang_up()  # No frame comes any more, and nobody is told.
            async with asyncio.timeout(36.0):
                await task

            ((result, seconds),) = await world.results()
            assert result is MessageResult.SAVED
            assert 1.9 <= seconds <= 2.1

    run(check())


def test_greeting_that_is_not_ready_is_replaced_after_a_second_and_a_half(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            task = world.call(VoicemailMessage("A new text.", "en"))
            await world.caller.hears_the_end_of(beep())
            task.cancel()

            heard = world.caller.audio.heard
            began_after = next(index for index, frame in enumerate(heard) if frame != ULAW_SILENCE)
            assert packaged_message("en") in b"".join(heard)
            # 75 frames are a second and a half, and the packaged message begins softly.
            assert 74 <= began_after <= 85
            assert world.observer.greetings == [(GreetingSource.NOT_READY, 1.5)]
            assert world.timeline.since_invite(Stage.VOICEMAIL_START) == pytest.approx(1.5)

    run(check())


def test_database_that_is_away_costs_no_message(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.store.answer = "unavailable"
            task = await world.call_until_the_beep()
            await world.caller.says(2.0)
            task.cancel()

            ((result, _),) = await world.results()
            assert result is MessageResult.DATABASE_UNAVAILABLE
            names = sorted(path.suffix for path in world.files())
            assert names == [".json", ".wav"]
            assert world.mailbox.undelivered == 1

    run(check())


def test_row_that_is_refused_is_an_error_and_the_file_is_kept(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.store.answer = "refused"
            task = await world.call_until_the_beep()
            await world.caller.says(2.0)
            task.cancel()

            assert (await world.results())[0][0] is MessageResult.ROW_REFUSED
            assert sorted(path.suffix for path in world.files()) == [".refused", ".wav"]

    run(check())


def test_folder_that_cannot_be_used_spares_the_caller_nothing_of_the_greeting(
    tmp_path: Path,
) -> None:
    folder = tmp_path / "voicemail"
    folder.write_text("a file is in the way")

    async def check() -> None:
        async with world_in(folder) as world:
            with capture_logs() as lines:
                task = await world.call_until_the_beep()
                await world.caller.says(2.0)
                task.cancel()
                results = await world.results()

            assert results == [(MessageResult.UNWRITABLE, 0.0)]
            (line,) = [line for line in lines if line["event"] == "voicemail"]
            assert line["log_level"] == "error"
            assert line["result"] == "unwritable"
            assert "Not a directory" in line["problem"]

    run(check())


def test_too_many_recordings_at_once_are_refused_after_the_beep(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, max_recordings=1) as world:
            first = await world.call_until_the_beep()
            second = Caller()
            await world.service.take_message(FACTS, world.timeline, second.audio, TEXT)
            second.hang_up()

            assert world.observer.messages == [(MessageResult.TOO_MANY, 0.0)]
            assert is_heard_in_order(second.audio.heard, GREETING, beep())
            first.cancel()

    run(check())


def test_one_line_says_what_became_of_a_message(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            with capture_logs() as lines:
                task = await world.call_until_the_beep()
                await world.caller.says(2.0)
                world.caller.audio.press("#")
                await task
                await world.results()

            (row,) = world.store.rows.values()
            assert lines == [
                {
                    "event": "voicemail",
                    "log_level": "info",
                    "call_id": CALL_ID,
                    "called_number": "+12025550100",
                    "caller_number": "+12025550123",
                    "result": "saved",
                    "greeting": "text",
                    "ended_by": "key",
                    "seconds": row.seconds,
                    "bytes": row.size,
                    "path": row.path,
                }
            ]

    run(check())


def test_server_that_ends_waits_for_what_is_being_written(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            await world.service.wait_written(1.0)
            task = await world.call_until_the_beep()
            await world.caller.says(2.0)
            task.cancel()
            await asyncio.wait([task])

            await world.service.wait_written(1.0)

            assert world.service.recordings == 0
            assert len(world.observer.messages) == 1

    run(check())


def test_texts_of_the_table_are_wanted(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            rendering = asyncio.create_task(world.service.greetings.run())
            world.service.want(VoicemailMessage("A text of the table.", "en"))
            await asyncio.sleep(1)

            assert world.speaker.spoken == ["A text of the table."]
            rendering.cancel()

    run(check())
