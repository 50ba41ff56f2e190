"""Messages and greetings as files for people: what `sip-edge voicemail` exports and renders."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from sip_edge.media.wav import WavError, read_wav, ulaw_wav
from sip_edge.tasks import spawn
from sip_edge.voicemail.limits import RenderLimits
from sip_edge.voicemail.renderer import RenderError
from sip_edge.voicemail.running import make_renderer
from sip_edge.voicemail.script import bounded, language_of
from sip_edge.voicemail.voices import installed_voice

if TYPE_CHECKING:
    from pathlib import Path

    from sip_edge.voicemail.renderer import Renderer
    from sip_edge.voicemail.voices import Voice


class VoicemailFileError(Exception):
    """A file cannot be made; the message is one line that says why."""


def export_message(directory: Path, stored_path: str, to: Path) -> float:
    """Copy a message as a WAV file that plays everywhere (16-bit PCM, 8000 Hz); its seconds.

    `stored_path` is the row's. Raises VoicemailFileError.
    """
    source = directory / stored_path
    if not source.resolve().is_relative_to(directory.resolve()):
        raise VoicemailFileError(f"the row names a file outside of {directory}: {stored_path}")
    try:
        sound = read_wav(source.read_bytes())
        to.write_bytes(ulaw_wav(sound))
    except WavError as error:
        raise VoicemailFileError(f"{source}: {error}") from error
    except OSError as error:
        raise VoicemailFileError(f"{error.filename or to}: {error.strerror}") from error
    return len(sound) / 8000


async def render_text(text: str, tag: str | None) -> bytes:
    """What a caller would hear for `text`, µ-law. Raises VoicemailFileError.

    `tag` is a language tag; None goes by the script of the text.
    """
    text = bounded(text)
    language = language_of(text, tag)
    voice = installed_voice(language)
    if voice is None:
        raise VoicemailFileError(
            f"nothing that is installed speaks {language!r}: callers would hear the packaged"
            " message (English needs the extra [tts], Japanese [tts-ja])"
        )
    limits = RenderLimits()
    renderer = make_renderer(asyncio.get_running_loop().time, limits)
    renderer.warm(voice)
    running = spawn(renderer.run(), name="render worker")
    try:
        async with asyncio.timeout(limits.start_seconds + limits.chunk_seconds):
            return await _render(renderer, text, voice)
    except TimeoutError:
        raise VoicemailFileError("the render worker does not get started") from None
    except RenderError as error:
        raise VoicemailFileError(f"{error.result.value}: {error.detail}") from error
    finally:
        running.cancel()
        await asyncio.wait({running})


async def _render(renderer: Renderer, text: str, voice: Voice) -> bytes:
    plan = await renderer.plan(text, voice.language)
    if not plan.chunks:
        raise VoicemailFileError("there is nothing in the text that can be spoken")
    return b"".join([await renderer.speak(chunk, voice) for chunk in plan.chunks])
