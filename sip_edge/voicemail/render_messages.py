"""What the edge and its render worker say to each other over a socket.

A frame is two lengths (32 bits each, big-endian), a JSON object, and sound. The worker answers each
request with one reply, in order, and begins with a reply to request 0 when it is there.
"""

from __future__ import annotations

import struct
from typing import Final, Literal

import msgspec

LENGTHS: Final = struct.Struct(">II")
MAX_HEADER_BYTES: Final = 256 * 1024
"""A text of 2,000 characters, escaped, and its chunks are below 100 KiB."""
MAX_SOUND_BYTES: Final = 4 << 20
"""Eight minutes; a chunk of text is 30 s."""

READY: Final = 0
"""The id of the worker's first reply."""


class FrameError(ValueError):
    """The other side does not keep to the protocol."""


class Request(msgspec.Struct, frozen=True):
    """What the worker shall do: load an engine (`warm`), make chunks of a text (`plan`), or `speak`
    one chunk.
    """

    id: int
    kind: Literal["warm", "plan", "speak"]
    text: str = ""
    language: str = ""
    provider: str = ""
    voice: str = ""


class Reply(msgspec.Struct, frozen=True):
    """The sound of a chunk stands behind it. `problem` says in words why there is none."""

    id: int
    fault: Literal["", "bad_sound", "engine_error"] = ""
    problem: str = ""
    chunks: tuple[str, ...] = ()
    is_cut: bool = False


_encoder: Final = msgspec.json.Encoder()
_requests: Final = msgspec.json.Decoder(Request)
_replies: Final = msgspec.json.Decoder(Reply)


def encode(message: Request | Reply, sound: bytes = b"") -> bytes:
    """A whole frame."""
    header = _encoder.encode(message)
    return LENGTHS.pack(len(header), len(sound)) + header + sound


def decode_lengths(data: bytes) -> tuple[int, int]:
    """The sizes of header and sound. Raises FrameError if either is absurd."""
    header, sound = LENGTHS.unpack(data)
    if header > MAX_HEADER_BYTES or sound > MAX_SOUND_BYTES:
        raise FrameError(f"a frame of {header} and {sound} bytes")
    return header, sound


def decode_request(header: bytes) -> Request:
    """Raises FrameError."""
    try:
        return _requests.decode(header)
    except msgspec.MsgspecError as error:
        raise FrameError(str(error)) from error


def decode_reply(header: bytes) -> Reply:
    """Raises FrameError."""
    try:
        return _replies.decode(header)
    except msgspec.MsgspecError as error:
        raise FrameError(str(error)) from error
