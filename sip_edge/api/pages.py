"""What operators' machines ask for: `/metrics`, `/healthz`, `/readyz`.

All are called from the HTTP thread; what they ask (`Sources`) must be safe from there.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from fastapi import FastAPI

LONGEST_SILENCE_SECONDS: Final = 5.0
"""A media loop that has not turned for this long is dead, or as good as dead to its callers."""
_OK: Final = 200
_UNAVAILABLE: Final = 503


class ReadyState(Enum):
    """Whether new calls should be sent here (decision 26)."""

    STARTING = "starting"
    READY = "ready"
    DEGRADED = "degraded"
    DRAINING = "draining"

    @property
    def takes_calls(self) -> bool:
        """A database that is away is a reason to look, not to unplug every edge."""
        return self in (ReadyState.READY, ReadyState.DEGRADED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sources:
    """Where the pages get what they say.

    `metrics` is given the Accept header and returns the page and its content type; `readiness` the
    state and the reason for it; `on_error` is called when a page fails.
    """

    version: str
    metrics: Callable[[str], tuple[bytes, str]]
    seconds_since_tick: Callable[[], float]
    readiness: Callable[[], tuple[ReadyState, str]]
    on_error: Callable[[], None]


def make_app(sources: Sources) -> FastAPI:
    """The application. Imports the framework, which takes half a second."""
    from fastapi import FastAPI, Request
    from fastapi.responses import JSONResponse, Response

    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    methods = ["GET", "HEAD"]

    async def index(_: Request) -> Response:
        pages = ["/metrics", "/healthz", "/readyz"]
        return JSONResponse({"name": "sip-edge", "version": sources.version, "pages": pages})

    async def metrics(request: Request) -> Response:
        page, content_type = sources.metrics(request.headers.get("accept", ""))
        return Response(page, media_type=content_type)

    async def healthz(_: Request) -> Response:
        silence = sources.seconds_since_tick()
        status, state = (
            (_OK, "ok") if silence <= LONGEST_SILENCE_SECONDS else (_UNAVAILABLE, "stalled")
        )
        return JSONResponse(
            {"state": state, "media_loop_silent_seconds": round(silence, 3)}, status
        )

    async def readyz(_: Request) -> Response:
        state, reason = sources.readiness()
        status = _OK if state.takes_calls else _UNAVAILABLE
        return JSONResponse({"state": state.value, "reason": reason}, status)

    async def failed(_: Request, __: Exception) -> Response:
        sources.on_error()
        return JSONResponse({"detail": "internal error"}, 500)

    app.add_route("/", index, methods)
    app.add_route("/metrics", metrics, methods)
    app.add_route("/healthz", healthz, methods)
    app.add_route("/readyz", readyz, methods)
    app.add_exception_handler(Exception, failed)
    return app
