"""Connections to PostgreSQL: a bound on every wait, and no password in any message.

The listening connection of the routes and LISTEN itself need a session of their own, so no
transaction pooler may stand between the edge and PostgreSQL.
"""

from __future__ import annotations

import asyncio
import os
import socket
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit

import asyncpg

from sip_edge.tasks import spawn

APPLICATION_NAME: Final = "sip_edge"

CONNECT_TIMEOUT_SECONDS: Final = 3.0
"""A server that does not accept within this time is as good as away; the routes serve meanwhile."""

HOST_STAGGER_SECONDS: Final = 0.5
"""How long one host of several is tried alone before the next one joins in: a server at hand takes
a hundredth of it, and both fit into the time-out of whoever asks."""

DEFAULT_PORT: Final = 5432

STATEMENT_TIMEOUT_SECONDS: Final = 5.0
"""The server gives up on a statement after this time; no query of the edge needs a tenth of it."""

COMMAND_TIMEOUT_SECONDS: Final = 6.0
"""The client gives up later than the server, so that the server's own answer is seen first."""

CLOSE_TIMEOUT_SECONDS: Final = 1.0
"""Saying goodbye to a server that hangs is not worth more."""

POOL_MAX_SIZE: Final = 4
"""Enough for a reload, a refetch, a digest and a question about a number at the same time."""

IDLE_SECONDS: Final = 60.0
"""An idle connection of the pool is closed after this time."""

DATABASE_ERRORS: Final = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
)
"""What may be raised when PostgreSQL is away, slow, or unwilling."""

_SERVER_SETTINGS: Final = {
    "application_name": APPLICATION_NAME,
    "statement_timeout": str(int(STATEMENT_TIMEOUT_SECONDS * 1000)),
    # Compiling a query that sums 100,000 rows takes longer than running it.
    "jit": "off",
}


async def connect(dsn: str) -> asyncpg.Connection:
    """Open one connection. Raises one of DATABASE_ERRORS."""
    return await _connect(dsn, **_connect_arguments())


def create_pool(dsn: str, *, max_size: int = POOL_MAX_SIZE, resets: bool = True) -> asyncpg.Pool:
    """A pool that opens its connections when they are needed: `async with create_pool(dsn)`.

    It can be made while PostgreSQL is away. Without `resets` a connection is handed on as it is,
    which saves a round trip: for those who change no setting of it, and take no lock for long.
    """
    return asyncpg.create_pool(
        dsn,
        min_size=0,
        max_size=max_size,
        max_inactive_connection_lifetime=IDLE_SECONDS,
        reset=None if resets else _leave_as_it_is,
        connect=_connect,
        **_connect_arguments(),
    )


async def _leave_as_it_is(_: asyncpg.Connection) -> None:
    """What a pool does with a connection that comes back."""


async def close(connection: asyncpg.Connection) -> None:
    """Close in good order if the server plays along, else let go of it."""
    try:
        await connection.close(timeout=CLOSE_TIMEOUT_SECONDS)
    except DATABASE_ERRORS:
        connection.terminate()


async def _connect(dsn: str, **arguments: Any) -> asyncpg.Connection:
    """A connection to the first host of `dsn` that lets us in. Raises the first one's error.

    asyncpg gives one time-out to all of them together: the first, if it swallows packets as a
    machine does that is switched off, would use it up each time, and the next never be asked.
    """
    waiting = hosts_of(dsn)
    if len(waiting) == 1:
        return await asyncpg.connect(dsn, **arguments)
    attempts: set[asyncio.Task[asyncpg.Connection | BaseException]] = set()
    first_error: BaseException | None = None
    try:
        while waiting or attempts:
            if waiting:
                host = waiting.pop(0)
                attempts.add(spawn(_try(dsn, {**arguments, **host}), name=f"connect to {host}"))
            done, attempts = await asyncio.wait(
                attempts,
                timeout=HOST_STAGGER_SECONDS if waiting else None,
                return_when=asyncio.FIRST_COMPLETED,
            )
            for attempt in done:
                result = attempt.result()
                if not isinstance(result, BaseException):
                    attempts |= done - {attempt}  # To be dropped, should they have come as well.
                    return result
                first_error = first_error or result
    finally:
        for attempt in attempts:
            attempt.cancel()
            attempt.add_done_callback(_drop)
    raise first_error or OSError("no host")


async def _try(dsn: str, arguments: dict[str, Any]) -> asyncpg.Connection | BaseException:
    """A connection, or why there is none: as a value, since it is no defect of the task."""
    try:
        return await asyncpg.connect(dsn, **arguments)
    except DATABASE_ERRORS as error:
        return error


