"""Find one part of a multipart body (RFC 2046 section 5.1, RFC 5621).

Telnyx may send multipart/mixed: an ISUP part beside the session description (RFC 3204). The cost
is linear in the body, which the SIP parser has bounded; nothing here raises.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

MAX_BOUNDARY_BYTES = 70
"""RFC 2046 section 5.1.1."""

_PLAIN_ENCODINGS = (b"binary", b"8bit", b"7bit")
"""The Content-Transfer-Encodings that leave a body as it is; SIP has no need of others."""


def find_part(content_type: str, body: bytes, wanted: bytes) -> bytes | None:
    """The content of the first part of type `wanted` (lower case), or None.

    `content_type` is the header's whole value. A part inside another multipart is not looked for.
    """
    boundary = _boundary(content_type)
    if boundary is None:
        return None
    for part in _parts(body, boundary):
        if (content := _content(part, wanted)) is not None:
            return content
    return None


def _boundary(content_type: str) -> bytes | None:
    """The boundary parameter, quoted or not; None if it is missing or against RFC 2046."""
    for parameter in _split_parameters(content_type)[1:]:
        name, _, value = parameter.partition("=")
        if name.strip(" \t").lower() == "boundary":
            boundary = value.strip(" \t").strip('"')
            is_usable = boundary.isascii() and 0 < len(boundary) <= MAX_BOUNDARY_BYTES
            return boundary.encode("ascii") if is_usable else None
    return None


def _split_parameters(value: str) -> list[str]:
    """Split at semicolons outside of quotes: every second piece between quotes is quoted."""
    pieces: list[str] = []
    parameters: list[str] = []
    for index, piece in enumerate(value.split('"')):
        if index % 2:
            pieces.append(f'"{piece}"')
            continue
        head, *tail = piece.split(";")
        pieces.append(head)
        for text in tail:
            parameters.append("".join(pieces))
            pieces = [text]
    parameters.append("".join(pieces))
    return parameters


def _parts(body: bytes, boundary: bytes) -> Iterator[list[bytes]]:
    """The parts between delimiter lines, as lines without their LF.

    What precedes the first delimiter is no part; a part that the end of the body cuts short is.
    """
    delimiter = b"--" + boundary
    part: list[bytes] | None = None
    for line in body.split(b"\n"):
        bare_line = line.rstrip(b" \t\r")
        if bare_line not in (delimiter, delimiter + b"--"):
            if part is not None:
                part.append(line)
            continue
        if part is not None:
            yield part
        if bare_line != delimiter:
            return
        part = []
    if part is not None:
        yield part


def _content(part: Sequence[bytes], wanted: bytes) -> bytes | None:
    """What follows the part's own headers, if they say that it is of type `wanted`."""
    media_type = b"text/plain"
    encoding = b"binary"
    for index, line in enumerate(part):
        name, _, value = line.lower().partition(b":")
        match name.strip(b" \t\r"):
            case b"":
                if media_type != wanted or encoding not in _PLAIN_ENCODINGS:
                    return None
                # The line end before a delimiter belongs to the delimiter.
                return b"\n".join(part[index + 1 :]).removesuffix(b"\r")
            case b"content-type":
                media_type = value.partition(b";")[0].strip(b" \t\r")
            case b"content-transfer-encoding":
                encoding = value.strip(b" \t\r")
            case _:
                pass
    return None
