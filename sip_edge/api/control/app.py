"""The control API, put together: operations, the gate before them, and pages for operators."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Final, cast

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.routing import APIRoute
from starlette.exceptions import HTTPException
from starlette.responses import HTMLResponse, Response

from sip_edge.api.control import agents, api_keys, calls, integrations, phone_numbers, voicemails
from sip_edge.api.control.docs_page import HEADERS, docs_page
from sip_edge.api.control.errors import error_response, invalid, json_response
from sip_edge.api.control.gate import Gate
from sip_edge.api.control.rate import RateLimit
from sip_edge.api.control.request_log import RequestLog
from sip_edge.api.control.services import services_of
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from collections.abc import Callable

    from sip_edge.api.control.services import ApiObserver, ControlSettings, Services

ROUTERS: Final = (
    integrations.router,
    agents.router,
    phone_numbers.once,
    phone_numbers.router,
    calls.router,
    voicemails.router,
    api_keys.router,
)

_CODES: Final = {
    404: ErrorCode.NOT_FOUND,
    405: ErrorCode.METHOD_NOT_ALLOWED,
    413: ErrorCode.BODY_TOO_LARGE,
}
_MESSAGES: Final = {
    ErrorCode.NOT_FOUND: "There is no such page.",
    ErrorCode.METHOD_NOT_ALLOWED: "This method is not allowed here.",
}


def make_control_app(
    *,
    services: Services,
    settings: ControlSettings,
    observer: ApiObserver,
    clock: Callable[[], float] = time.perf_counter,
) -> FastAPI:
    """The application. `clock` in seconds, for time-outs of rates and for latencies."""
    app = FastAPI(
        title="OneInbox API",
        version="1.0.0",
        openapi_url="/openapi.json" if settings.public_docs else None,
        docs_url=None,
        redoc_url=None,
        # Behind a proxy it would lead to another address than the one that was asked.
        redirect_slashes=False,
    )
    app.state.services = services
    app.state.settings = settings
    for router in ROUTERS:
        app.include_router(router)
    for name, page in (("healthz", _healthz), ("readyz", _readyz), ("metrics", _metrics)):
        app.add_route(f"/{name}", page, ["GET"], name=name, include_in_schema=False)
    if settings.public_docs:
        app.add_route("/docs", _docs, ["GET"], name="docs", include_in_schema=False)
    app.add_exception_handler(ProvisioningError, _on_refusal)
    app.add_exception_handler(RequestValidationError, _on_invalid)
    app.add_exception_handler(HTTPException, _on_http_error)
    # The last one added is the first one to see a request.
    rate = RateLimit(per_minute=settings.requests_per_minute, clock=clock)
    app.add_middleware(Gate, services=services, settings=settings, rate=rate)
    app.add_middleware(RequestLog, observer=observer, clock=clock)
    return app


def operations() -> tuple[str, ...]:
    """The names of all operations, for whoever counts them."""
    routes = [route for router in ROUTERS for route in router.routes]
    return tuple(route.name for route in routes if isinstance(route, APIRoute))


async def _on_refusal(_: Request, error: Exception) -> Response:
    return error_response(cast("ProvisioningError", error))


async def _on_invalid(request: Request, error: Exception) -> Response:
    return invalid(cast("RequestValidationError", error).errors(), request.url.path)


async def _on_http_error(request: Request, error: Exception) -> Response:
    """The framework's own refusals, in our shape."""
    refused = cast("HTTPException", error)
    code = _CODES.get(refused.status_code, ErrorCode.INVALID_REQUEST)
    message = _MESSAGES.get(code, str(refused.detail))
    headers = dict(refused.headers or {})
    if code is ErrorCode.METHOD_NOT_ALLOWED:
        # All of the path's, where the framework names those of one operation (RFC 9110 10.2.1).
        headers["Allow"] = ", ".join(sorted(_methods_of(request))) or headers.get("Allow", "GET")
    return error_response(ProvisioningError(code, message), headers)


def _methods_of(request: Request) -> set[str]:
    """What may be done with this path."""
    return {
        method
        for router in ROUTERS
        for route in router.routes
        if isinstance(route, APIRoute) and route.path_regex.match(request.url.path)
        for method in route.methods or ()
    }


async def _docs(request: Request) -> Response:
    return HTMLResponse(docs_page(request.app.openapi()), headers=HEADERS)


async def _healthz(_: Request) -> Response:
    """This process's loop turns: that is all it says."""
    return json_response(200, {"state": "ok"})


async def _readyz(request: Request) -> Response:
    problem = await services_of(request).problem()
    state = "ready" if problem is None else "unavailable"
    return json_response(200 if problem is None else 503, {"state": state, "reason": problem or ""})


async def _metrics(request: Request) -> Response:
    page, content_type = services_of(request).metrics(request.headers.get("accept", ""))
    return Response(page, media_type=content_type)
