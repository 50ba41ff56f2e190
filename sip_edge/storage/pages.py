"""Pages of rows by key set: one query a page, no row twice and none left out while others come.

Rows are sorted by an instant and the id, both descending, and a page begins after the last row of
the one before: the index finds the place at once, however deep it is.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar
from uuid import UUID

from sip_edge.provisioning.values import Page, PageRequest, Position

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from sip_edge.storage.control_database import ControlDatabase

T = TypeVar("T")

_START: Final = Position(
    datetime(9999, 12, 31, tzinfo=UTC), UUID("ffffffff-ffff-ffff-ffff-ffffffffffff")
)
"""Before every row."""


async def fetch_page(
    database: ControlDatabase,
    *,
    select: str,
    time_column: str,
    conditions: Mapping[str, object],
    request: PageRequest,
    read: Callable[[Any], T],
) -> Page[T]:
    """One page of `select` (`SELECT ... FROM ...`).

    `conditions` are expressions with `{}` in the place of their value, all fixed in the code; those
    whose value is None do not count.
    """
    wanted = [(text, value) for text, value in conditions.items() if value is not None]
    after = request.after or _START
    arguments = [after.at, after.id, request.limit + 1, *(value for _, value in wanted)]
    clauses = [text.format(f"${place}") for place, (text, _) in enumerate(wanted, start=4)]
    statement = (
        f"{select} WHERE {' AND '.join([*clauses, f'({time_column}, id) < ($1, $2)'])}"
        f" ORDER BY {time_column} DESC, id DESC LIMIT $3"
    )
    rows = await database.fetch(statement, *arguments)
    return _page(rows, time_column, request.limit, read)


def _page(rows: Sequence[Any], time_column: str, limit: int, read: Callable[[Any], T]) -> Page[T]:
    """A row more than was asked for says that there is another page."""
    kept = rows[:limit]
    more = len(rows) > limit
    last = Position(kept[-1][time_column], kept[-1]["id"]) if more else None
    return Page(tuple(read(row) for row in kept), last)
