"""Connections on which nothing is asked end by themselves; others are left alone."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Any

import pytest
import pytest_asyncio
from uvicorn import Config, Server

from sip_edge.api.http_protocol import PromptH11Protocol
from sip_edge.api.listening import listen

pytestmark = pytest.mark.asyncio

HEAD_SECONDS = 0.3
WORK_SECONDS = 0.8
REQUEST = b"GET / HTTP/1.1\r\nHost: test\r\n\r\n"
PATIENCE_SECONDS = 20.0


async def application(scope: Any, receive: Any, send: Any) -> None:
    """Reads the body, works for longer than a head may take, and says so."""
    while (await receive()).get("more_body"):
        pass
    await asyncio.sleep(WORK_SECONDS)
    headers = [(b"content-length", b"4")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"done"})


@pytest_asyncio.fixture
async def port() -> AsyncIterator[int]:
    listener = listen("http", "127.0.0.1", 0, backlog=16)
    protocol: Any = partial(PromptH11Protocol, head_seconds=HEAD_SECONDS)
    server = Server(Config(application, http=protocol, ws="none", lifespan="off", log_config=None))
    serving = asyncio.create_task(server.serve(sockets=[listener]))
    yield listener.getsockname()[1]
    server.should_exit = True
    await serving


@pytest.mark.parametrize("said", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: test\r\n"])
async def test_connection_without_a_request_is_closed(port: int, said: bytes) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(said)
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert await reader.read() == b""
    writer.close()


async def test_half_of_another_request_is_no_longer_waited_for(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    async with asyncio.timeout(PATIENCE_SECONDS):
        for _ in range(2):
            writer.write(REQUEST)
            assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
            # A kept connection may rest.
            await asyncio.sleep(2 * HEAD_SECONDS)
        writer.write(REQUEST[:10])
        assert await reader.read() == b""
    writer.close()


async def test_body_may_take_longer_than_a_head(port: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"POST / HTTP/1.1\r\nHost: test\r\nContent-Length: 2\r\n\r\na")
    await asyncio.sleep(2 * HEAD_SECONDS)
    writer.write(b"b")
    async with asyncio.timeout(PATIENCE_SECONDS):
        assert (await reader.readuntil(b"done")).startswith(b"HTTP/1.1 200")
    writer.close()
