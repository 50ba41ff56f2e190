"""What is said of a database, and what is kept quiet."""

from __future__ import annotations

import pytest

from sip_edge.storage.pool import describe_dsn, explain_failure


@pytest.mark.parametrize(
    ("dsn", "description"),
    [
        ("postgresql://edge:hunter2@db:5433/calls", "postgresql://edge@db:5433/calls"),
        ("postgres://db/calls", "postgresql://db/calls"),
        ("postgresql:///calls", "postgresql://localhost/calls"),
        ("postgresql://edge@/calls?host=/run/pg&port=5432", "postgresql://edge@/run/pg/calls"),
        ("postgresql://db/calls?password=hunter2&user=x", "postgresql://db/calls"),
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
