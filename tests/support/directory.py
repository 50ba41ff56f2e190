"""Records of agents and numbers for tests, and a number directory that needs no database."""

from __future__ import annotations

import msgspec

from sip_edge.routing.plan import AgentRecord, AgentStatus, NumberRecord, Route, WorkerOptions
from sip_edge.routing.ports import RoutesUnavailableError

NUMBER = "+12025550101"
PRIMARY_ID = "11111111-1111-4111-8111-111111111111"
FALLBACK_ID = "22222222-2222-4222-8222-222222222222"


def agent_record(
    agent_id: str = PRIMARY_ID,
    *,
    status: AgentStatus = AgentStatus.ACTIVE,
    worker_url: str | None = "ws://127.0.0.1:8090/worker",
    voicemail_message: str | None = None,
    language: str | None = None,
    problem: str | None = None,
) -> AgentRecord:
    """An agent that can be offered calls, unless told otherwise."""
    return AgentRecord(
        agent_id=agent_id,
        name="Front desk",
        status=status,
        worker_url=worker_url,
        options=WorkerOptions(),
        voicemail_message=voicemail_message,
        language=language,
        problem=problem,
    )


def number_record(
    phone_number: str = NUMBER,
    *,
    provider: str = "twilio",
    status: str = "active",
    has_routing: bool = True,
    primary_id: str | None = PRIMARY_ID,
    fallback_id: str | None = None,
    voicemail_message: str | None = None,
    account_sid: str | None = None,
    max_calls: int | None = None,
    problem: str | None = None,
) -> NumberRecord:
    """An active number whose calls go to the primary agent, unless told otherwise."""
    return NumberRecord(
        number_id="33333333-3333-4333-8333-333333333333",
        phone_number=phone_number,
        provider=provider,
        status=status,
        has_routing=has_routing,
        primary_id=primary_id,
        fallback_id=fallback_id,
        voicemail_message=voicemail_message,
        account_sid=account_sid,
        max_calls=max_calls,
        problem=problem,
    )


class InMemoryDirectory:
    """A number directory that knows what it is told (routing.ports.NumberDirectory).

    While `is_connected` is False it is like a route table without its database: what it knows is
    stale, and what it does not know cannot be known.
    """

    def __init__(self) -> None:
        self.is_connected = True
        self._routes: dict[str, Route] = {}

    def add(self, route: Route) -> None:
        """Know this route from now on, in the place of an older one for the same number."""
        self._routes[route.number.phone_number] = route

    def remove(self, phone_number: str) -> None:
        """Know this number no more."""
        self._routes.pop(phone_number, None)

    async def lookup(self, phone_number: str) -> Route | None:
        """See NumberDirectory.lookup."""
        route = self._routes.get(phone_number)
        if route is not None:
            return msgspec.structs.replace(route, is_stale=not self.is_connected)
        if not self.is_connected:
            raise RoutesUnavailableError("the database is away")
        return None
