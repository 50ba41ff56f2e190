"""The sessions of an endpoint: found by number, by dialog, or by the INVITE that made them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.dialog.inbound_session import InboundSession
from sip_edge.sip.dialog.outbound_session import OutboundSession
from sip_edge.sip.timers import DeadlineQueue

if TYPE_CHECKING:
    from sip_edge.sip.dialog.dialog import DialogId
    from sip_edge.sip.transaction.key import OriginKey

Session = InboundSession | OutboundSession

MAX_REQUESTS: Final = 512
REQUESTS_SECONDS: Final = 32.0
"""What one call may ask in the time for which each request is remembered (64*T1): keys by INFO come
ten a second. A call that asks more must not use up the transactions of all others."""


class SessionTable:
    """Keeps sessions until they are over. `settle` is to be called after each input to one."""

    def __init__(self) -> None:
        self._sessions: dict[int, Session] = {}
        self._dialogs: dict[DialogId, Session] = {}
        self._dialog_ids: dict[int, DialogId] = {}
        self._origins: dict[OriginKey, Session] = {}
        self._lingering: set[int] = set()
        self._deadlines: DeadlineQueue[int] = DeadlineQueue()
        self._asked: dict[int, tuple[float, int]] = {}
        self._last_number = 0

    def __len__(self) -> int:
        return len(self._sessions)

    @property
    def live(self) -> int:
        """Sessions that have a dialog, or may get one."""
        return len(self._sessions) - len(self._lingering)

    def next_number(self) -> int:
        """A number for a new session. They are never used twice."""
        self._last_number += 1
        return self._last_number

    def add(self, session: Session) -> None:
        """Take in a new session."""
        self._sessions[session.number] = session
        if session.origin is not None:
            self._origins[session.origin] = session
        self.settle(session)

    def get(self, number: int) -> Session | None:
        """A session by its number."""
        return self._sessions.get(number)

    def find(self, dialog_id: DialogId) -> Session | None:
        """The session that owns a dialog."""
        return self._dialogs.get(dialog_id)

    def find_origin(self, origin: OriginKey) -> Session | None:
        """The session that an INVITE has made, on whatever way it comes again."""
        return self._origins.get(origin)

    def may_ask(self, session: Session, now: float) -> bool:
        """False if the peer has sent too many requests within this dialog of late."""
        since, count = self._asked.get(session.number, (now, 0))
        if now - since >= REQUESTS_SECONDS:
            since, count = now, 0
        self._asked[session.number] = (since, count + 1)
        return count < MAX_REQUESTS

    def settle(self, session: Session) -> None:
        """Note what an input has changed: the dialog, the deadline, the end."""
        number = session.number
        if number not in self._sessions:
            return
        if session.is_over:
            self._remove(session)
            return
        if session.is_lingering:
            self._lingering.add(number)
        dialog_id = session.dialog_id
        if dialog_id is not None and self._dialog_ids.get(number) != dialog_id:
            self._forget_dialog(number)
            self._dialog_ids[number] = dialog_id
            self._dialogs[dialog_id] = session
        self._deadlines.set(number, session.next_timeout())

    def next_timeout(self) -> float | None:
        """The nearest deadline of all sessions."""
        return self._deadlines.next()

    def pop_due(self, now: float) -> Session | None:
        """A session whose timer is due: `handle_timer` is to be called with it, then `settle`."""
        number = self._deadlines.pop_due(now)
        return None if number is None else self._sessions[number]

    def _remove(self, session: Session) -> None:
        number = session.number
        del self._sessions[number]
        self._lingering.discard(number)
        self._asked.pop(number, None)
        self._deadlines.set(number, None)
        self._forget_dialog(number)
        if session.origin is not None:
            self._origins.pop(session.origin, None)

    def _forget_dialog(self, number: int) -> None:
        dialog_id = self._dialog_ids.pop(number, None)
        if dialog_id is not None:
            self._dialogs.pop(dialog_id, None)
