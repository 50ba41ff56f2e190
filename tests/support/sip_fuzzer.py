"""Sends mutated SIP to an edge and behaves well towards whatever it answers.

A call that a mutated INVITE brings about is acknowledged and ended, so that what is left at the end
is the edge's doing. Each batch is a few hundred cases: single requests, and whole dialogs with
mutated requests in them.
"""

from __future__ import annotations

import asyncio
import itertools
import random
import re
from collections import Counter
from dataclasses import dataclass, field
from typing import Self

from support.datagrams import Datagrams
from support.raw_sip import Caller, Received, read_message, sdp
from support.sip_mutations import Mutator

from sip_edge.sip.parser import ParseError, parse_message

IN_DIALOG = (
    "BYE",
    "INVITE",
    "UPDATE",
    "INFO",
    "OPTIONS",
    "ACK",
    "CANCEL",
    "NOTIFY",
    "PRACK",
    "REFER",
)
OUT_OF_DIALOG = ("INVITE", "INVITE", "INVITE", "OPTIONS", "BYE", "CANCEL", "ACK", "REGISTER")
REQUESTS_IN_DIALOG = 8
DIALOG_SHARE = 0.1
"""Of all cases, those that begin a dialog."""
PACE = 20
"""Cases between two looks at what came back."""


@dataclass
class Tally:
    """What was sent, and what came back to it."""

    cases: int = 0
    parsed: int = 0
    sent: Counter[str] = field(default_factory=Counter)
    answers: dict[str, Counter[str]] = field(default_factory=dict)

    def add(self, kind: str, data: bytes) -> None:
        """A case was sent."""
        self.cases += 1
        self.sent[kind] += 1
        try:
            parse_message(data)
        except ParseError:
            return
        self.parsed += 1

    def table(self) -> str:
        """One line for each kind of mutation: the first final answers, those unanswered last."""
        lines = []
        for kind, sent in sorted(self.sent.items()):
            answers = self.answers.get(kind, Counter())
            counts = [f"{count} x {status}" for status, count in answers.most_common()]
            counts.append(f"{sent - answers.total()} x nothing")
            lines.append(f"{kind:<24} {sent:>6}: {', '.join(counts)}")
        return "\n".join(lines)


class SipFuzzer:
    """Calls `number`, which nobody has, and `answered`. Use as an asynchronous context manager."""

    def __init__(self, edge: tuple[str, int], *, number: str, answered: str, seed: int) -> None:
        self._edge = edge
        self._number = number
        self._answered = answered
        self._random = random.Random(seed)
        self._mutator = Mutator(seed)
        self._names = itertools.count(1)
        self._socket = Datagrams(self._receive)
        self._cases: dict[str, str] = {}
        self._dialogs: dict[str, asyncio.Future[Received]] = {}
        self._tags: dict[str, str] = {}
        self.tally = Tally()

    async def __aenter__(self) -> Self:
        await self._socket.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._socket.close()

    async def run(self, cases: int) -> None:
        """Send so many mutated messages, and wait a moment for the last answers."""
        end = self.tally.cases + cases
        while self.tally.cases < end:
            if self._random.random() < DIALOG_SHARE / REQUESTS_IN_DIALOG:
                await self._dialog()
            else:
                self._single()
            if self.tally.cases % PACE == 0:
                await asyncio.sleep(0.005)
        await asyncio.sleep(0.3)

    def _caller(self, number: str) -> Caller:
        host, port = self._socket.address
        return Caller(host=host, port=port, number=number, name=f"fuzz{next(self._names)}")

    def _single(self) -> None:
        number = self._answered if self._random.random() < 0.1 else self._number
        caller = self._caller(number)
        method = self._random.choice(OUT_OF_DIALOG)
        message = _as_method(caller.invite(), method)
        self._send_mutated(message.encode(), caller.name)

    async def _dialog(self) -> None:
        """A call that is answered, mutated requests within it, and a BYE that is right."""
        caller = self._caller(self._answered)
        call_id = f"{caller.name}@{caller.host}"
        answered = self._dialogs[call_id] = asyncio.get_running_loop().create_future()
        self._socket.send(caller.invite().encode(), self._edge)
        try:
            async with asyncio.timeout(5):
                answer = await answered
        except TimeoutError:
            raise AssertionError("a valid INVITE was not answered") from None
        if answer.status >= 300:
            raise AssertionError(f"a valid INVITE was answered with {answer.first_line}")
        for cseq in range(2, 2 + REQUESTS_IN_DIALOG):
            method = self._random.choice(IN_DIALOG)
            body = sdp(*self._socket.address) if method in ("INVITE", "UPDATE") else ""
            text = _within(caller, answer, method, cseq, body)
            self._send_mutated(text.encode(), f"{caller.name}-{cseq}")
            await asyncio.sleep(0)
        self._socket.send(caller.bye(answer, cseq=99).encode(), self._edge)

    def _send_mutated(self, message: bytes, name: str) -> None:
        kind, mutated = self._mutator.mutate(message)
        self._cases[name] = kind
        self.tally.add(kind, mutated)
        if len(mutated) < 65_000:
            self._socket.send(mutated, self._edge)

    def _receive(self, data: bytes, source: tuple[str, int]) -> None:
        try:
            message = read_message(data)
            status = message.status
            method = message.method
        except (IndexError, ValueError):
            return  # What was sent to us is a mutated message of ours, come back as it was.
        if not status:
            self._socket.send(_answer(message), source)
            return
        self._count(message)
        if method != "INVITE" or status < 200:
            return
        call_id = message.header("Call-ID")
        waiting = self._dialogs.get(call_id)
        if status >= 300:
            self._socket.send(_ack(message, same_branch=True), self._edge)
        else:
            self._socket.send(_ack(message, same_branch=False), self._edge)
            tag = _tag(message.header("To"))
            if self._tags.setdefault(call_id, tag) != tag or waiting is None:
                # Not the dialog that we are in: a call that nobody wants.
                self._socket.send(_bye(message), self._edge)
        if waiting is not None and not waiting.done():
            waiting.set_result(message)

    def _count(self, message: Received) -> None:
        """The first final answer to each case."""
        name = message.header("Call-ID").partition("@")[0]
        cseq = message.header("CSeq").partition(" ")[0]
        case = name if name in self._cases else f"{name}-{cseq}"
        if message.status >= 200 and (kind := self._cases.pop(case, None)):
            self.tally.answers.setdefault(kind, Counter())[str(message.status)] += 1


