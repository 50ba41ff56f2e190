"""The SQL that the edge runs, from files beside the code: `queries/*.sql`, `migrations/*.sql`."""

from __future__ import annotations

from importlib.resources import files
from typing import Final

_PACKAGE: Final = files("sip_edge.storage")


def load_query(name: str) -> str:
    """The text of `queries/<name>.sql`, without a closing semicolon."""
    text = _PACKAGE.joinpath("queries", f"{name}.sql").read_text(encoding="utf-8")
    return text.strip().removesuffix(";")


def load_migrations() -> list[tuple[str, str]]:
    """The name and text of each file in `migrations/`, by name."""
    folder = _PACKAGE.joinpath("migrations")
    found = [entry for entry in folder.iterdir() if entry.name.endswith(".sql")]
    return sorted((entry.name, entry.read_text(encoding="utf-8")) for entry in found)
