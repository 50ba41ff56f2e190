"""HTTP: metrics, health and readiness, served by a thread and an event loop of its own.

It never shares the loop that carries media: a page that takes 30 ms must not be a gap in speech.
The web framework is imported by that thread, so that the server answers calls without waiting.
"""

from __future__ import annotations

from sip_edge.api.listening import ListenError
from sip_edge.api.pages import ReadyState, Sources, make_app
from sip_edge.api.server import HttpServer

__all__ = ["HttpServer", "ListenError", "ReadyState", "Sources", "make_app"]
