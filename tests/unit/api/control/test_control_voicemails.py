"""`/v1/voicemails`, and their sound."""

from __future__ import annotations

import pytest
from support.control_rows import voicemail_record
from support.control_world import ControlWorld, control_world

pytestmark = pytest.mark.asyncio

SOUND = bytes(range(256)) * 1_000
AUDIO = f"/v1/voicemails/{voicemail_record(1).id}/audio"


async def world_with_messages() -> ControlWorld:
    world = await control_world()
    world.records.voicemail_rows = [
        (world.our_workspace, voicemail_record(1)),
        (world.our_workspace, voicemail_record(2, phone_number="+12025550102")),
        (world.their_workspace, voicemail_record(3)),
    ]
    world.audio.files = {voicemail_record(1).path: SOUND, voicemail_record(3).path: SOUND}
    return world


async def test_message_says_where_its_sound_is_but_not_where_its_file_is() -> None:
    world = await world_with_messages()

    message = (await world.call("GET", f"/v1/voicemails/{voicemail_record(1).id}")).json()

    assert message["audio_url"] == AUDIO
    assert message["seconds"] == 2.5
    assert "path" not in message


@pytest.mark.parametrize(
    ("query", "minutes"),
    [
        ("", [2, 1]),
        ("phone_number=%2B12025550102", [2]),
        ("received_from=2026-07-01T12:02:00Z", [2]),
        ("received_before=2026-07-01T12:02:00Z", [1]),
    ],
)
async def test_messages_are_filtered(query: str, minutes: list[int]) -> None:
    world = await world_with_messages()

    page = (await world.call("GET", f"/v1/voicemails?{query}")).json()

    assert [int(each["received_at"][14:16]) for each in page["items"]] == minutes


async def test_sound_is_sent_whole() -> None:
    world = await world_with_messages()

    answer = await world.call("GET", AUDIO)

    assert (answer.status_code, answer.content) == (200, SOUND)
    assert answer.headers["Content-Type"] == "audio/wav"
    assert answer.headers["Content-Length"] == "256000"
    assert answer.headers["Accept-Ranges"] == "bytes"
    assert world.audio.open_files == 0


@pytest.mark.parametrize(
    ("asked", "first", "last"), [("bytes=0-99", 0, 99), ("bytes=-10", 255_990, 255_999)]
)
async def test_part_of_the_sound_is_sent(asked: str, first: int, last: int) -> None:
    world = await world_with_messages()

    answer = await world.call("GET", AUDIO, headers={"Range": asked})

    assert (answer.status_code, answer.content) == (206, SOUND[first : last + 1])
    assert answer.headers["Content-Range"] == f"bytes {first}-{last}/256000"


async def test_part_is_sent_only_of_the_sound_that_the_client_knows() -> None:
    world = await world_with_messages()
    etag = (await world.call("GET", AUDIO)).headers["ETag"]
    ranged = {"Range": "bytes=0-9"}

    same = await world.call("GET", AUDIO, headers={**ranged, "If-Range": etag})
    other = await world.call("GET", AUDIO, headers={**ranged, "If-Range": '"x"'})

    assert (same.status_code, other.status_code) == (206, 200)


async def test_part_behind_the_end_is_refused() -> None:
    world = await world_with_messages()

    answer = await world.call("GET", AUDIO, headers={"Range": "bytes=256000-"})

    assert answer.status_code == 416
    assert answer.headers["Content-Range"] == "bytes */256000"
    assert answer.json()["error"]["code"] == "RANGE_NOT_SATISFIABLE"
    assert world.audio.open_files == 0


async def test_server_that_cannot_reach_the_recordings_says_so() -> None:
    world = await world_with_messages()
    world.audio.is_here = False

    answer = await world.call("GET", AUDIO)

    assert (answer.status_code, answer.json()["error"]["code"]) == (501, "AUDIO_NOT_HERE")


async def test_recording_that_is_gone_is_not_found() -> None:
    world = await world_with_messages()
    world.audio.files = {}

    answer = await world.call("GET", AUDIO)

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "AUDIO_NOT_FOUND")


async def test_sound_of_another_workspace_does_not_exist() -> None:
    world = await world_with_messages()

    answer = await world.call("GET", f"/v1/voicemails/{voicemail_record(3).id}/audio")

    assert (answer.status_code, answer.json()["error"]["code"]) == (404, "NOT_FOUND")
