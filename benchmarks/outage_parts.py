"""Parts of `outage.py`: a caller whose frames of sound carry their numbers, and a worker that notes
which ones it heard.

What the worker notes is in its file at once, and outlives a SIGKILL. Run as a program, this is the
worker: `python outage_parts.py PORT FILE`.
"""

from __future__ import annotations

import asyncio
import json
import os
import socket
import sys
from base64 import b64decode
from contextlib import suppress
from pathlib import Path
from time import monotonic

from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed

MARK = b"frame:"
"""A frame of the caller: this, its number in ten digits, and silence."""

SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {} RTP/AVP 0\r\n"
)
REQUEST = """{method} sip:{number}@127.0.0.1:{edge} SIP/2.0
Via: SIP/2.0/UDP 127.0.0.1:{port};branch=z9hG4bK{branch}
Max-Forwards: 70
From: <sip:+12025550123@127.0.0.1>;tag=caller
To: <sip:{number}@127.0.0.1>{to_tag}
Call-ID: {call_id}
CSeq: {cseq} {method}
Contact: <sip:caller@127.0.0.1:{port}>
Content-Type: application/sdp
Content-Length: {length}

"""


class Caller:
    """One call without SIPp: the final response, and RTP whose frames carry their numbers."""

    def __init__(self, number: str, call_id: str, *, edge_port: int) -> None:
        self._edge_port = edge_port
        self._number, self._call_id = number, call_id
        self._sip, self._rtp = (socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in "12")
        for each in (self._sip, self._rtp):
            each.bind(("127.0.0.1", 0))
            each.setblocking(False)
        self._branch, self._to_tag, self._rtp_port, self._frames = os.urandom(8).hex(), "", 0, 0

    def close(self) -> None:
        self._sip.close()
        self._rtp.close()

    async def invite(self) -> tuple[int, float]:
        """The final status (0 if none came), and after how many seconds."""
        loop, began = asyncio.get_running_loop(), monotonic()
        wait, repeat_at = 0.5, began
        while monotonic() - began < 20:
            if monotonic() >= repeat_at:
                self._send("INVITE", 1, SDP.format(self._rtp.getsockname()[1]))
                repeat_at, wait = monotonic() + wait, wait * 2
            with suppress(TimeoutError):
                async with asyncio.timeout(max(0.0, repeat_at - monotonic())):
                    text = (await loop.sock_recv(self._sip, 65_536)).decode("latin-1")
                status = int(text.split(" ", 2)[1])
                repeat_at = began + 99  # An answer of any kind ends the repeating.
                if status >= 200:
                    self._accept(text, status)
                    return status, monotonic() - began
        return 0, monotonic() - began

    async def speak(self, seconds: float) -> None:
        """A frame every 20 ms."""
        began = monotonic()
        for number in range(round(seconds * 50)):
            await asyncio.sleep(max(0.0, began + number * 0.02 - monotonic()))
            at = self._frames = self._frames + 1
            header = b"\x80\x00" + at.to_bytes(2, "big") + (at * 160).to_bytes(4, "big") + b"call"
            payload = (MARK + b"%010d" % at).ljust(160, b"\xff")
            self._rtp.sendto(header + payload, ("127.0.0.1", self._rtp_port))

    def hang_up(self) -> None:
        self._branch = os.urandom(8).hex()
        self._send("BYE", 2)

    def _accept(self, text: str, status: int) -> None:
        to_line = next(line for line in text.split("\r\n") if line.lower().startswith("to:"))
        self._to_tag = ";tag=" + to_line.partition(";tag=")[2]
        if status < 300:
            self._rtp_port = int(text.partition("m=audio ")[2].split()[0])
            self._branch = os.urandom(8).hex()
        self._send("ACK", 1)

    def _send(self, method: str, cseq: int, body: str = "") -> None:
        text = REQUEST.format(
            method=method, number=self._number, edge=self._edge_port, branch=self._branch,
            cseq=cseq, port=self._sip.getsockname()[1], to_tag=self._to_tag, call_id=self._call_id,
            length=len(body),
        ).replace("\n", "\r\n")  # fmt: skip
        self._sip.sendto((text + body).encode(), ("127.0.0.1", self._edge_port))


async def listening_worker(port: int, log: Path) -> None:
    """Notes when each numbered frame came; what is written outlives a SIGKILL."""

    async def listen(connection: ServerConnection) -> None:
        with suppress(ConnectionClosed), log.open("a", buffering=1) as lines:
            async for text in connection:
                message = json.loads(text)
                if message["event"] == "media":
                    sound = b64decode(message["media"]["payload"])
                    if sound.startswith(MARK):
                        number = int(sound[len(MARK) : len(MARK) + 10])
                        lines.write(f"{number} {monotonic():.4f}\n")

    async with serve(listen, "127.0.0.1", port, compression=None):
        await asyncio.Event().wait()


def family(pid: int) -> list[int]:
    """A process and all that descend from it, the eldest first."""
    children: dict[int, list[int]] = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            parent = int(path.read_text().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(int(path.parent.name))
    found = [pid]
    for each in found:
        found += children.get(each, [])
    return found


def is_listening(port: int) -> bool:
    """True once somebody takes connections to this port of 127.0.0.1."""
    return f"0100007F:{port:04X} 00000000:0000 0A" in Path("/proc/net/tcp").read_text()


if __name__ == "__main__":
    asyncio.run(listening_worker(int(sys.argv[1]), Path(sys.argv[2])))
