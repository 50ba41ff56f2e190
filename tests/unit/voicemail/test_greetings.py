"""The greeting of a call: found, rendered in time, or replaced. Virtual time, no speech engine."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from support.greetings_world import PACKAGED, SECOND, world_in
from support.virtual_time import run
from support.voicemail import ENGLISH

from sip_edge.voicemail.greeting_cache import greeting_key
from sip_edge.voicemail.greetings import Greeting
from sip_edge.voicemail.limits import GreetingLimits
from sip_edge.voicemail.packaged import packaged_message
from sip_edge.voicemail.results import GreetingSource, RenderResult


def test_text_that_was_wanted_is_there_when_the_call_comes(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.want("Hello.")
            await asyncio.sleep(1)

            assert await world.call("Hello.") == Greeting(SECOND, GreetingSource.TEXT, 0.0)
            assert world.speaker.spoken == ["Hello."]
            assert world.observer.renderings == [RenderResult.RENDERED]

    run(check())


def test_rendered_text_is_on_disk_for_the_next_process(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.want("Hello.")
            await asyncio.sleep(1)
        async with world_in(tmp_path) as restarted:
            restarted.want("Hello.")
            await asyncio.sleep(1)
            greeting = await restarted.call("Hello.")

            assert (greeting.sound, greeting.source) == (SECOND, GreetingSource.TEXT)
            assert restarted.speaker.spoken == []
            # The voice is loaded all the same: the next text may be a new one.
            assert restarted.speaker.warmed == [ENGLISH]

    run(check())


def test_call_waits_for_its_text_while_it_is_rendered(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, chunk_seconds=0.5) as world:
            greeting = await world.call("One.|Two.")

            assert greeting.sound == SECOND * 2
            assert greeting.source is GreetingSource.TEXT
            assert greeting.waited_seconds == pytest.approx(1.0)

    run(check())


def test_call_hears_the_packaged_message_after_a_second_and_a_half(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, chunk_seconds=2.0) as world:
            greeting = await world.call("Hello.")

            assert greeting == Greeting(PACKAGED, GreetingSource.NOT_READY, 1.5)

    run(check())


def test_text_that_came_too_late_is_ready_for_the_next_call(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, chunk_seconds=2.0) as world:
            await world.call("Hello.")
            await asyncio.sleep(1)

            assert (await world.call("Hello.")).source is GreetingSource.TEXT
            assert world.speaker.spoken == ["Hello."]

    run(check())


def test_calls_for_the_same_text_wait_for_one_rendering(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, chunk_seconds=0.5) as world:
            greetings = await asyncio.gather(*(world.call("Hello.") for _ in range(5)))

            assert {greeting.source for greeting in greetings} == {GreetingSource.TEXT}
            assert world.speaker.spoken == ["Hello."]

    run(check())


def test_caller_who_hangs_up_while_waiting_takes_the_text_from_nobody(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, chunk_seconds=0.5) as world:
            leaving = asyncio.create_task(world.call("Hello."))
            staying = asyncio.create_task(world.call("Hello."))
            await asyncio.sleep(0.2)
            leaving.cancel()

            assert (await staying).source is GreetingSource.TEXT
            assert leaving.cancelled()

    run(check())


def test_text_of_a_call_goes_between_two_chunks_of_a_long_one(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, chunk_seconds=0.5) as world:
            world.want("a|b|c|d|e|f")
            await asyncio.sleep(0.7)
            await world.call("urgent")
            assert world.speaker.spoken == ["a", "b", "urgent"]

            await asyncio.sleep(5)
            assert world.speaker.spoken[3:] == ["c", "d", "e", "f"]

    run(check())


def test_text_that_is_being_read_becomes_urgent_when_its_call_comes(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, chunk_seconds=0.5) as world:
            world.want("a|b|c")
            world.want("later")
            world.want("a|b|c")
            await asyncio.sleep(0.7)

            greeting = await world.call("a|b|c")

            assert greeting.source is GreetingSource.TEXT
            assert world.speaker.spoken == ["a", "b", "c"]

    run(check())


def test_newest_text_is_rendered_first(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            for text in ("old", "older", "changed just now"):
                world.want(text)
            await asyncio.sleep(1)

            assert world.speaker.spoken == ["changed just now", "older", "old"]

    run(check())


def test_table_that_is_read_again_wants_nothing(tmp_path: Path) -> None:
    async def check() -> None:
        limits = GreetingLimits(max_wanted=2, max_settled=100)
        async with world_in(tmp_path, limits=limits) as world:
            texts = [f"text {number}" for number in range(10)]
            for _ in range(3):
                for text in texts:
                    world.want(text)
                    await asyncio.sleep(1)
            world.observer.renderings.clear()

            for text in texts:
                world.want(text)
            await asyncio.sleep(1)

            # Ten would be too many at once: eight would have been dropped.
            assert world.observer.renderings == []
            assert len(world.speaker.spoken) == 10

    run(check())


def test_only_so_many_texts_are_known_to_be_there(tmp_path: Path) -> None:
    async def check() -> None:
        limits = GreetingLimits(max_settled=1)
        async with world_in(tmp_path, limits=limits) as world:
            for _ in range(2):
                for text in ("one", "two"):
                    world.want(text)
                    await asyncio.sleep(1)

            # "one" was pushed out by "two", and is found to be there once more.
            assert world.speaker.spoken == ["one", "two"]
            assert (await world.call("one")).source is GreetingSource.TEXT

    run(check())


def test_table_changes_are_rendered_at_a_bounded_rate(tmp_path: Path) -> None:
    limits = GreetingLimits(background_per_minute=60, background_burst=3)

    async def check() -> None:
        async with world_in(tmp_path, chunk_seconds=0.01, limits=limits) as world:
            for number in range(100):
                world.want(f"text {number}")
            await asyncio.sleep(10.5)

            assert len(world.speaker.spoken) == 13

    run(check())


def test_a_million_texts_do_not_keep_a_call_waiting(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            for number in range(100_000):
                world.want(f"text {number}")
            greeting = await world.call("the text of this call")

            assert greeting.source is GreetingSource.TEXT
            assert greeting.waited_seconds <= 0.5
            dropped = world.observer.renderings.count(RenderResult.DROPPED)
            assert dropped == 100_000 - GreetingLimits().max_wanted

    run(check())


def test_of_too_many_texts_the_newest_are_rendered(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, limits=GreetingLimits(max_wanted=3)) as world:
            for number in range(10):
                world.want(str(number))
            await asyncio.sleep(60)

            assert world.speaker.spoken == ["9", "8", "7"]

    run(check())


def test_texts_of_calls_are_rendered_in_the_order_of_the_calls(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            await asyncio.gather(*(world.call(str(number)) for number in range(5)))

            assert world.speaker.spoken == ["0", "1", "2", "3", "4"]

    run(check())


def test_too_many_calls_for_new_texts_hear_the_packaged_message_at_once(tmp_path: Path) -> None:
    limits = GreetingLimits(max_urgent=2)

    async def check() -> None:
        async with world_in(tmp_path, limits=limits) as world:
            calls = await asyncio.gather(*(world.call(f"text {n}") for n in range(4)))

            assert [greeting.source for greeting in calls] == [
                GreetingSource.TEXT,
                GreetingSource.TEXT,
                GreetingSource.BUSY,
                GreetingSource.BUSY,
            ]
            assert calls[3].waited_seconds == 0.0

    run(check())


def test_language_that_nobody_speaks_gets_the_packaged_message(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.want("ただいま", None)
            japanese = await world.call("ただいま", None)
            french = await world.call("Bonjour", "fr")

            assert japanese == Greeting(packaged_message("ja"), GreetingSource.NO_VOICE, 0.0)
            assert french == Greeting(PACKAGED, GreetingSource.NO_VOICE, 0.0)
            assert world.speaker.planned == []

    run(check())


def test_text_that_fails_is_replaced_and_tried_again_later(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.speaker.failures = [RenderResult.BAD_SOUND]

            first = await world.call("Hello.")
            second = await world.call("Hello.")
            await asyncio.sleep(31)
            third = await world.call("Hello.")

            assert (first.sound, first.source) == (PACKAGED, GreetingSource.FAILED)
            assert second == Greeting(PACKAGED, GreetingSource.FAILED, 0.0)
            assert third.source is GreetingSource.TEXT
            assert world.speaker.spoken == ["Hello.", "Hello."]

    run(check())


def test_text_that_always_fails_is_given_up(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.speaker.failures = [RenderResult.TIMED_OUT] * 100
            world.want("Hello.")
            await asyncio.sleep(3000)

            assert world.speaker.spoken == ["Hello."] * 3
            assert world.observer.renderings == [
                RenderResult.TIMED_OUT,
                RenderResult.TIMED_OUT,
                RenderResult.TIMED_OUT,
                RenderResult.GIVEN_UP,
            ]
            world.want("Hello.")
            assert (await world.call("Hello.")).source is GreetingSource.FAILED
            assert world.speaker.spoken == ["Hello."] * 3

    run(check())


def test_failures_before_a_success_are_forgotten(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path, limits=GreetingLimits(max_attempts=2)) as world:
            world.speaker.failures = [RenderResult.TIMED_OUT]
            await world.call("Hello.")
            await asyncio.sleep(60)
            assert (await world.call("Hello.")).source is GreetingSource.TEXT
            world.forget_everything()

            world.speaker.failures = [RenderResult.TIMED_OUT]
            await world.call("Hello.")

            # One failure again, not the second one of two.
            assert world.observer.renderings[-1] is RenderResult.TIMED_OUT

    run(check())


def test_text_without_words_fails_like_any_other(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            assert (await world.call("|")).source is GreetingSource.FAILED
            assert world.observer.renderings == [RenderResult.BAD_SOUND]

    run(check())


def test_text_that_is_too_long_is_counted_and_read_as_far_as_it_goes(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.speaker.is_cut = True

            assert (await world.call("x" * 5000)).source is GreetingSource.TEXT
            assert world.observer.renderings == [RenderResult.CUT, RenderResult.RENDERED]
            # One character more than is read, so that the cut is seen.
            assert world.speaker.planned == ["x" * 2001]

    run(check())


def test_greeting_ends_when_nobody_listens_any_more(tmp_path: Path) -> None:
    async def check() -> None:
        limits = GreetingLimits(max_sound_seconds=3.0)
        async with world_in(tmp_path, limits=limits) as world:
            assert (await world.call("a|b|c|d|e")).sound == SECOND * 3

    run(check())


def test_folder_that_cannot_be_written_costs_no_caller_the_greeting(tmp_path: Path) -> None:
    folder = tmp_path / "greetings"
    folder.write_text("a file is in the way")

    async def check() -> None:
        async with world_in(folder) as world:
            world.want("Hello.")
            await asyncio.sleep(1)
            greetings = [await world.call("Hello."), await world.call("Hello.")]

            assert [greeting.source for greeting in greetings] == [GreetingSource.TEXT] * 2
            assert world.speaker.spoken == ["Hello."]

    run(check())


def test_greeting_is_found_on_disk_when_memory_has_forgotten_it(tmp_path: Path) -> None:
    async def check() -> None:
        async with world_in(tmp_path) as world:
            world.cache.write(greeting_key("Hello.", ENGLISH), SECOND)

            assert (await world.call("Hello.")).sound == SECOND
            (tmp_path / f"{greeting_key('Hello.', ENGLISH)}.ulaw").unlink()
            assert (await world.call("Hello.")).sound == SECOND
            assert world.speaker.spoken == []

    run(check())
