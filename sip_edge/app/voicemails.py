"""Messages for people at a terminal: list, export, and hear what a caller would hear."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_edge.app.database import open_database
from sip_edge.app.errors import StartError
from sip_edge.storage.pool import DATABASE_ERRORS, create_pool, explain_failure
from sip_edge.storage.voicemails import VoicemailStore
from sip_edge.voicemail.files import VoicemailFileError, export_message, render_text

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sip_edge.config import Config
    from sip_edge.storage.voicemails import StoredVoicemail


async def list_voicemails(
    config: Config, *, limit: int, phone_number: str | None
) -> Sequence[StoredVoicemail]:
    """The last messages, newest first, of one number or of all. Raises StartError."""
    async with open_database(config.database) as dsn:
        try:
            async with create_pool(dsn) as pool:
                return await VoicemailStore(pool).newest(limit=limit, phone_number=phone_number)
        except DATABASE_ERRORS as error:
            raise StartError(explain_failure(dsn, error)) from error


async def export_voicemail(config: Config, message_id: str, to: Path) -> float:
    """Copy a message to a WAV file; its seconds. Raises StartError."""
    async with open_database(config.database) as dsn:
        try:
            async with create_pool(dsn) as pool:
                message = await VoicemailStore(pool).find(message_id)
        except DATABASE_ERRORS as error:
            raise StartError(explain_failure(dsn, error)) from error
    if message is None:
        raise StartError(f"there is no message {message_id}; `sip-edge voicemail list` has all ids")
    try:
        return await asyncio.to_thread(export_message, config.voicemail.directory, message.path, to)
    except VoicemailFileError as error:
        raise StartError(str(error)) from error


async def render_greeting(text: str, language: str | None) -> bytes:
    """What a caller would hear for a text, µ-law at 8000 Hz. Raises StartError."""
    try:
        return await render_text(text, language)
    except VoicemailFileError as error:
        raise StartError(str(error)) from error
