"""A caller by hand: SIP over UDP and RTP, that speaks, is silent, or does what no phone does."""

from __future__ import annotations

import asyncio
import itertools
import socket
import time
from contextlib import suppress
from types import TracebackType
from typing import Self

from support.polling import PATIENCE_SECONDS
from support.raw_sip import Caller, Received, UdpPhone, sdp

FRAME_SECONDS = 0.02
SILENCE = b"\xff" * 160
SPEECH = bytes.fromhex("1E0B0B1E9E8B8B9E") * 20
"""A loud tone of 1000 Hz."""

_names = itertools.count(1)


class Line:
    """One call to `number`. Use as an asynchronous context manager; nothing is sent before `dial`.

    `host` is where the caller is. With `frame` it speaks from its answer on, or is silent.
    """

    def __init__(
        self,
        edge: tuple[str, int],
        number: str,
        *,
        host: str = "127.0.0.1",
        frame: bytes = SILENCE,
    ) -> None:
        self._edge = edge
        self._number = number
        self._host = host
        self.frame = frame
        self.phone = UdpPhone(edge, local=(host, 0))
        self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.rtp.bind((host, 0))
        self.rtp.setblocking(False)
        self.sequence = 100
        self.answer: Received | None = None
        self._speaking: asyncio.Task[None] | None = None
        self._is_beeping = False
        self._has_beeped = False

    async def __aenter__(self) -> Self:
        await self.phone.__aenter__()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        if self._speaking is not None:
            self._speaking.cancel()
            await asyncio.wait([self._speaking])
        self.rtp.close()
        await self.phone.__aexit__(error_type, error, traceback)

    @property
    def caller(self) -> Caller:
        """Who writes this line's requests."""
        if not hasattr(self, "_caller"):
            name = f"line{next(_names)}x{self.phone.address[1]}"
            self._caller = Caller(self._host, self.phone.address[1], self._number, name)
        return self._caller

    @property
    def media(self) -> tuple[str, int]:
        """Where the edge listens for this call's sound."""
        assert self.answer is not None
        return self._edge[0], self.answer.media_port

    def invite(self) -> str:
        """The INVITE, with an offer of PCMU to this line's own port."""
        return self.caller.invite(body=sdp(self._host, self.rtp.getsockname()[1]))

    async def dial(self, invite: str | None = None, *, acknowledge: bool = True) -> Received:
        """Send the INVITE and wait for its final response, which is acknowledged."""
        self.phone.send(invite or self.invite())
        final = await self.phone.final()
        if final.status < 300:
            self.answer = final
            self._speaking = asyncio.create_task(self._speak())
        if acknowledge:
            self.phone.send(self.caller.ack(final, branch="ack" if final.status < 300 else "1"))
        return final

    async def is_hung_up(self) -> None:
        """Wait for the edge's BYE and confirm it."""
        bye = await self.phone.request("BYE")
        self.confirm(bye)

    def confirm(self, request: Received) -> None:
        """200 to a request of the edge."""
        lines = ["SIP/2.0 200 OK", *(f"Via: {via}" for via in request.all("Via"))]
        lines += [f"{name}: {request.header(name)}" for name in ("From", "To", "Call-ID", "CSeq")]
        self.phone.send("\r\n".join([*lines, "Content-Length: 0", "", ""]))

    async def receives(self, status: int, cseq: str) -> None:
        """Wait for this response to the request with this CSeq; AssertionError at another one."""
        while True:
            message = await self.phone.receive()
            if message.status >= 200 and message.header("CSeq") == cseq:
                assert message.status == status, message.first_line
                return

    async def hang_up(self) -> None:
        """BYE, and wait for its 200."""
        assert self.answer is not None
        self.phone.send(self.caller.bye(self.answer))
        assert (await self.phone.final("BYE")).status == 200

    async def talk(self, seconds: float, *, hang_up: bool = True) -> None:
        """Dial, stay so long, and hang up."""
        final = await self.dial()
        assert final.status == 200, final.first_line
        await asyncio.sleep(seconds)
        if hang_up:
            await self.hang_up()

    def fall_silent(self) -> None:
        """Send no sound any more."""
        assert self._speaking is not None
        self._speaking.cancel()

    async def hears_the_beep(self) -> None:
        """Wait until the edge has played its beep, and listens."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            while not self._has_beeped:  # noqa: ASYNC110 - told by what is heard
                await asyncio.sleep(FRAME_SECONDS)

    def send_frame(
        self, sequence: int, *, frame: bytes = SILENCE, rtp: socket.socket | None = None
    ) -> None:
        """One RTP packet (RFC 3550), PCMU."""
        header = b"\x80\x00" + sequence.to_bytes(2, "big") + (sequence * 160).to_bytes(4, "big")
        (rtp or self.rtp).sendto(header + b"line" + frame, self.media)

    async def _speak(self) -> None:
        began_at, first = time.monotonic(), self.sequence
        while True:
            self._listen()
            self.sequence += 1
            self.send_frame(self.sequence, frame=self.frame)
            due_at = began_at + (self.sequence - first) * FRAME_SECONDS
            await asyncio.sleep(max(0.0, due_at - time.monotonic()))

    def _listen(self) -> None:
        """Read what has come. A tone of 1000 Hz repeats itself every eight samples."""
        with suppress(BlockingIOError):
            while sound := self.rtp.recv(2048)[12:]:
                is_tone = sound == sound[:8] * (len(sound) // 8) and sound != SILENCE
                self._has_beeped = self._has_beeped or (self._is_beeping and not is_tone)
                self._is_beeping = is_tone
