"""`/v1/voicemails`: messages that callers have left, and their sound."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Query
from fastapi.responses import Response, StreamingResponse
from pydantic import BaseModel

from sip_edge.api.control.byte_range import ByteRange, RangeError, parse_range
from sip_edge.api.control.errors import documented, error_response
from sip_edge.api.control.fields import Instant, QueryNumber
from sip_edge.api.control.ids import VoicemailId
from sip_edge.api.control.paging import PageQuery, encode_cursor
from sip_edge.api.control.services import Caller, UseCases
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.ports import AudioFile
from sip_edge.provisioning.values import VoicemailFilter, VoicemailRecord

SLICE_BYTES: Final = 65_536
"""Eight seconds of speech are read and sent at a time."""

router = APIRouter(prefix="/v1/voicemails", tags=["calls"])

_AUDIO: Final[dict[str, Any]] = {
    "content": {"audio/wav": {"schema": {"type": "string", "format": "binary"}}}
}


class VoicemailResponse(BaseModel):
    """A message. `audio_url` is a path of this API."""

    id: str
    call_id: str
    phone_number: str
    caller_number: str | None
    agent_id: str | None
    received_at: datetime
    seconds: float
    bytes: int
    audio_url: str


class VoicemailPage(BaseModel):
    """A page of messages, newest first."""

    items: list[VoicemailResponse]
    next_cursor: str | None


@router.get("", responses=documented())
async def list_voicemails(
    page: PageQuery,
    caller: Caller,
    use_cases: UseCases,
    phone_number: Annotated[QueryNumber | None, Query(description="The number called.")] = None,
    caller_number: Annotated[QueryNumber | None, Query(description="Who called.")] = None,
    received_from: Annotated[Instant | None, Query(description="Not before this.")] = None,
    received_before: Annotated[Instant | None, Query(description="Before this.")] = None,
) -> VoicemailPage:
    """Messages, newest first."""
    which = VoicemailFilter(
        number=phone_number, caller=caller_number, since=received_from, until=received_before
    )
    found = await use_cases.records.voicemails(caller.workspace_id, page, which)
    return VoicemailPage(
        items=[_shown(each) for each in found.items], next_cursor=encode_cursor(found.next)
    )


@router.get("/{voicemail_id}", responses=documented(ErrorCode.NOT_FOUND))
async def get_voicemail(
    voicemail_id: VoicemailId, caller: Caller, use_cases: UseCases
) -> VoicemailResponse:
    """One message."""
    return _shown(await use_cases.records.voicemail(caller.workspace_id, voicemail_id))


@router.get(
    "/{voicemail_id}/audio",
    response_class=Response,
    responses={
        200: {"description": "The whole recording: WAV, 8000 Hz, µ-law", **_AUDIO},
        206: {"description": "The part that was asked for", **_AUDIO},
        **documented(
            ErrorCode.NOT_FOUND,
            ErrorCode.AUDIO_NOT_FOUND,
            ErrorCode.AUDIO_NOT_HERE,
            ErrorCode.RANGE_NOT_SATISFIABLE,
        ),
    },
)
async def get_voicemail_audio(
    voicemail_id: VoicemailId,
    caller: Caller,
    use_cases: UseCases,
    range: Annotated[
        str | None, Header(max_length=200, description="`bytes=0-1023`: one range (RFC 9110)")
    ] = None,
    if_range: Annotated[str | None, Header(max_length=200)] = None,
) -> Response:
    """The sound of a message. Where this process cannot reach the recordings it says so."""
    message = await use_cases.records.voicemail(caller.workspace_id, voicemail_id)
    file = await use_cases.audio.open(message.path)
    etag = f'"{message.id}-{file.size}"'
    headers = {
        "Accept-Ranges": "bytes",
        "ETag": etag,
        # What callers say is for nobody's cache but the client's own.
        "Cache-Control": "private, max-age=31536000, immutable",
    }
    asked = range if if_range in (None, etag) else None
    try:
        part = parse_range(asked, file.size)
    except RangeError:
        size = file.size
        await file.close()
        error = ProvisioningError(
            ErrorCode.RANGE_NOT_SATISFIABLE, f"The recording has {size} bytes."
        )
        return error_response(error, {"Content-Range": f"bytes */{size}"})
    whole = part is None
    part = part or ByteRange(0, file.size)
    headers["Content-Length"] = str(part.length)
    if not whole:
        headers["Content-Range"] = f"bytes {part.first}-{part.last}/{file.size}"
    return StreamingResponse(
        _sound(file, part), 200 if whole else 206, headers, media_type="audio/wav"
    )


async def _sound(file: AudioFile, part: ByteRange) -> AsyncIterator[bytes]:
    """The bytes of a part; fewer if the disk fails, which the client sees by the length."""
    position, left = part.first, part.length
    try:
        while left > 0 and (data := await file.read(position, min(left, SLICE_BYTES))):
            position, left = position + len(data), left - len(data)
            yield data
    finally:
        await file.close()


def _shown(message: VoicemailRecord) -> VoicemailResponse:
    return VoicemailResponse(
        id=str(message.id),
        call_id=str(message.call_id),
        phone_number=message.phone_number,
        caller_number=message.caller_number,
        agent_id=None if message.agent_id is None else str(message.agent_id),
        received_at=message.received_at,
        seconds=message.seconds,
        bytes=message.size,
        audio_url=f"/v1/voicemails/{message.id}/audio",
    )
