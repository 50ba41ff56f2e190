"""Sees to it that PostgreSQL gets a row for each message: at once, or when it is back.

What waits is on disk, in the spool; nothing is remembered here but how much it is. So a row is
written by whichever process finds its sidecar, also after a crash.
"""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

from sip_edge.logs import get_logger

if TYPE_CHECKING:
    from sip_edge.voicemail.disk import Offload
    from sip_edge.voicemail.message import Message, MessageStore
    from sip_edge.voicemail.results import RowResult, VoicemailObserver
    from sip_edge.voicemail.spool import MessageSpool

RETRY_SECONDS: Final = 5.0
"""While rows are missing: how often PostgreSQL is asked to take one."""
SEARCH_SECONDS: Final = 300.0
"""How often the spool is searched for what another process, now dead, has left."""
STORE_SECONDS: Final = 15.0
"""The store has limits of its own and keeps to them; this is in case that it does not."""

_log = get_logger("sip_edge.voicemail")


class Mailbox:
    """Delivers messages. `run` must run as long as it is used."""

    def __init__(
        self, *, spool: MessageSpool, offload: Offload, observer: VoicemailObserver
    ) -> None:
        self._spool = spool
        self._offload = offload
        self._observer = observer
        self._store: MessageStore | None = None
        self._is_away = False
        self._changed = asyncio.Event()
        self._undelivered = 0

    @property
    def undelivered(self) -> int:
        """How many messages had no row when that was last looked at."""
        return self._undelivered

    def connect(self, store: MessageStore) -> None:
        """There is a database now; before that all rows wait."""
        self._store = store
        self._is_away = False
        self._changed.set()

    async def deliver(self, message: Message) -> RowResult:
        """Write the row of a complete message, if PostgreSQL is there; otherwise it follows."""
        result: RowResult = "unavailable" if self._is_away else await self._insert(message)
        if result == "unavailable":
            self._undelivered += 1
            self._changed.set()
        else:
            await self._clear(str(message.id), result)
        return result

    async def run(self) -> None:
        """Deliver what waits until cancelled: now, whenever there is hope, and now and then."""
        while True:
            self._changed.clear()
            try:
                await self._deliver_all()
            except OSError as error:
                _log.error("voicemail_spool_unusable", problem=str(error))
            if self._undelivered and self._store is not None:
                # Not sooner, however many messages come meanwhile.
                await asyncio.sleep(RETRY_SECONDS)
            else:
                await self._wait_changed()

    async def _wait_changed(self) -> None:
        try:
            async with asyncio.timeout(SEARCH_SECONDS):
                await self._changed.wait()
        except TimeoutError:
            return

    async def _deliver_all(self) -> None:
        waiting = await self._offload(lambda: list(self._spool.undelivered()))
        self._undelivered = len(waiting)
        if self._store is None:
            return
        for message_id in waiting:
            if not await self._deliver_one(message_id):
                return

    async def _deliver_one(self, message_id: str) -> bool:
        """False if there is no use in going on."""
        try:
            message = await self._offload(lambda: self._spool.take_up(message_id))
        except OSError as error:
            _log.error("voicemail_spool_unusable", message=message_id, problem=str(error))
            return True  # The others may be in better shape.
        if message is not None:
            result = await self._insert(message)
            if result == "unavailable":
                return False
            _log.info("voicemail_row_written_late", call_id=message.call_id, result=result)
            await self._clear(message_id, result)
        self._undelivered -= 1
        return True

    async def _insert(self, message: Message) -> RowResult:
        if self._store is None:
            return "unavailable"
        result: RowResult
        try:
            async with asyncio.timeout(STORE_SECONDS):
                result = await self._store.insert(message)
        except TimeoutError:
            result = "unavailable"
        self._is_away = result == "unavailable"
        self._observer.row_written(result)
        return result

    async def _clear(self, message_id: str, result: RowResult) -> None:
        """Its row is written, or will never be."""
        try:
            if result == "stored":
                await self._offload(lambda: self._spool.forget(message_id))
            else:
                await self._offload(lambda: self._spool.set_aside(message_id))
                _log.error("voicemail_row_refused", message=message_id)
        except OSError as error:
            # It will be found again, and be written again, which changes nothing.
            _log.error("voicemail_spool_unusable", problem=str(error))
