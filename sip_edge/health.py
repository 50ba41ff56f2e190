"""Asks a running server how it is: what `sip-edge health` says, and containers' health checks."""

from __future__ import annotations

import ipaddress
import json
from dataclasses import dataclass
from enum import Enum
from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final
from urllib.parse import urlsplit

LONGEST_ANSWER: Final = 4096
"""Bytes of an answer that are read; ours have a hundred."""


class Page(Enum):
    """What can be asked: does the server live, and should new calls be sent to it."""

    ALIVE = "/healthz"
    READY = "/readyz"


@dataclass(frozen=True, slots=True)
class Health:
    """The answer, and one line that says it to people."""

    is_good: bool
    text: str


def page_url(host: str, port: int, page: Page) -> str:
    """Where a server on this machine that listens on `host` (`http.host`) is asked.

    One that listens on all addresses is asked on the loopback.
    """
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        return f"http://{host}:{port}{page.value}"
    if address.version == 4:
        return f"http://{'127.0.0.1' if address.is_unspecified else host}:{port}{page.value}"
    return f"http://[{'::1' if address.is_unspecified else host}]:{port}{page.value}"


def check(url: str, timeout_seconds: float) -> Health:
    """Ask the page at `url`; blocks for `timeout_seconds` a step at most. Never raises."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname, parts.port
    except ValueError as error:
        return Health(False, f"{url}: {error}")
    if parts.scheme != "http" or not host:
        return Health(False, f"{url}: must be an URL such as http://127.0.0.1:8080/healthz")
    connection = HTTPConnection(host, port, timeout=timeout_seconds)
    try:
        connection.request("GET", parts.path or "/", headers={"Connection": "close"})
        response = connection.getresponse()
        return _judge(url, response.status, response.read(LONGEST_ANSWER))
    except (OSError, HTTPException, ValueError) as error:
        return Health(False, f"{url}: {str(error) or type(error).__name__}")
    finally:
        connection.close()


def _judge(url: str, status: int, body: bytes) -> Health:
    """A page is good with 200 and a state; whatever else answers 200 there is not our server."""
    try:
        answer = json.loads(body)
    except (ValueError, RecursionError):
        answer = None
    state = answer.get("state") if isinstance(answer, dict) else None
    if not isinstance(state, str):
        return Health(False, f"{url}: answers {status}, but not as sip-edge does")
    reason = answer.get("reason")
    text = f"{state}: {reason}" if isinstance(reason, str) and reason else state
    return Health(status == HTTPStatus.OK, text)
