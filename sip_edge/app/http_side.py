"""The HTTP thread of a server: metrics, health and readiness."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING

from sip_edge.api import HttpServer, ListenError, ReadyState, Sources, make_app
from sip_edge.app.errors import StartError

if TYPE_CHECKING:
    from collections.abc import Callable
    from contextlib import AsyncExitStack

    from sip_edge.config import HttpSettings
    from sip_edge.loopwatch import LoopWatch
    from sip_edge.metrics import Metrics


def start_http(
    settings: HttpSettings,
    stack: AsyncExitStack,
    *,
    metrics: Metrics,
    watch: LoopWatch,
    readiness: Callable[[], tuple[ReadyState, str]],
) -> str:
    """Start the HTTP thread, to be stopped by `stack`; its URL. Raises StartError."""
    sources = Sources(
        version=version("sip-edge"),
        metrics=metrics.render,
        seconds_since_tick=watch.seconds_since_tick,
        readiness=readiness,
        on_error=metrics.internal_errors.inc,
    )
    host = settings.host
    http = HttpServer(host=host, port=settings.port, make_app=lambda: make_app(sources))
    try:
        port = http.start()
    except ListenError as error:
        raise StartError(str(error)) from error
    stack.push_async_callback(http.stop)
    return f"http://[{host}]:{port}" if ":" in host else f"http://{host}:{port}"
