"""SIP by hand: sockets, texts, and just enough reading to see what came back.

It shares no code with the edge, so that both cannot agree on a mistake.
"""

from __future__ import annotations

import asyncio
import re
import ssl
from dataclasses import dataclass
from typing import Self

from support.polling import PATIENCE_SECONDS

LONG_NAMES = {
    "v": "via",
    "f": "from",
    "t": "to",
    "i": "call-id",
    "m": "contact",
    "l": "content-length",
}


@dataclass(frozen=True)
class Received:
    """A message, cut at its line ends and colons."""

    first_line: str
    headers: tuple[tuple[str, str], ...]
    body: str

    @property
    def status(self) -> int:
        """The status code; 0 for a request."""
        return int(self.first_line.split()[1]) if self.first_line.startswith("SIP/") else 0

    @property
    def method(self) -> str:
        """The method of a request, or the one in the CSeq of a response."""
        return self.header("CSeq").split()[1]

    def all(self, name: str) -> list[str]:
        """Every value of this header, one for each line."""
        return [value for other, value in self.headers if other == name.lower()]

    def header(self, name: str) -> str:
        """The first value of this header; "" if there is none."""
        return next(iter(self.all(name)), "")

    @property
    def contact_uri(self) -> str:
        """The URI of the Contact."""
        found = re.search(r"<([^>]*)>", self.header("Contact"))
        assert found, f"no Contact in {self.headers}"
        return found[1]

    @property
    def media_port(self) -> int:
        """The port of the first m= line."""
        found = re.search(r"^m=audio (\d+)", self.body, re.MULTILINE)
        assert found, f"no audio in {self.body!r}"
        return int(found[1])


def read_message(data: bytes) -> Received:
    """Take a message apart."""
    head, _, body = data.decode("utf-8", "replace").partition("\r\n\r\n")
    first_line, *lines = head.split("\r\n")
    headers = []
    for line in lines:
        name, _, value = line.partition(":")
        name = name.strip().lower()
        headers.append((LONG_NAMES.get(name, name), value.strip()))
    return Received(first_line, tuple(headers), body)


class UdpPhone(asyncio.DatagramProtocol):
    """A UDP socket that talks to the edge. Use as an asynchronous context manager."""

    def __init__(self, edge: tuple[str, int], *, local: tuple[str, int] = ("127.0.0.1", 0)) -> None:
        self._edge = edge
        self._local = local
        self._received: asyncio.Queue[bytes] = asyncio.Queue()
        self._transport: asyncio.DatagramTransport | None = None

    async def __aenter__(self) -> Self:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=self._local
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._transport is not None
        self._transport.close()
        await asyncio.sleep(0)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self._received.put_nowait(data)

    @property
    def address(self) -> tuple[str, int]:
        """Where this phone is."""
        assert self._transport is not None
        address: tuple[str, int] = self._transport.get_extra_info("sockname")
        return address

    def send(self, message: str | bytes) -> None:
        """Send one datagram."""
        assert self._transport is not None
        data = message.encode() if isinstance(message, str) else message
        self._transport.sendto(data, self._edge)

    async def receive(self) -> Received:
        """The next message."""
        async with asyncio.timeout(PATIENCE_SECONDS):
            return read_message(await self._received.get())

    async def final(self, method: str = "INVITE") -> Received:
        """The next final response to this method."""
        while True:
            message = await self.receive()
            if message.status >= 200 and message.method == method:
                return message

    async def request(self, method: str) -> Received:
        """The next request with this method."""
        while True:
            message = await self.receive()
            if message.status == 0 and message.method == method:
                return message

    def waiting(self) -> list[Received]:
        """All messages that have come and were not read."""
        messages = []
        while not self._received.empty():
            messages.append(read_message(self._received.get_nowait()))
        return messages