def _drop(attempt: asyncio.Task[asyncpg.Connection | BaseException]) -> None:
    """Close what was reached when nobody wanted it any more."""
    if not attempt.cancelled() and isinstance(result := attempt.result(), asyncpg.Connection):
        result.terminate()


def hosts_of(dsn: str) -> list[dict[str, Any]]:
    """What to tell asyncpg besides `dsn` to reach one host after the other; {} if there is one.

    Several stand in libpq's forms, `//a:5432,b:5433/name` and `?host=a,b&port=5432,5433`.
    """
    parts = urlsplit(dsn)
    query = parse_qs(parts.query)
    written = parts.netloc.rpartition("@")[2].split(",")
    if written == [""]:
        written = query.get("host", [""])[0].split(",")
    if len(written) < 2:
        return [{}]
    ports = query.get("port", [""])[0].split(",")
    ports = ports * len(written) if len(ports) == 1 else ports
    try:
        return [_host(text, port) for text, port in zip(written, ports, strict=True)]
    except ValueError:
        return [{}]  # asyncpg says better what is wrong with it.


def _host(text: str, other_port: str) -> dict[str, Any]:
    """`host`, `host:port` or `[IPv6]:port`; `other_port` stands elsewhere, or is ""."""
    host, bracket, rest = text.removeprefix("[").partition("]" if text.startswith("[") else ":")
    port = rest.removeprefix(":") if bracket else ""
    return {"host": unquote(host), "port": int(port or other_port or DEFAULT_PORT)}


def _connect_arguments() -> dict[str, Any]:
    return {
        "timeout": CONNECT_TIMEOUT_SECONDS,
        "command_timeout": COMMAND_TIMEOUT_SECONDS,
        "server_settings": dict(_SERVER_SETTINGS),
    }


def describe_dsn(dsn: str) -> str:
    """Where `dsn` leads, without its password: `postgresql://user@host:5432/name`."""
    try:
        parts = urlsplit(dsn)
        hosts = parts.netloc.rpartition("@")[2]
        port = parts.port if "," not in hosts else None
    except ValueError:
        return "an address that cannot be read"
    if parts.scheme not in ("postgresql", "postgres"):
        return "an address that is not postgresql://"
    query = parse_qs(parts.query)
    host = hosts if "," in hosts else parts.hostname or query.get("host", ["localhost"])[0]
    user = f"{parts.username}@" if parts.username else ""
    # A host that is a folder holds the server's socket; its port only names the socket's file.
    where = host if port is None or host.startswith("/") else f"{host}:{port}"
    return f"postgresql://{user}{where}{parts.path}"


def failure_in_words(error: BaseException) -> str:
    """What happened to the database, as an operator would say it; the server's own words if any."""
    match error:
        case asyncpg.CannotConnectNowError():
            return "PostgreSQL is starting or stopping"
        case asyncpg.PostgresConnectionError() | asyncpg.AdminShutdownError():
            return "the connection to PostgreSQL was lost"
        case asyncpg.PostgresError():
            return f"PostgreSQL says: {' '.join(str(error).split())}"
        case TimeoutError():
            return "PostgreSQL does not answer in time"
        case socket.gaierror():
            return "the name of PostgreSQL's server has no address"
        case OSError() if error.errno is not None:
            return f"PostgreSQL cannot be reached: {os.strerror(error.errno)}"
        case OSError():
            return "PostgreSQL cannot be reached"
        case asyncpg.InterfaceError() | asyncpg.InternalClientError():
            return "the connection to PostgreSQL was lost"
        case _:
            return " ".join(str(error).split()) or type(error).__name__


def explain_failure(dsn: str, error: BaseException) -> str:
    """One line that says which server failed and how, without the password."""
    reason = " ".join(str(error).split()) or type(error).__name__
    for secret in _secrets(dsn):
        reason = reason.replace(secret, "***")
    return f"cannot use PostgreSQL at {describe_dsn(dsn)}: {reason}; check database.dsn"


def _secrets(dsn: str) -> list[str]:
    """The password as written and unescaped, longest first."""
    try:
        parts = urlsplit(dsn)
    except ValueError:
        return []
    fields = [field.partition("=") for field in parts.query.split("&")]
    written = [parts.password or "", *(value for name, _, value in fields if name == "password")]
    found = {text for each in written if each for text in (each, unquote(each))}
    return sorted(found, key=len, reverse=True)
