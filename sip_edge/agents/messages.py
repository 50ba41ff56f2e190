"""The Media Streams dialect as values: what is said to a worker, and what a worker says.

Twilio's documents (voice/media-streams/websocket-messages) give the shapes. All counters are
strings; `sequenceNumber` is "1" in `start` and counts every later message. Nothing here does I/O.
"""

from __future__ import annotations

from binascii import b2a_base64
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from sip_edge.routing.ports import AgentOffer

MAX_MARK_NAME_LENGTH: Final = 1024
"""Characters. Names are kept until their sound was played; real bots use a few dozen."""

_CONNECTED: Final = b'{"event":"connected","protocol":"Call","version":"1.0.0"}'


class MalformedMessageError(Exception):
    """A worker's message is not JSON, not UTF-8, or lacks what its event needs."""


class _Media(msgspec.Struct, gc=False):
    payload: bytes
    """Decoded from base64 on the way."""


class _Mark(msgspec.Struct, gc=False):
    name: str | None = None


class WorkerMessage(msgspec.Struct, gc=False):
    """What a worker said: the parts that matter of any event, known or not.

    `media` is there if `event` is "media". `mark` may be missing even for "mark" (a published bot
    sends that).
    """

    event: str
    media: _Media | None = None
    mark: _Mark | None = None


_decoder: Final = msgspec.json.Decoder(WorkerMessage)


def decode(text: bytes | memoryview) -> WorkerMessage:
    """Read a worker's text message. Raises MalformedMessageError and nothing else."""
    try:
        message = _decoder.decode(text)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise MalformedMessageError(type(error).__name__) from None
    if message.event == "media" and message.media is None:
        raise MalformedMessageError("media without payload")
    if (
        message.mark is not None
        and message.mark.name is not None
        and len(message.mark.name) > MAX_MARK_NAME_LENGTH
    ):
        raise MalformedMessageError("mark with too long a name")
    return message


def custom_parameters(agent_id: str, offer: AgentOffer) -> dict[str, str]:
    """`start.customParameters`: what a bot may want to know of its call, all of it strings.

    `failover_reason` is there even if empty, so that a bot may index or test it as it likes. One
    that takes over in mid-call learns whom it replaces and which keys were pressed. An
    anonymous caller is told as the carrier wrote it.
    """
    facts = offer.facts
    parameters = {
        **facts.forwarded_headers,
        "from_number": facts.caller_number or facts.caller,
        "to_number": facts.called_number or "",
        "agent_id": agent_id,
        "call_id": facts.call_id,
        "attempt": str(offer.attempt),
        "failover_reason": offer.failover_reason or "",
    }
    if offer.lost is not None:
        parameters["lost_agent_id"] = offer.lost.agent_id
        parameters["lost_after_seconds"] = f"{offer.lost.seconds:.1f}"
        parameters["digits"] = offer.lost.digits
    return {_encodable(name): _encodable(value) for name, value in parameters.items()}


def _encodable(text: str) -> str:
    # Bytes of a SIP header that are not UTF-8 arrive as lone surrogates, which JSON cannot carry.
    return text.encode("utf-8", "replace").decode("utf-8")


class MessageWriter:
    """Writes one stream's messages to its worker, numbering them."""

    __slots__ = ("_account", "_call", "_chunk", "_media_end", "_sequence", "_stream")

    def __init__(self, *, stream_sid: str, call_sid: str, account_sid: str) -> None:
        self._stream = msgspec.json.encode(stream_sid)
        self._call = msgspec.json.encode(call_sid)
        self._account = msgspec.json.encode(account_sid)
        self._media_end = b'"},"streamSid":' + self._stream + b"}"
        self._sequence = 0
        self._chunk = 0

    @property
    def chunks(self) -> int:
        """How many `media` messages were written."""
        return self._chunk

    def opening(self, parameters: dict[str, str]) -> tuple[bytes, bytes]:
        """`connected` and `start`: the first two messages, between which nothing may come."""
        self._sequence = 1
        start = b"".join(
            (
                b'{"event":"start","sequenceNumber":"1","start":{"accountSid":',
                self._account,
                b',"streamSid":',
                self._stream,
                b',"callSid":',
                self._call,
                b',"tracks":["inbound"],"mediaFormat":{"encoding":"audio/x-mulaw",'
                b'"sampleRate":8000,"channels":1},"customParameters":',
                msgspec.json.encode(parameters),
                b'},"streamSid":',
                self._stream,
                b"}",
            )
        )
        return _CONNECTED, start

    def media(self, ulaw: bytes, milliseconds: int) -> bytes:
        """The caller's sound, `milliseconds` after the start of the stream."""
        self._sequence = sequence = self._sequence + 1
        self._chunk = chunk = self._chunk + 1
        # One formatting operation: a JSON encoder takes twice as long, 50 times a second a call.
        return (
            b'{"event":"media","sequenceNumber":"%d","media":{"track":"inbound","chunk":"%d",'
            b'"timestamp":"%d","payload":"%b%b'
            % (sequence, chunk, milliseconds, b2a_base64(ulaw, newline=False), self._media_end)
        )

    def dtmf(self, digit: str) -> bytes:
        """A key that the caller pressed."""
        body = b'"dtmf":{"track":"inbound_track","digit":' + msgspec.json.encode(digit) + b"}"
        return self._message(b"dtmf", body)

    def mark(self, name: str) -> bytes:
        """What the worker marked so has been played, or was cleared."""
        return self._message(b"mark", b'"mark":{"name":' + msgspec.json.encode(name) + b"}")

    def stop(self) -> bytes:
        """The call is over."""
        body = b'"stop":{"accountSid":' + self._account + b',"callSid":' + self._call + b"}"
        return self._message(b"stop", body)

    def _message(self, event: bytes, body: bytes) -> bytes:
        self._sequence += 1
        return b'{"event":"%b","sequenceNumber":"%d","streamSid":%b,%b}' % (
            event,
            self._sequence,
            self._stream,
            body,
        )


def client_text_frame(text: bytes, masking_key: bytes) -> bytes:
    """`text` as one WebSocket frame from a client (RFC 6455 section 5.2), masked (section 5.3).

    The library sends each message by itself; this is for those that must leave together.
    `masking_key` is 4 unpredictable bytes.
    """
    size = len(text)
    if size < 126:
        length = bytes((0x80 | size,))
    elif size < 1 << 16:
        length = bytes((0x80 | 126,)) + size.to_bytes(2, "big")
    else:
        length = bytes((0x80 | 127,)) + size.to_bytes(8, "big")
    mask = (masking_key * (size // 4 + 1))[:size]
    masked = int.from_bytes(text, "big") ^ int.from_bytes(mask, "big")
    return b"\x81" + length + masking_key + masked.to_bytes(size, "big")
