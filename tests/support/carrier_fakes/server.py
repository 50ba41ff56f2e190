"""What both fakes have in common: an HTTP server in a thread, its routes, and its faults."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import Enum
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

Body = dict[str, Any]


class FaultKind(Enum):
    """What goes wrong, and whether the request was carried out before it did."""

    STATUS = "status"
    SILENCE_BEFORE = "silence before"
    SILENCE_AFTER = "silence after"
    STATUS_AFTER = "status after"
    CLOSE_AFTER = "close after"
    GARBAGE_AFTER = "garbage after"


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault for each of the next `times` requests whose method and path are as given."""

    method: str
    path: str
    kind: FaultKind
    status: int = 503
    body: Body | None = None
    retry_after: str | None = None
    times: int = 1


@dataclass(frozen=True, slots=True)
class Recorded:
    """A request as it came: the form or JSON decoded."""

    method: str
    path: str
    query: tuple[tuple[str, str], ...]
    headers: dict[str, str]
    body: Any
    raw: bytes

    @property
    def line(self) -> str:
        return f"{self.method} {self.path}"


class RefuseError(Exception):
    """A route's answer that is an error."""

    def __init__(self, status: int, body: Body) -> None:
        super().__init__(status)
        self.status = status
        self.body = body


@dataclass
class Answer:
    status: int
    body: Body | None = None
    headers: dict[str, str] = field(default_factory=dict)


Route = Callable[[Recorded, "re.Match[str]"], Answer]


class FakeServer:
    """`with FakeServer() as fake`: listens on a port of its own from then on."""

    def __init__(self) -> None:
        self.requests: list[Recorded] = []
        self.lock = threading.RLock()
        self._faults: list[tuple[Fault, list[int]]] = []
        self._routes: list[tuple[str, re.Pattern[str], Route]] = []
        self._closing = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        # The default looks for the end every half a second: most of a test's time.
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.01,), daemon=True
        )
        self._thread.start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._server.server_address[1]}"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._closing.set()
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(5)

    def route(self, method: str, pattern: str, route: Route) -> None:
        self._routes.append((method, re.compile(pattern), route))

    def fail(self, fault: Fault) -> None:
        """Order a fault; faults are used up in their order."""
        with self.lock:
            self._faults.append((fault, [fault.times]))

    def lines(self) -> list[str]:
        """What was asked, as `METHOD /path`."""
        with self.lock:
            return [each.line for each in self.requests]

    def check_login(self, request: Recorded) -> None:
        """Raise RefuseError unless the request may come in. For subclasses."""

    def handle(self, request: Recorded) -> tuple[Answer | None, bytes | None]:
        """The answer, or bytes to be sent in its place (empty: the connection is closed)."""
        with self.lock:
            self.requests.append(request)
            fault = self._next_fault(request)
        if fault is not None and fault.kind in (FaultKind.STATUS, FaultKind.SILENCE_BEFORE):
            return self._broken(fault)
        try:
            with self.lock:
                self.check_login(request)
                answer = self._answer(request)
        except RefuseError as error:
            answer = Answer(error.status, error.body)
        return (answer, None) if fault is None else self._broken(fault)

    def _answer(self, request: Recorded) -> Answer:
        for method, pattern, route in self._routes:
            match = pattern.fullmatch(request.path)
            if method == request.method and match is not None:
                return route(request, match)
        return Answer(404, {"code": 20404, "message": "no such resource", "status": 404})

    def _next_fault(self, request: Recorded) -> Fault | None:
        for fault, left in self._faults:
            if left[0] and fault.method == request.method and fault.path in request.path:
                left[0] -= 1
                return fault
        return None

    def _broken(self, fault: Fault) -> tuple[Answer | None, bytes | None]:
        if fault.kind in (FaultKind.SILENCE_BEFORE, FaultKind.SILENCE_AFTER):
            # Until the test is over: whoever asked has long given up.
            self._closing.wait(30)
            return None, b""
        if fault.kind is FaultKind.CLOSE_AFTER:
            return None, b""
        if fault.kind is FaultKind.GARBAGE_AFTER:
            return None, b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n<html>..."
        headers = {} if fault.retry_after is None else {"Retry-After": fault.retry_after}
        return Answer(fault.status, fault.body or {}, headers), None


def _handler(fake: FakeServer) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def _serve(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            raw = self.rfile.read(length)
            parts = urlsplit(self.path)
            request = Recorded(
                self.command,
                parts.path,
                tuple(parse_qsl(parts.query, keep_blank_values=True)),
                {key.lower(): value for key, value in self.headers.items()},
                _decoded(self.headers.get("Content-Type") or "", raw),
                raw,
            )
            answer, literal = fake.handle(request)
            try:
                if answer is None:
                    self.wfile.write(literal or b"")
                    self.close_connection = True
                    return
                body = b"" if answer.body is None else json.dumps(answer.body).encode()
                self.send_response(answer.status)
                for key, value in answer.headers.items():
                    self.send_header(key, value)
                if answer.status != 204:
                    self.send_header("Content-Type", "application/json")
                    self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if answer.status != 204:
                    self.wfile.write(body)
            except OSError:
                self.close_connection = True

        do_GET = do_POST = do_PATCH = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            """Nothing: the requests are kept."""

    return Handler


def _decoded(content_type: str, raw: bytes) -> Any:
    if content_type.startswith("application/x-www-form-urlencoded"):
        return dict(parse_qsl(raw.decode(), keep_blank_values=True))
    return json.loads(raw) if raw else None
