"""The SQL files that come with the package."""

from __future__ import annotations

import pytest

from sip_edge.storage.sql import load_migrations, load_query


@pytest.mark.parametrize("name", ["agents", "numbers"])
def test_queries_are_read_without_their_closing_semicolon(name: str) -> None:
    query = load_query(name)

    assert "SELECT" in query
    assert not query.endswith((";", "\n"))


def test_migrations_are_numbered_without_a_gap() -> None:
    numbers = [int(name.partition("_")[0]) for name, _ in load_migrations()]

    assert numbers == list(range(1, len(numbers) + 1))


def test_first_migration_makes_the_tables_of_routing() -> None:
    name, text = load_migrations()[0]

    assert name == "0001_agents_and_phone_numbers.sql"
    assert "CREATE TABLE agents" in text
    assert "CREATE TABLE phone_numbers" in text
