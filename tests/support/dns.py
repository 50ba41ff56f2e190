"""A name server on loopback that a test scripts: it answers, refuses, or stays silent."""

from __future__ import annotations

import asyncio
import socket
import struct
from typing import Final

A: Final = 1
AAAA: Final = 28
SRV: Final = 33

_NO_ERROR: Final = 0x8180
_SERVER_FAILURE: Final = 0x8182
_NAME_ERROR: Final = 0x8183


class FakeNameServer(asyncio.DatagramProtocol):
    """`addresses` are served with `ttl`; names in `failing` get SERVFAIL; `silent` ones nothing.

    `services` are (priority, weight, port, target). A pair `(name, record type)` in `silent` drops
    only that question. Other names do not exist.
    """

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.services: dict[str, list[tuple[int, int, int, str]]] = {}
        self.failing: set[str] = set()
        self.silent: set[str | tuple[str, int]] = set()
        self.ttl = 60
        self.asked: list[str] = []
        self._heard = asyncio.Event()

    async def __aenter__(self) -> FakeNameServer:
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(
            lambda: self, local_addr=("127.0.0.1", 0)
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        self._transport.close()
        await asyncio.sleep(0)

    @property
    def server(self) -> str:
        """`address:port`, as a resolver's setting wants it."""
        return "127.0.0.1:{}".format(self._transport.get_extra_info("sockname")[1])

    async def was_asked(self, *names: str) -> None:
        """Return when all of `names` have been asked for."""
        while not set(names) <= set(self.asked):
            self._heard.clear()
            await self._heard.wait()

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        labels = []
        at = 12
        while data[at]:
            labels.append(data[at + 1 : at + 1 + data[at]].decode())
            at += 1 + data[at]
        name = ".".join(labels).lower()
        (kind,) = struct.unpack_from("!H", data, at + 1)
        self.asked.append(name)
        self._heard.set()
        if name in self.silent or (name, kind) in self.silent:
            return
        question = data[12 : at + 5]
        exists = name in self.addresses or name in self.services
        flags = _NO_ERROR if exists else _NAME_ERROR
        if name in self.failing:
            flags = _SERVER_FAILURE
        records = [] if flags != _NO_ERROR else self._records(name, kind)
        header = data[:2] + struct.pack("!HHHHH", flags, 1, len(records), 0, 0)
        self._transport.sendto(header + question + b"".join(records), addr)

    def _records(self, name: str, kind: int) -> list[bytes]:
        family = {A: socket.AF_INET, AAAA: socket.AF_INET6}.get(kind)
        packed: list[bytes] = []
        if family is not None:
            known = self.addresses.get(name, [])
            wanted = [a for a in known if (":" in a) == (family is socket.AF_INET6)]
            packed = [socket.inet_pton(family, address) for address in wanted]
        elif kind == SRV:
            packed = [
                struct.pack("!HHH", *numbers) + _encoded(target)
                for *numbers, target in self.services.get(name, [])
            ]
        return [
            struct.pack("!HHHIH", 0xC00C, kind, 1, self.ttl, len(data)) + data for data in packed
        ]


def _encoded(name: str) -> bytes:
    """A name as RFC 1035 section 3.1 writes it; "" and "." are the root."""
    labels = [label.encode() for label in name.split(".") if label]
    return b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
