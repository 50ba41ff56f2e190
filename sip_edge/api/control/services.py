"""What the control API is made of: its use cases, its settings, and who is told what it does."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Final, Protocol, cast

from fastapi import Depends, Request, Security
from fastapi.security import HTTPAuthorizationCredentials, HTTPBearer

from sip_edge.provisioning.values import Principal

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from sip_edge.api.control.tokens import TokenVerifier
    from sip_edge.provisioning.agents import Agents
    from sip_edge.provisioning.api_keys import ApiKeys
    from sip_edge.provisioning.integrations import Integrations
    from sip_edge.provisioning.numbers import Numbers
    from sip_edge.provisioning.ports import AudioFiles, IdempotencyStore, WorkspaceStore
    from sip_edge.provisioning.purchase import Purchases
    from sip_edge.provisioning.records import Records

_SCHEME: Final = HTTPBearer(
    scheme_name="API Key",
    description=(
        "Your **API key** sent as a Bearer credential — `Authorization: Bearer <api_key>`, where"
        " `<api_key>` starts with `oi_sk_` (create one via `POST /v1/api-keys`). Although the field"
        " is labelled 'token', paste your API key here. A dashboard JWT is also accepted on this"
        " header for the same endpoints."
    ),
    auto_error=False,
)
"""For the OpenAPI; `gate` looks at the header before anything is routed."""


class ApiObserver(Protocol):
    """Told of each request once it is answered. Must return at once and never raise."""

    def request_ended(self, operation: str, status: int, seconds: float) -> None:
        """`operation` is the name of one of ours, or `other`."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    """The use cases, and what the pages for operators ask.

    `problem` answers None when the database does, else why it does not; `metrics` is given the
    Accept header and returns a page and its content type.
    """

    agents: Agents
    integrations: Integrations
    numbers: Numbers
    purchases: Purchases
    api_keys: ApiKeys
    workspaces: WorkspaceStore
    records: Records
    audio: AudioFiles
    idempotency: IdempotencyStore
    tokens: TokenVerifier | None
    problem: Callable[[], Awaitable[str | None]]
    metrics: Callable[[str], tuple[bytes, str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class ControlSettings:
    """Limits of the HTTP side. `max_body_bytes`: a registration with all its fields has 2 KB."""

    requests_per_minute: int = 600
    request_seconds: float = 60.0
    max_body_bytes: int = 65_536
    public_docs: bool = True
    version: str = field(default="0")


def services_of(request: Request) -> Services:
    """The use cases."""
    return cast("Services", request.app.state.services)


def settings_of(request: Request) -> ControlSettings:
    """The limits."""
    return cast("ControlSettings", request.app.state.settings)


def principal_of(request: Request) -> Principal:
    """Who asks; `gate` has made sure that it is somebody."""
    return cast("Principal", request.state.principal)


# Coroutines, since the framework sends every other function to a thread and waits for it.
async def _services(request: Request) -> Services:
    return services_of(request)


async def _principal(
    request: Request,
    _: Annotated[HTTPAuthorizationCredentials | None, Security(_SCHEME)] = None,
) -> Principal:
    return principal_of(request)


UseCases = Annotated[Services, Depends(_services)]
Caller = Annotated[Principal, Depends(_principal)]