class TcpPhone:
    """A TCP or TLS connection to the edge. Use as an asynchronous context manager."""

    def __init__(
        self,
        edge: tuple[str, int],
        *,
        local_host: str = "127.0.0.1",
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._edge = edge
        self._local_host = local_host
        self._tls = tls
        self._reader: asyncio.StreamReader | None = None
        self._writer: asyncio.StreamWriter | None = None

    async def __aenter__(self) -> Self:
        self._reader, self._writer = await asyncio.open_connection(
            *self._edge, local_addr=(self._local_host, 0), ssl=self._tls
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._writer is not None
        self._writer.close()
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._writer.wait_closed()
        except OSError:
            pass  # the edge had closed it

    @property
    def is_tls(self) -> bool:
        """True if it speaks TLS."""
        return self._tls is not None

    @property
    def address(self) -> tuple[str, int]:
        """Where this phone is."""
        assert self._writer is not None
        address: tuple[str, int] = self._writer.get_extra_info("sockname")
        return address

    def send(self, data: str | bytes) -> None:
        """Send bytes; where they are cut is the network's business."""
        assert self._writer is not None
        self._writer.write(data.encode() if isinstance(data, str) else data)

    async def read(self, count: int) -> bytes:
        """Exactly `count` bytes."""
        assert self._reader is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            return await self._reader.readexactly(count)

    async def closed_by_the_edge(self) -> None:
        """Wait for the end of the connection, whatever comes before it."""
        assert self._reader is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            try:
                await self._reader.read()
            except ConnectionError:
                return  # a reset: it had not read all that we sent

    async def receive(self) -> Received:
        """The next message, framed by its Content-Length."""
        assert self._reader is not None
        async with asyncio.timeout(PATIENCE_SECONDS):
            head = await self._reader.readuntil(b"\r\n\r\n")
            length = int(read_message(head).header("Content-Length"))
            return read_message(head + await self._reader.readexactly(length))

    async def final(self, method: str = "INVITE") -> Received:
        """The next final response to this method."""
        while True:
            message = await self.receive()
            if message.status >= 200 and message.method == method:
                return message


def sdp(host: str, port: int) -> str:
    """An ordinary offer: PCMU, PCMA and telephone-event."""
    family = "IP6" if ":" in host else "IP4"
    return (
        f"v=0\r\no=caller 1 1 IN {family} {host}\r\ns=-\r\nc=IN {family} {host}\r\nt=0 0\r\n"
        f"m=audio {port} RTP/AVP 0 8 101\r\na=rtpmap:0 PCMU/8000\r\na=rtpmap:8 PCMA/8000\r\n"
        "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=ptime:20\r\na=sendrecv\r\n"
    )


@dataclass(frozen=True)
class Caller:
    """Writes the requests of one call. `host` and `port` are where answers should come."""

    host: str
    port: int
    number: str
    name: str
    transport: str = "UDP"

    def invite(self, *, body: str | None = None, branch: str = "1", cseq: int = 1) -> str:
        """The INVITE that begins the call."""
        content = sdp(self.host, 9) if body is None else body
        return self._request("INVITE", f"sip:{self.number}@127.0.0.1", cseq, branch, "", content)

    def ack(self, answer: Received, *, branch: str = "ack", cseq: int = 1) -> str:
        """The ACK for a 200, or with the INVITE's branch for a refusal."""
        uri = answer.contact_uri if answer.status < 300 else f"sip:{self.number}@127.0.0.1"
        return self._request("ACK", uri, cseq, branch, answer.header("To"), "")

    def bye(self, answer: Received, *, cseq: int = 2) -> str:
        """The BYE that ends the call."""
        return self._request("BYE", answer.contact_uri, cseq, "bye", answer.header("To"), "")

    def _request(self, method: str, uri: str, cseq: int, branch: str, to: str, body: str) -> str:
        address = f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"
        lines = [
            f"{method} {uri} SIP/2.0",
            f"Via: SIP/2.0/{self.transport} {address};branch=z9hG4bK{self.name}{branch};rport",
            f"From: <sip:+12025550123@{address}>;tag=from-{self.name}",
            f"To: {to or f'<sip:{self.number}@127.0.0.1>'}",
            f"Call-ID: {self.name}@{self.host}",
            f"CSeq: {cseq} {method}",
            f"Contact: <sip:+12025550123@{address};transport={self.transport.lower()}>",
            "Max-Forwards: 70",
        ]
        if body:
            lines.append("Content-Type: application/sdp")
        lines += [f"Content-Length: {len(body)}", "", body]
        return "\r\n".join(lines)
