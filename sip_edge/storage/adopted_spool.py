"""The spool that a dead process left behind, held by whoever found it until it is written."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from sip_edge.storage.call_spool import SpoolBatch
from sip_edge.storage.spool_folder import SpoolFolder
from sip_edge.storage.spool_segment import SUFFIX, Segment

if TYPE_CHECKING:
    from pathlib import Path


class AdoptedSpool:
    """The files in a locked folder, oldest first. Making one may raise OSError.

    A file that cannot be read now stands in nobody's way: it stays for the next who looks.
    """

    def __init__(self, folder: SpoolFolder) -> None:
        self._folder = folder
        self._has_leftovers = False
        for unfinished in folder.path.glob("*.new"):
            unfinished.unlink(missing_ok=True)
        paths = sorted(folder.path.glob(f"*{SUFFIX}"))
        self._segments = [Segment.find(path) for path in paths]

    @property
    def instance_id(self) -> str:
        """Whose calls these were."""
        return self._folder.instance_id

    @property
    def died_at(self) -> datetime:
        """When their process last gave a sign of life."""
        return datetime.fromtimestamp(self._folder.seen_alive_at, UTC)

    @property
    def rows(self) -> int:
        """Rows that the database has not committed, as far as we know."""
        return sum(segment.rows for segment in self._segments)

    @property
    def size(self) -> int:
        """Their bytes on the disk."""
        return sum(segment.size for segment in self._segments)

    def next_batch(self) -> SpoolBatch | None:
        """The oldest rows; the same ones again until they are removed. None if there are none."""
        while self._segments:
            segment = self._segments[0]
            try:
                found = segment.read()
            except OSError as error:
                self._has_leftovers |= not isinstance(error, FileNotFoundError)
                self._segments.pop(0)
            else:
                return SpoolBatch(found.sound, found.damaged, segment)
        return None

    def remove(self, batch: SpoolBatch) -> None:
        """The database has committed these rows."""
        if batch.segment is None:
            return
        self._segments.remove(batch.segment)
        try:
            batch.segment.remove()
        except OSError:
            self._has_leftovers = True

    def finish(self) -> None:
        """Nothing is left to write: remove the folder."""
        if self._has_leftovers:
            self._folder.release()
        else:
            self._folder.remove()

    def release(self) -> None:
        """Leave the rest to whoever finds it."""
        self._folder.release()


def adopt_dead_spools(parent: Path) -> list[AdoptedSpool]:
    """Take over the spools of all processes that have ended; what cannot be read stays there."""
    adopted = []
    for folder in SpoolFolder.find_dead(parent):
        try:
            adopted.append(AdoptedSpool(folder))
        except OSError:
            folder.release()
    return adopted
