"""A caller that does not give up: it repeats what is not answered, as RFC 3261 asks, and talks.

It follows its own call from outside, so that a test can say what the caller got: every different
final response, how long its ear was without sound, and who ended the call.
"""

from __future__ import annotations

import asyncio
import itertools
from time import monotonic
from typing import Self

from support.datagrams import Datagrams
from support.polling import eventually
from support.raw_sip import Caller, Received, read_message

T1, T2 = 0.5, 4.0
"""RFC 3261 section 17: the first pause before a repetition over UDP, and the longest."""
GIVE_UP_SECONDS = 40.0
"""Somewhat more than 64 * T1, after which nothing more can come."""
FRAME_SECONDS = 0.02
NAMES = itertools.count(1)


class PersistentCaller:
    """One call to `number`. Use as an asynchronous context manager.

    `edge` is where requests go, `contact` where the edge's requests should come (None: here). With
    `talks`, sound goes out every 20 ms once the call is answered.
    """

    def __init__(
        self,
        edge: tuple[str, int],
        number: str,
        *,
        contact: tuple[str, int] | None = None,
        talks: bool = False,
    ) -> None:
        self._edge = edge
        self._number = number
        self._contact = contact
        self._talks = talks
        self._sip = Datagrams(self._receive)
        self._rtp = Datagrams(self._hear)
        self._name = f"persistent{next(NAMES)}"
        self._responses: dict[str, asyncio.Queue[Received]] = {}
        self._talking: asyncio.Task[None] | None = None
        self._last_heard = 0.0
        self._acks: dict[str, str] = {}
        self.finals: set[tuple[int, str]] = set()
        self.answer: Received | None = None
        self.hung_up_on = asyncio.Event()
        self.packets_heard = 0
        self.sounds_heard: set[bytes] = set()
        self.longest_silence = 0.0

    async def __aenter__(self) -> Self:
        await self._sip.open()
        await self._rtp.open()
        host, port = self._contact or self._sip.address
        self._texts = Caller(host=host, port=port, number=self._number, name=self._name)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._talking is not None:
            self._talking.cancel()
            await asyncio.wait([self._talking])
        await self._sip.close()
        await self._rtp.close()

    @property
    def is_one_call(self) -> bool:
        """True if exactly one final response came, however often."""
        return len(self.finals) == 1

    async def call(self) -> int:
        """Place the call and acknowledge what comes; the final status, 0 if there was none."""
        body = self._texts.invite().partition("\r\n\r\n")[2]
        invite = self._texts.invite(
            body=body.replace("m=audio 9 ", f"m=audio {self._rtp.address[1]} ")
        )
        answer = await self._transact("INVITE", invite)
        if answer is None:
            return 0
        if answer.status < 300:
            self.answer = answer
            self._last_heard = monotonic()
            if self._talks:
                self._talking = asyncio.create_task(self._talk(answer.media_port))
        return answer.status

    async def hang_up(self) -> int:
        """Send BYE until it is answered; the status, 0 if it never was."""
        assert self.answer is not None
        answer = await self._transact("BYE", self._texts.bye(self.answer))
        self.fall_silent()
        return 0 if answer is None else answer.status

    async def give_up(self) -> int:
        """Send CANCEL until it is answered; the status. `call` then returns 487, if in time."""
        text = self._texts.invite(body="").replace("INVITE ", "CANCEL ", 1)
        answer = await self._transact("CANCEL", text.replace(" INVITE\r\n", " CANCEL\r\n"))
        return 0 if answer is None else answer.status

    async def is_hung_up_on(self) -> None:
        """Wait for the edge's BYE."""
        await eventually(self.hung_up_on.is_set, what=f"the edge's BYE to {self._name}")
        self.fall_silent()

    async def hears(self, sound: bytes) -> None:
        """Wait until a packet with this payload came."""
        await eventually(lambda: sound in self.sounds_heard, what=f"{sound[:4]!r} at {self._name}")

    def send_rtp(self, packet: bytes, port: int) -> None:
        """Send a packet from the socket that sound comes from."""
        self._rtp.send(packet, ("127.0.0.1", port))

    def fall_silent(self) -> None:
        """Say nothing more."""
        if self._talking is not None:
            self._talking.cancel()

    def _receive(self, data: bytes, source: tuple[str, int]) -> None:
        """A SIP message."""
        message = read_message(data)
        if message.status == 0:
            self._answer_request(message, source)
        elif message.method == "INVITE" and message.status >= 200:
            self._acknowledge(message)
        if message.status:
            self._queue(message.method).put_nowait(message)

    def _hear(self, data: bytes, _: tuple[str, int]) -> None:
        """A datagram on the RTP port."""
        if len(data) <= 12 or data[1] & 0x7F >= 72:
            return  # RTCP, multiplexed
        now = monotonic()
        if self.packets_heard:
            self.longest_silence = max(self.longest_silence, now - self._last_heard)
        self._last_heard = now
        self.packets_heard += 1
        if len(self.sounds_heard) < 1000:
            self.sounds_heard.add(data[12:])

    async def _transact(self, method: str, request: str) -> Received | None:
        responses = self._queue(method)
        began, wait = monotonic(), T1
        is_answered = False
        while monotonic() - began < GIVE_UP_SECONDS:
            if not is_answered:
                self._sip.send(request.encode(), self._edge)
            try:
                async with asyncio.timeout(GIVE_UP_SECONDS if is_answered else wait):
                    while (message := await responses.get()).status < 200:
                        is_answered = is_answered or method == "INVITE"
                return message
            except TimeoutError:
                wait = min(2 * wait, GIVE_UP_SECONDS if method == "INVITE" else T2)
        return None

    def _queue(self, method: str) -> asyncio.Queue[Received]:
        return self._responses.setdefault(method, asyncio.Queue())

    def _acknowledge(self, answer: Received) -> None:
        """Each copy of a final response gets the same ACK again."""
        tag = answer.header("To").partition(";tag=")[2]
        self.finals.add((answer.status, tag))
        branch = "ack" if answer.status < 300 else "1"
        ack = self._acks.setdefault(tag, self._texts.ack(answer, branch=branch))
        self._sip.send(ack.encode(), self._edge)

    def _answer_request(self, request: Received, source: tuple[str, int]) -> None:
        if request.method == "BYE":
            self.hung_up_on.set()
        lines = ["SIP/2.0 200 OK", *(f"Via: {via}" for via in request.all("Via"))]
        lines += [f"{name}: {request.header(name)}" for name in ("From", "To", "Call-ID", "CSeq")]
        self._sip.send("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode(), source)

    async def _talk(self, port: int) -> None:
        began = monotonic()
        for number in itertools.count():
            header = b"\x80\x00%b%b%b" % (
                (number % 65_536).to_bytes(2, "big"),
                (number * 160 % 2**32).to_bytes(4, "big"),
                b"talk",
            )
            self._rtp.send(header + b"\x21" * 160, ("127.0.0.1", port))
            await asyncio.sleep(max(0.0, began + (number + 1) * FRAME_SECONDS - monotonic()))
