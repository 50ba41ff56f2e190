"""Messages out of a byte stream (RFC 3261 section 18.3) and keep-alives (RFC 5626 section 4.4.1).

Linear in the bytes fed, however they are cut; never holds more than one message.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sip_edge.sip.fields import FieldError
from sip_edge.sip.headers import header_key, line_value
from sip_edge.sip.parser import DEFAULT_LIMITS, Limits, ParseError, content_length, explain

_CRLF: Final = b"\r\n"
_PING: Final = b"\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Ping:
    """A CRLFCRLF between messages: it is answered with a CRLF."""


_A_PING: Final = Ping()


class FramingError(ValueError):
    """Nobody knows where the next message begins: answer if possible, then close.

    `frames` are the whole messages and pings that came before, in the same call of `feed`: they
    are good. `cause` is what to answer; None if nothing can be answered.
    """

    def __init__(
        self, phrase: str, *, frames: list[bytes | Ping], cause: ParseError | None
    ) -> None:
        super().__init__(phrase)
        self.frames = frames
        self.cause = cause


class StreamFramer:
    """Cuts one connection's bytes into messages and pings."""

    def __init__(self, limits: Limits = DEFAULT_LIMITS) -> None:
        self._limits = limits
        self._buffer = bytearray()
        self._searched = 0
        """How much of the buffer holds no end of headers: it is not searched again."""
        self._needed: int | None = None
        """The length of the message at hand, once its headers are complete."""
        self._failure: str | None = None

    @property
    def is_within_message(self) -> bool:
        """True while the beginning of a message waits for its end."""
        return len(self._buffer) > len(_PING) or bool(self._buffer.strip(_CRLF))

    def feed(self, data: bytes) -> list[bytes | Ping]:
        """Take what arrived; return what it completed, in order.

        Raises FramingError when a Content-Length is missing or malformed or a bound exceeded, and
        from then on at each call.
        """
        if self._failure is not None:
            raise FramingError(self._failure, frames=[], cause=None)
        self._buffer += data
        frames: list[bytes | Ping] = []
        try:
            while (frame := self._next()) is not None:
                frames.append(frame)
        except ParseError as error:
            self._buffer.clear()
            self._failure = error.phrase
            cause = error if error.request is not None else None
            raise FramingError(error.phrase, frames=frames, cause=cause) from error
        return frames

    def _next(self) -> bytes | Ping | None:
        buffer = self._buffer
        while buffer[:1] == b"\r":
            if buffer.startswith(_PING):
                del buffer[: len(_PING)]
                return _A_PING
            if _PING.startswith(buffer):
                return None  # May become a ping.
            if not buffer.startswith(_CRLF):
                break
            del buffer[: len(_CRLF)]  # Section 7.5: ignore any CRLF before the start-line.
        if self._needed is None:
            self._needed = self._find_length()
        if self._needed is None or len(buffer) < self._needed:
            return None
        frame = bytes(buffer[: self._needed])
        del buffer[: self._needed]
        self._needed = None
        self._searched = 0
        return frame

    def _find_length(self) -> int | None:
        """The length of the message that the buffer begins with; None while headers are coming."""
        buffer, limits = self._buffer, self._limits
        begin = max(0, self._searched - len(_PING) + 1)
        end = buffer.find(_PING, begin)
        # Where nothing was found, the end can come no earlier than with the next byte.
        earliest = len(buffer) - len(_PING) + 1 if end < 0 else end
        if earliest > limits.header_bytes:
            raise explain(bytes(buffer), 513, "Header Section Too Large", limits)
        if end < 0:
            self._searched = len(buffer)
            return None
        head = bytes(buffer[: end + len(_PING)])
        try:
            length = content_length(_content_lengths(head))
        except FieldError as error:
            raise explain(head, 400, f"Malformed Content-Length: {error}", limits) from error
        if length is None:
            # "If present ... [and] the transport is stream-oriented, MUST be used" (20.14).
            raise explain(head, 400, "Missing Content-Length", limits)
        if len(head) + length > limits.message_bytes:
            raise explain(head, 513, "Message Too Large", limits)
        return len(head) + length


def _content_lengths(head: bytes) -> list[str]:
    """The values of all Content-Length headers, folded and compact ones included."""
    lines = head.decode("latin-1").split("\r\n")
    values: list[str] = []
    for number, line in enumerate(lines):
        if line[:1] not in ("l", "L", "c", "C"):
            continue
        if header_key(line.partition(":")[0]) != "content-length":
            continue
        last = number + 1
        while lines[last][:1] in (" ", "\t"):
            last += 1
        values.append(line_value("\r\n".join(lines[number:last])))
    return values
