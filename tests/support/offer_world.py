"""What tests of an offer share."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
from support.offers import agent_offer as offer
from support.offers import call_timeline as timeline
from support.workers import TLS

from sip_edge.agents.settings import WorkerSettings
from sip_edge.agents.websocket import WebSocketAgents
from sip_edge.routing.plan import AgentRecord
from sip_edge.routing.ports import AgentOffer, AgentUnavailableError

TRUSTING = WorkerSettings(ca_file=TLS / "ca.pem")
BRIEFLY = 0.2
"""An accept time-out for servers that never answer."""


async def failure_of(
    agents: WebSocketAgents, target: AgentRecord, offered: AgentOffer | None = None
) -> AgentUnavailableError:
    with pytest.raises(AgentUnavailableError) as caught:
        await agents.offer(target, offered or offer(), timeline())
    return caught.value


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not condition():  # noqa: ASYNC110 - there is no event for it
            await asyncio.sleep(0.005)
