"""Frames between the edge and its render worker."""

from __future__ import annotations

import struct

import pytest

from sip_edge.voicemail.render_messages import (
    LENGTHS,
    FrameError,
    Reply,
    Request,
    decode_lengths,
    decode_reply,
    decode_request,
    encode,
)


def test_a_request_survives_the_pipe() -> None:
    request = Request(7, "speak", "Grüße", "en", "hibari", "heart")
    frame = encode(request)

    header, sound = decode_lengths(frame[: LENGTHS.size])

    assert (header, sound) == (len(frame) - 8, 0)
    assert decode_request(frame[8:]) == request


def test_a_reply_survives_with_its_sound() -> None:
    reply = Reply(7, chunks=("One.", "Two."), is_cut=True)
    frame = encode(reply, b"\xff" * 160)

    header, sound = decode_lengths(frame[: LENGTHS.size])

    assert decode_reply(frame[8 : 8 + header]) == reply
    assert frame[8 + header :] == b"\xff" * 160
    assert sound == 160


@pytest.mark.parametrize("lengths", [(1 << 20, 0), (10, 1 << 30), (0xFFFFFFFF, 0xFFFFFFFF)])
def test_absurd_sizes_are_refused(lengths: tuple[int, int]) -> None:
    with pytest.raises(FrameError):
        decode_lengths(struct.pack(">II", *lengths))


@pytest.mark.parametrize("header", [b"", b"{}", b"[]", b"\xff", b'{"id":"x","kind":"plan"}'])
def test_what_is_no_message_is_refused(header: bytes) -> None:
    with pytest.raises(FrameError):
        decode_request(header)
    with pytest.raises(FrameError):
        decode_reply(header)
