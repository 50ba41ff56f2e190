"""`Idempotency-Key`: a request that costs money is carried out once, however often it is sent.

    router = APIRouter(route_class=IdempotentRoute)

The first request with a key is carried out; the same again gets the same answer for a day, also
after a restart; another request with the same key is refused (409), and so is one that comes while
the first is still at work (409 with Retry-After). A failure that may pass (5xx, 429, an outcome
that is not known yet) is not kept: the key may be tried again. `idempotency_key_of` has the key.
"""

from __future__ import annotations

import uuid
from contextlib import suppress
from hashlib import sha256
from typing import TYPE_CHECKING, Any, Final, cast

import orjson
from fastapi import Request, Response
from fastapi.routing import APIRoute
from typing_extensions import override

from sip_edge.api.control.errors import STATUSES, error_response
from sip_edge.api.control.services import principal_of, services_of, settings_of
from sip_edge.logs import get_logger
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.values import Claim, KeptAnswer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from uuid import UUID

HEADER: Final = "Idempotency-Key"
LONGEST_KEY: Final = 255
KEEP_SECONDS: Final = 86_400.0
HOLD_SECONDS: Final = 60.0
"""On top of what a request may take; after that its process has died, and another may go on."""
BUSY_SECONDS: Final = 2.0
LARGEST_ANSWER: Final = 16_384
"""Bytes. A number's answer has 1 KB; what is larger is not kept."""

PARAMETER: Final[dict[str, Any]] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": (
                "Any text of yours, new for each thing you want done: sent again within 24 hours,"
                " the same request gets the same answer and nothing is done twice."
            ),
            "schema": {"type": "string", "minLength": 1, "maxLength": LONGEST_KEY},
        }
    ]
}
"""For an operation's `openapi_extra`."""

CODES: Final = (ErrorCode.IDEMPOTENCY_KEY_REUSED, ErrorCode.IDEMPOTENCY_IN_PROGRESS)
"""What such an operation may answer as well."""

_PASSING: Final = frozenset(
    {
        ErrorCode.PURCHASE_PENDING,
        ErrorCode.IDEMPOTENCY_IN_PROGRESS,
        # Until a number is released.
        ErrorCode.NUMBER_LIMIT_REACHED,
    }
)

_log = get_logger("sip_edge.api")


def idempotency_key_of(request: Request) -> str | None:
    """The key that the request came with, None if it came without one."""
    return cast("str | None", getattr(request.state, "idempotency_key", None))


class IdempotentRoute(APIRoute):
    """A route that keeps its answers. The framework's way to wrap what an operation does."""

    @override
    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        """The framework's handler, wrapped."""
        carry_out = super().get_route_handler()

        async def handle(request: Request) -> Response:
            key = request.headers.get(HEADER)
            if key is None:
                return await carry_out(request)
            if not (0 < len(key) <= LONGEST_KEY and key.isascii() and key.isprintable()):
                raise ProvisioningError(
                    ErrorCode.INVALID_REQUEST,
                    f"{HEADER} must be 1 to {LONGEST_KEY} visible ASCII characters.",
                )
            request.state.idempotency_key = key
            return await _once(request, key, carry_out)

        return handle


async def _once(
    request: Request, key: str, carry_out: Callable[[Request], Coroutine[Any, Any, Response]]
) -> Response:
    store = services_of(request).idempotency
    workspace_id = principal_of(request).workspace_id
    holder = uuid.uuid4()
    claim = await store.claim(
        workspace_id,
        key,
        request=_digest(request),
        holder=holder,
        hold_seconds=settings_of(request).request_seconds + HOLD_SECONDS,
        keep_seconds=KEEP_SECONDS,
    )
    if isinstance(claim, KeptAnswer):
        return Response(claim.body, claim.status, media_type="application/json")
    if claim is not Claim.CLAIMED:
        raise _taken(claim)
    answer: KeptAnswer | None = None
    try:
        response, answer = await _answer(request, carry_out)
    finally:
        # Also when cancelled or failed: then nothing is kept, and the key is given back.
        await _settle(request, workspace_id, key, holder, answer)
    return response


async def _answer(
    request: Request, carry_out: Callable[[Request], Coroutine[Any, Any, Response]]
) -> tuple[Response, KeptAnswer | None]:
    """The answer, and the same for keeping; None if another try may end otherwise."""
    try:
        response = await carry_out(request)
    except ProvisioningError as error:
        response = error_response(error)
        if STATUSES[error.code] in (429, *range(500, 600)) or error.code in _PASSING:
            return response, None
    if getattr(request.state, "is_unsettled", False):
        return response, None
    body = bytes(response.body)
    is_small = len(body) <= LARGEST_ANSWER
    return response, KeptAnswer(response.status_code, body) if is_small else None


async def _settle(
    request: Request, workspace_id: UUID, key: str, holder: UUID, answer: KeptAnswer | None
) -> None:
    store = services_of(request).idempotency
    try:
        if answer is None:
            await store.release(workspace_id, key, holder=holder)
        else:
            await store.keep(workspace_id, key, holder=holder, answer=answer)
    except ProvisioningError as error:
        # What was asked for is done: the client gets its answer. The claim runs out by itself.
        _log.warning("idempotency_key_not_settled", reason=error.code.value)


def _digest(request: Request) -> bytes:
    """The operation and what it is asked to do; the same JSON in another order is the same."""
    body: bytes = getattr(request.state, "body", b"")
    with suppress(orjson.JSONDecodeError):
        body = orjson.dumps(orjson.loads(body), option=orjson.OPT_SORT_KEYS)
    return sha256(f"{request.method} {request.url.path}\n".encode() + body).digest()


def _taken(claim: Claim) -> ProvisioningError:
    if claim is Claim.BUSY:
        return ProvisioningError(
            ErrorCode.IDEMPOTENCY_IN_PROGRESS,
            "The request with this Idempotency-Key is still being carried out.",
            retry_after_seconds=BUSY_SECONDS,
        )
    return ProvisioningError(
        ErrorCode.IDEMPOTENCY_KEY_REUSED,
        "This Idempotency-Key was used for another request.",
    )
