"""What is said of a database, and what is kept quiet."""

from __future__ import annotations

import socket

import asyncpg
import pytest

from sip_edge.storage.pool import describe_dsn, explain_failure, failure_in_words, hosts_of


@pytest.mark.parametrize(
    ("dsn", "description"),
    [
        ("postgresql://edge:hunter2@db:5433/calls", "postgresql://edge@db:5433/calls"),
        ("postgres://db/calls", "postgresql://db/calls"),
        ("postgresql:///calls", "postgresql://localhost/calls"),
        ("postgresql://edge@/calls?host=/run/pg&port=5432", "postgresql://edge@/run/pg/calls"),
        ("postgresql://db/calls?password=hunter2&user=x", "postgresql://db/calls"),
        ("postgresql://edge:hunter2@a:1,b:2/calls", "postgresql://edge@a:1,b:2/calls"),
        ("postgresql://db:port/calls", "an address that cannot be read"),
        ("postgresql://[::1/calls", "an address that cannot be read"),
        ("mysql://edge:hunter2@db/calls", "an address that is not postgresql://"),
        ("host=db password=hunter2", "an address that is not postgresql://"),
    ],
)
def test_dsn_is_described_without_its_password(dsn: str, description: str) -> None:
    assert describe_dsn(dsn) == description


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://edge:p%40ss@db/calls",
        "postgresql://edge@db/calls?password=p%40ss",
    ],
)
def test_failure_is_one_line_without_the_password(dsn: str) -> None:
    error = OSError("no such password:\n'p%40ss' or 'p@ss'")

    assert explain_failure(dsn, error) == (
        "cannot use PostgreSQL at postgresql://edge@db/calls:"
        " no such password: '***' or '***'; check database.dsn"
    )


def test_failure_without_words_is_named_by_its_kind() -> None:
    assert explain_failure("postgresql://db/calls", TimeoutError()) == (
        "cannot use PostgreSQL at postgresql://db/calls: TimeoutError; check database.dsn"
    )


@pytest.mark.parametrize(
    ("dsn", "hosts"),
    [
        ("postgresql://edge:hunter2@db:5433/calls", [{}]),
        ("postgresql://edge@/calls?host=/run/pg&port=5432", [{}]),
        ("postgresql:///calls", [{}]),
        (
            "postgresql://edge:p%2C%40@a:1,b/calls",
            [{"host": "a", "port": 1}, {"host": "b", "port": 5432}],
        ),
        (
            "postgresql://[2001:db8::1]:6432,[2001:db8::2]/calls",
            [{"host": "2001:db8::1", "port": 6432}, {"host": "2001:db8::2", "port": 5432}],
        ),
        (
            "postgresql:///calls?host=a,b&port=1,2",
            [{"host": "a", "port": 1}, {"host": "b", "port": 2}],
        ),
        ("postgresql://a:http,b/calls", [{}]),
        ("postgresql:///calls?host=a,b&port=1,2,3", [{}]),
        (
            "postgresql:///calls?host=a,/run/pg&port=6432",
            [{"host": "a", "port": 6432}, {"host": "/run/pg", "port": 6432}],
        ),
    ],
)
def test_hosts_of_a_dsn_are_told_apart(dsn: str, hosts: list[dict[str, object]]) -> None:
    assert hosts_of(dsn) == hosts


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (ConnectionRefusedError(111, "Connect call failed ('127.0.0.1', 5432)"),
         "PostgreSQL cannot be reached: Connection refused"),
        (OSError("Multiple exceptions: [Errno 111]"), "PostgreSQL cannot be reached"),
        (socket.gaierror(-2, "Name or service not known"),
         "the name of PostgreSQL's server has no address"),
        (TimeoutError(), "PostgreSQL does not answer in time"),
        (asyncpg.CannotConnectNowError("the database system is starting up"),
         "PostgreSQL is starting or stopping"),
        (asyncpg.ConnectionDoesNotExistError("connection was closed in the middle of operation"),
         "the connection to PostgreSQL was lost"),
        (asyncpg.AdminShutdownError("terminating connection due to administrator command"),
         "the connection to PostgreSQL was lost"),
        (asyncpg.InterfaceError("connection is closed"), "the connection to PostgreSQL was lost"),
        (asyncpg.UndefinedTableError('relation "calls"\ndoes not exist'),
         'PostgreSQL says: relation "calls" does not exist'),
        (ValueError("something else"), "something else"),
        (ValueError(), "ValueError"),
    ],
)  # fmt: skip
def test_failure_is_told_in_words_of_an_operator(error: BaseException, words: str) -> None:
    assert failure_in_words(error) == words
