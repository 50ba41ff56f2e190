"""Around everything else: an id for each request, its line in the log, its count and its time."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

from sip_edge.api.control.errors import error_response
from sip_edge.logs import get_logger
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from collections.abc import Callable

    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sip_edge.api.control.services import ApiObserver

LONGEST_REQUEST_ID: Final = 128
OTHER: Final = "other"
"""The operation of a path that is none of ours."""
_QUIET: Final = frozenset({"/healthz", "/readyz", "/metrics"})
"""Asked every few seconds, and no news."""

_log = get_logger("sip_edge.api")


class RequestLog:
    """ASGI middleware, the outermost. `clock` in seconds."""

    def __init__(self, app: ASGIApp, *, observer: ApiObserver, clock: Callable[[], float]) -> None:
        self._app = app
        self._observer = observer
        self._clock = clock

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI's specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began_at = self._clock()
        request_id = _request_id(scope)
        scope.setdefault("state", {})["request_id"] = request_id
        status = 0

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                message = {
                    **message,
                    "headers": [*message["headers"], (b"x-request-id", request_id.encode())],
                }
            await send(message)

        try:
            await self._app(scope, receive, send_with_id)
        except Exception as error:  # noqa: BLE001 - the last place where a fault can be answered
            _log.error("api_request_failed", request_id=request_id, exc_info=error)
            if status == 0:
                fault = ProvisioningError(ErrorCode.INTERNAL, "Something went wrong on our side.")
                await error_response(fault)(scope, receive, send_with_id)
        finally:
            self._ended(scope, request_id, status, self._clock() - began_at)

    def _ended(self, scope: Scope, request_id: str, status: int, seconds: float) -> None:
        route = scope.get("route")
        operation = getattr(route, "name", None) or OTHER
        self._observer.request_ended(operation, status, seconds)
        if scope["path"] in _QUIET:
            return
        principal = scope.get("state", {}).get("principal")
        _log.info(
            "api_request",
            request_id=request_id,
            method=scope["method"],
            operation=operation,
            status=status,
            ms=round(seconds * 1000, 1),
            workspace_id=None if principal is None else str(principal.workspace_id),
            key_id=None if principal is None or principal.key_id is None else str(principal.key_id),
        )


def _request_id(scope: Scope) -> str:
    """The client's own if it is one line of visible ASCII, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id":
            text = str(value, "latin-1")
            if 0 < len(text) <= LONGEST_REQUEST_ID and text.isascii() and text.isprintable():
                return text
    return str(uuid.uuid4())