def _as_method(invite: str, method: str) -> str:
    if method == "INVITE":
        return invite
    text = invite.replace("INVITE ", f"{method} ", 1).replace(" INVITE\r\n", f" {method}\r\n")
    if method == "OPTIONS":
        return text
    head, _, body = text.partition("\r\n\r\n")
    head = head.replace("Content-Type: application/sdp\r\n", "")
    return head.replace(f"Content-Length: {len(body)}", "Content-Length: 0") + "\r\n\r\n"


def _within(caller: Caller, answer: Received, method: str, cseq: int, body: str) -> str:
    """A request of the dialog that `answer` has begun."""
    bye = caller.bye(answer, cseq=cseq)
    text = bye.replace("BYE ", f"{method} ", 1).replace(" BYE\r\n", f" {method}\r\n")
    text = text.replace(f"{caller.name}bye;", f"{caller.name}{method}{cseq};")
    if body:
        text = text.replace("Content-Length: 0\r\n\r\n", "Content-Type: application/sdp\r\n")
        text += f"Content-Length: {len(body)}\r\n\r\n{body}"
    return text


def _copied(message: Received, *names: str) -> list[str]:
    return [f"{name}: {value}" for name in names for value in message.all(name)]


def _request(message: Received, method: str, cseq: str, vias: list[str]) -> bytes:
    uri = re.search(r"<([^>]*)>", message.header("Contact"))
    target = uri[1] if uri else "sip:w0@127.0.0.1"
    lines = [f"{method} {target} SIP/2.0", *vias, *_copied(message, "From", "To", "Call-ID")]
    lines += [f"CSeq: {cseq} {method}", "Max-Forwards: 70", "Content-Length: 0", "", ""]
    return "\r\n".join(lines).encode("utf-8", "replace")


def _ack(message: Received, *, same_branch: bool) -> bytes:
    via = message.header("Via")
    if not same_branch:
        via = re.sub(r"branch=[^;]*", "branch=z9hG4bKack" + _tag(message.header("To")), via)
    return _request(message, "ACK", message.header("CSeq").split()[0], [f"Via: {via}"])


def _bye(message: Received) -> bytes:
    via = re.sub(
        r"branch=[^;]*", "branch=z9hG4bKend" + _tag(message.header("To")), message.header("Via")
    )
    cseq = message.header("CSeq").split()[0]
    following = str(int(cseq) + 1) if cseq.isascii() and cseq.isdigit() else "2"
    return _request(message, "BYE", following, [f"Via: {via}"])


def _answer(request: Received) -> bytes:
    lines = ["SIP/2.0 200 OK", *_copied(request, "Via", "From", "To", "Call-ID", "CSeq")]
    return "\r\n".join([*lines, "Content-Length: 0", "", ""]).encode("utf-8", "replace")


def _tag(header: str) -> str:
    found = re.search(r";tag=([^;>\s]+)", header)
    return found[1] if found else ""
