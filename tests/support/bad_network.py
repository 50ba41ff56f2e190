"""A bad network between one UDP peer and the edge: it loses, repeats, delays and reorders.

The same seed gives the same fates, in the order in which datagrams come.
"""

from __future__ import annotations

import asyncio
import random
from dataclasses import dataclass
from typing import Self

from support.datagrams import Datagrams


@dataclass(frozen=True)
class Weather:
    """Shares of all datagrams; delays in seconds. `jitter` of more than a few ms reorders."""

    loss: float = 0.0
    duplication: float = 0.0
    delay: float = 0.0
    jitter: float = 0.0


class BadNetwork:
    """The peer sends to `front`; the edge sees `back`. Use as an asynchronous context manager."""

    def __init__(self, edge: tuple[str, int], weather: Weather, *, seed: int) -> None:
        self._edge = edge
        self._weather = weather
        self._random = random.Random(seed)
        self._peer: tuple[str, int] | None = None
        self._front = Datagrams(self._from_peer)
        self._back = Datagrams(lambda data, _: self._carry(data, self._front))
        self.carried = 0
        self.lost = 0
        self.repeated = 0

    async def __aenter__(self) -> Self:
        await self._front.open()
        await self._back.open()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._front.close()
        await self._back.close()

    @property
    def front(self) -> tuple[str, int]:
        """Where the peer finds the edge."""
        return self._front.address

    @property
    def back(self) -> tuple[str, int]:
        """Where the edge finds the peer."""
        return self._back.address

    def _from_peer(self, data: bytes, source: tuple[str, int]) -> None:
        self._peer = source
        self._carry(data, self._back)

    def _carry(self, data: bytes, way_out: Datagrams) -> None:
        """Decide on a datagram."""
        self.carried += 1
        dice, weather = self._random, self._weather
        if dice.random() < weather.loss:
            self.lost += 1
            return
        copies = 1
        if dice.random() < weather.duplication:
            self.repeated += 1
            copies = 2
        for _ in range(copies):
            delay = weather.delay + dice.random() * weather.jitter
            asyncio.get_running_loop().call_later(delay, self._deliver, data, way_out)

    def _deliver(self, data: bytes, way_out: Datagrams) -> None:
        target = self._edge if way_out is self._back else self._peer
        if target is not None:
            way_out.send(data, target)
