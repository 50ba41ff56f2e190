"""Offer calls to agents' workers over WebSocket, in the dialect of Twilio's Media Streams.

The edge is the client: an unchanged bot written for Twilio is a worker (decisions 9 and 10 of the
design). The worker has accepted a call when it answers the upgrade with 101 in time; everything
else means that it is not available.
"""

from __future__ import annotations

import asyncio
import ssl
from functools import cache
from typing import TYPE_CHECKING

from sip_edge.agents.connection import WorkerConnection, unavailable
from sip_edge.agents.dialer import DialError, dial, permitted
from sip_edge.agents.messages import custom_parameters
from sip_edge.agents.session import WorkerSession
from sip_edge.agents.signature import SecretError, upgrade_headers
from sip_edge.resolver import ResolveError
from sip_edge.routing.outcome import AttemptFailure
from sip_edge.routing.ports import AgentUnavailableError
from sip_edge.routing.timeline import Stage
from sip_edge.routing.worker_url import WorkerUrlError, parse_worker_url

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping
    from pathlib import Path

    from sip_edge.agents.counters import WorkerObserver
    from sip_edge.agents.settings import WorkerSettings
    from sip_edge.resolver import Resolver
    from sip_edge.routing.plan import AgentRecord
    from sip_edge.routing.ports import AgentOffer
    from sip_edge.routing.timeline import CallTimeline
    from sip_edge.routing.worker_url import WorkerUrl


class WebSocketAgents:
    """Implements `routing.ports.AgentGateway`. Belongs to the loop that makes the first offer."""

    def __init__(
        self,
        *,
        settings: WorkerSettings,
        resolver: Resolver,
        environment: Mapping[str, str],
        observer: WorkerObserver,
    ) -> None:
        """`environment` holds what agents' `env:NAME` options name. Reads the CA file."""
        self._settings = settings
        self._resolver = resolver
        self._environment = environment
        self._observer = observer
        self._ssl_context = _ssl_context(settings.ca_file)
        self._connections: set[WorkerConnection] = set()

    @property
    def connections(self) -> int:
        """How many workers are connected, those included that are being let go of."""
        return len(self._connections)

    async def offer(
        self, agent: AgentRecord, offer: AgentOffer, timeline: CallTimeline
    ) -> WorkerSession:
        """Offer the call; return once the worker has accepted it and was told of its start.

        Marks WORKER_CONNECT (TCP) and WORKER_ACCEPT. `offer.accept_timeout_seconds` bounds all of
        it. Raises AgentUnavailableError. When cancelled, closes what it had opened.
        """
        url, headers = self._target(agent)
        loop = asyncio.get_running_loop()
        session = WorkerSession(
            agent_id=agent.agent_id,
            offer=offer,
            settings=self._settings,
            first_audio_timeout_seconds=(
                self._settings.first_audio_timeout_seconds
                if agent.options.first_audio_timeout_seconds is None
                else agent.options.first_audio_timeout_seconds
            ),
            observer=self._observer,
            scheduler=loop,
        )
        connection = WorkerConnection(
            session=session,
            parameters=custom_parameters(agent.agent_id, offer),
            settings=self._settings,
            loop=loop,
            open_connections=self._connections,
        )
        deadline = loop.time() + offer.accept_timeout_seconds
        is_accepted = False
        overdue = (AttemptFailure.DNS, "address")
        try:
            async with asyncio.timeout_at(deadline):
                addresses = await self._addresses(url, deadline)
                overdue = (AttemptFailure.TIMEOUT, "TCP connection")
                sock = await self._dial(addresses, url)
                timeline.mark(Stage.WORKER_CONNECT)
                overdue = (AttemptFailure.TIMEOUT, "answer to the upgrade")
                await connection.open(sock, url=url, headers=headers, ssl_context=self._ssl_context)
            is_accepted = session.end is None
        except TimeoutError:
            failure, missing = overdue
            raise unavailable(
                url, failure, f"no {missing} within {offer.accept_timeout_seconds:g} s"
            ) from None
        finally:
            if not is_accepted:
                session.hang_up()
        if session.end is not None and not session.has_spoken:  # Else dispatch judges.
            raise unavailable(url, AttemptFailure.CLOSED_EARLY, session.end.value)
        timeline.mark(Stage.WORKER_ACCEPT)
        return session

    def close(self) -> None:
        """Drop all connections, whatever is unsent. For the end of the process."""
        for connection in tuple(self._connections):
            connection.abort()

    def _target(self, agent: AgentRecord) -> tuple[WorkerUrl, list[tuple[str, str]]]:
        try:
            url = parse_worker_url(agent.worker_url or "")
            return url, upgrade_headers(url.text, agent.options, self._environment)
        except (WorkerUrlError, SecretError) as error:
            raise AgentUnavailableError(AttemptFailure.MISCONFIGURED, str(error)) from None

    async def _addresses(self, url: WorkerUrl, deadline: float) -> list[str]:
        try:
            found = await self._resolver.resolve(url.host, deadline)
        except ResolveError as error:
            raise AgentUnavailableError(AttemptFailure.DNS, str(error)) from None
        addresses = permitted(
            found, allowed=self._settings.allowed_networks, denied=self._settings.denied_networks
        )
        if not addresses:
            raise unavailable(
                url, AttemptFailure.FORBIDDEN_ADDRESS, f"{found[0]} is in a forbidden network"
            )
        return addresses

    async def _dial(self, addresses: list[str], url: WorkerUrl) -> socket.socket:
        try:
            return await dial(
                addresses, url.port, stagger_seconds=self._settings.connect_stagger_seconds
            )
        except DialError as error:
            raise unavailable(url, error.failure, error.detail) from None


@cache
def _ssl_context(ca_file: Path | None) -> ssl.SSLContext:
    """Trusts the system's certificates and those of `ca_file`. Kept: reading them takes 0.1 s."""
    context = ssl.create_default_context()
    if ca_file is not None:
        context.load_verify_locations(cafile=ca_file)
    return context
