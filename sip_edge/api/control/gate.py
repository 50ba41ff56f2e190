"""What every request passes before it is routed: who asks, how often, how much, for how long.

It stands before the framework, so that no operation can be forgotten: below `/v1` nothing is read,
parsed or looked up for somebody who has no key.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

from sip_edge.api.control.errors import error_response, invalid
from sip_edge.api.control.strict_json import problem_of
from sip_edge.api.control.tokens import TokenError
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.values import Principal

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from sip_edge.api.control.rate import RateLimit
    from sip_edge.api.control.services import ControlSettings, Services
    from sip_edge.provisioning.values import Workspace

PROTECTED: Final = "/v1"
LONGEST_TOKEN: Final = 8_192
"""JWTs with many claims have 2 KB."""


class Gate:
    """ASGI middleware. `app.state.services` is not used: what it needs is handed in."""

    def __init__(
        self, app: ASGIApp, *, services: Services, settings: ControlSettings, rate: RateLimit
    ) -> None:
        self._app = app
        self._services = services
        self._settings = settings
        self._rate = rate

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """See ASGI's specification."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        has_begun = False

        async def note_beginning(message: Message) -> None:
            nonlocal has_begun
            has_begun = True
            await send(message)

        try:
            async with asyncio.timeout(self._settings.request_seconds):
                await self._pass(scope, receive, note_beginning)
        except TimeoutError:
            if has_begun:
                return  # A client that reads too slowly: the server closes on it.
            error = ProvisioningError(ErrorCode.TIMED_OUT, "The request took too long.")
            await error_response(error)(scope, receive, send)

    async def _pass(self, scope: Scope, receive: Receive, send: Send) -> None:
        path: str = scope["path"]
        if "\0" in path or b"%00" in scope["query_string"]:
            problem = {"type": "value_error", "loc": ("query",), "msg": "must not contain NUL"}
            await invalid([problem], path)(scope, receive, send)
            return
        if _is_framed_twice(scope):
            error = ProvisioningError(
                ErrorCode.INVALID_REQUEST,
                "A request must not have both Content-Length and Transfer-Encoding.",
            )
            await error_response(error, {"Connection": "close"})(scope, receive, send)
            return
        try:
            if path == PROTECTED or path.startswith(f"{PROTECTED}/"):
                principal = await self._authenticate(scope)
                self._admit(principal)
                scope.setdefault("state", {})["principal"] = principal
            body = await self._body(scope, receive)
        except ProvisioningError as error:
            await _refusal(error)(scope, receive, send)
            return
        if body is None:
            return  # The client has gone.
        if _is_json(scope) and body and (problem_found := problem_of(body)) is not None:
            await invalid([problem_found], path)(scope, receive, send)
            return
        scope.setdefault("state", {})["body"] = body
        await self._app(scope, _replay(body, receive), send)

    async def _authenticate(self, scope: Scope) -> Principal:
        headers = [value for name, value in scope["headers"] if name == b"authorization"]
        scheme, _, text = (headers[0] if len(headers) == 1 else b"").partition(b" ")
        token = text.strip()
        if scheme.lower() != b"bearer" or not token.isascii() or len(token) > LONGEST_TOKEN:
            raise _unauthorized()
        principal = await self._services.api_keys.authenticate(token.decode())
        if principal is not None:
            return principal
        if self._services.tokens is None or token.count(b".") != 2:
            raise _unauthorized()
        return await self._principal_of_token(token.decode())

    async def _principal_of_token(self, token: str) -> Principal:
        if self._services.tokens is None:
            raise _unauthorized()
        try:
            claim = await self._services.tokens.workspace(token)
        except TokenError as error:
            raise _unauthorized() from error
        workspace = await self._workspace(claim)
        if workspace is None:
            raise ProvisioningError(
                ErrorCode.FORBIDDEN, "The token names a workspace that does not exist."
            )
        return Principal(workspace.id, None)

    async def _workspace(self, claim: str) -> Workspace | None:
        """By id if the claim looks like one, else by name."""
        try:
            workspace_id = UUID(claim)
        except ValueError:
            return await self._services.workspaces.named(claim)
        return await self._services.workspaces.find(workspace_id)

    def _admit(self, principal: Principal) -> None:
        wait = self._rate.wait_seconds(principal.key_id or principal.workspace_id)
        if wait > 0:
            raise ProvisioningError(
                ErrorCode.RATE_LIMITED, "Too many requests.", retry_after_seconds=wait
            )

    async def _body(self, scope: Scope, receive: Receive) -> bytes | None:
        """The whole body, None if the client went away. Raises ProvisioningError when too large.

        Whole, because all bodies are small; a length that is announced is not waited for.
        """
        most = self._settings.max_body_bytes
        for name, value in scope["headers"]:
            if name == b"content-length" and value.isdigit() and int(value[:20]) > most:
                raise _too_large(most)
        body = bytearray()
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return None
            body += message.get("body", b"")
            if len(body) > most:
                raise _too_large(most)
            if not message.get("more_body", False):
                return bytes(body)


def _is_framed_twice(scope: Scope) -> bool:
    """Where a proxy believes the other header, what it takes for a body is a request to us.

    RFC 9112 section 6.1: "ought to be handled as an error", and the connection must be closed.
    """
    names = {name for name, _ in scope["headers"]}
    return b"content-length" in names and b"transfer-encoding" in names


def _is_json(scope: Scope) -> bool:
    for name, value in scope["headers"]:
        if name == b"content-type":
            kind = value.partition(b";")[0].strip().lower()
            return bool(kind == b"application/json" or kind.endswith(b"+json"))
    return False


def _replay(body: bytes, receive: Receive) -> Receive:
    """Gives the body that was read already, then what comes after it."""
    is_given = False

    async def replayed() -> Any:
        nonlocal is_given
        if is_given:
            return await receive()
        is_given = True
        return {"type": "http.request", "body": body, "more_body": False}

    return replayed


def _refusal(error: ProvisioningError) -> Any:
    is_stranger = error.code is ErrorCode.UNAUTHORIZED
    return error_response(error, {"WWW-Authenticate": "Bearer"} if is_stranger else None)


def _unauthorized() -> ProvisioningError:
    return ProvisioningError(
        ErrorCode.UNAUTHORIZED, "A valid API key is needed: Authorization: Bearer oi_sk_..."
    )


def _too_large(most: int) -> ProvisioningError:
    return ProvisioningError(ErrorCode.BODY_TOO_LARGE, f"A body may have {most} bytes.")
