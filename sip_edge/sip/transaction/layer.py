"""All transactions of an endpoint: found by key, timed by one heap, forgotten when over."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from sip_edge.sip.timers import DeadlineQueue, TimerSettings
from sip_edge.sip.transaction.invite_client import InviteClientTransaction
from sip_edge.sip.transaction.invite_server import InviteServerTransaction
from sip_edge.sip.transaction.non_invite_client import ClientTransaction
from sip_edge.sip.transaction.non_invite_server import ServerTransaction

if TYPE_CHECKING:
    from sip_edge.sip.effects import Send, SendTo
    from sip_edge.sip.flow import Flow, NextHop
    from sip_edge.sip.message import Request, Response
    from sip_edge.sip.transaction.effects import TransactionEffect
    from sip_edge.sip.transaction.key import ClientKey, OriginKey, ServerKey

AnyServerTransaction = InviteServerTransaction | ServerTransaction
AnyClientTransaction = InviteClientTransaction | ClientTransaction
AnyTransaction = AnyServerTransaction | AnyClientTransaction

RESERVED_SHARE: Final = 4
"""A quarter of the limit on top of it is kept for requests within dialogs: BYE frees resources."""


class TransactionLayer:
    """Creates, finds, times and forgets transactions; requests of our own are never refused.

    Every input to a transaction goes through here, so that its deadline and its end are noticed.
    """

    def __init__(self, *, settings: TimerSettings, limit: int) -> None:
        self._settings = settings
        self._limit = limit
        self._servers: dict[ServerKey, AnyServerTransaction] = {}
        self._clients: dict[ClientKey, AnyClientTransaction] = {}
        self._origins: dict[OriginKey, ServerKey] = {}
        self._refused: dict[ServerKey, float] = {}
        self._turned_away: dict[ServerKey, float] = {}
        self._deadlines: DeadlineQueue[AnyTransaction] = DeadlineQueue()

    def __len__(self) -> int:
        return len(self._servers) + len(self._clients)

    @property
    def is_full(self) -> bool:
        """True when no new call or query is to be taken on."""
        return len(self) >= self._limit

    @property
    def is_overfull(self) -> bool:
        """True when not even a request within a dialog is to be taken on."""
        return len(self) >= self._limit + self._limit // RESERVED_SHARE

    @property
    def has_clients(self) -> bool:
        """True while a request of ours is under way."""
        return bool(self._clients)

    def find_server(self, key: ServerKey) -> AnyServerTransaction | None:
        """The server transaction that a request belongs to (17.2.3)."""
        return self._servers.get(key)

    def find_client(self, key: ClientKey) -> AnyClientTransaction | None:
        """The client transaction that a response belongs to (17.1.3)."""
        return self._clients.get(key)

    def find_origin(self, origin: OriginKey) -> ServerKey | None:
        """The ongoing transaction of a request that has come another way (8.2.2.2)."""
        return self._origins.get(origin)

    def is_refused(self, key: ServerKey, now: float) -> bool:
        """True for an INVITE that was refused less than 64*T1 ago, though its transaction is over.

        It is then a straggler of the network. One INVITE is one call, also where its caller was
        quick to acknowledge the refusal, or where a stream left timer I no time at all.
        """
        return self._refused.get(key, 0.0) > now

    def turn_away(self, key: ServerKey, now: float) -> None:
        """Note an INVITE that is refused for want of room, without a transaction.

        If a repetition of it found room, a call would begin of which its caller has heard the end.
        """
        turned_away = self._turned_away
        _make_room(turned_away, self._limit, now)
        turned_away[key] = now + self._settings.timeout

    def is_turned_away(self, key: ServerKey, now: float) -> bool:
        """True for the repetition of such an INVITE: it is to be refused like the first."""
        return self._turned_away.get(key, 0.0) > now

    def open_invite(
        self, key: ServerKey, flow: Flow, *, local_tag: str, origin: OriginKey | None, session: int
    ) -> InviteServerTransaction:
        """Start a transaction for an INVITE. `origin` is None for a request within a dialog."""
        transaction = InviteServerTransaction(
            key=key,
            flow=flow,
            settings=self._settings,
            local_tag=local_tag,
            origin=origin,
            session=session,
        )
        self._servers[key] = transaction
        if origin is not None:
            self._origins[origin] = key
        return transaction

    def open(self, key: ServerKey, flow: Flow, *, origin: OriginKey | None) -> ServerTransaction:
        """Start a transaction for any other request."""
        transaction = ServerTransaction(key=key, flow=flow, settings=self._settings, origin=origin)
        self._servers[key] = transaction
        if origin is not None:
            self._origins[origin] = key
        return transaction

    def receive_request(
        self, transaction: AnyServerTransaction, request: Request, now: float
    ) -> list[TransactionEffect]:
        """A request that belongs to `transaction`, after the one that started it."""
        effects = transaction.receive_request(request, now)
        self._settle_server(transaction, now)
        return effects

    def respond(
        self, transaction: AnyServerTransaction, response: Response, now: float
    ) -> list[Send]:
        """Answer a request. Empty if the transaction cannot send this response any more."""
        effects = transaction.send_response(response, now)
        self._settle_server(transaction, now)
        return effects

    def start_invite(
        self, request: Request, hop: NextHop, flow: Flow | None, *, session: int, now: float
    ) -> tuple[InviteClientTransaction, list[SendTo]]:
        """Send an INVITE of ours."""
        transaction = InviteClientTransaction(
            request=request,
            hop=hop,
            flow=flow,
            settings=self._settings,
            session=session,
        )
        self._clients[transaction.key] = transaction
        effects = transaction.start(now)
        self._settle_client(transaction)
        return transaction, effects

    def start(
        self, request: Request, hop: NextHop, flow: Flow | None, *, session: int, now: float
    ) -> list[SendTo]:
        """Send any other request of ours but ACK."""
        transaction = ClientTransaction(
            request=request,
            hop=hop,
            flow=flow,
            settings=self._settings,
            session=session,
        )
        self._clients[transaction.key] = transaction
        effects = transaction.start(now)
        self._settle_client(transaction)
        return effects

    def receive_response(
        self, transaction: AnyClientTransaction, response: Response, now: float
    ) -> list[TransactionEffect]:
        """A response that belongs to `transaction`."""
        effects = transaction.receive_response(response, now)
        self._settle_client(transaction)
        return effects

    def transport_failed(self, transaction: AnyClientTransaction) -> list[TransactionEffect]:
        """A request of `transaction` could not be sent."""
        effects = transaction.transport_failed()
        self._settle_client(transaction)
        return effects

    def flow_closed(self, flow: Flow) -> list[SendTo]:
        """A connection is gone: what was sent on it and has no answer goes out again."""
        return [send for client in self._clients.values() for send in client.flow_closed(flow)]

    def abandon(self, transaction: InviteClientTransaction) -> None:
        """End a cancelled INVITE that never got its final response (9.1)."""
        transaction.abandon()
        self._settle_client(transaction)

    def give_up(self, transaction: InviteClientTransaction, now: float) -> None:
        """Wait no longer than 64*T1 for the final response to an INVITE whose session is over."""
        transaction.give_up(now)
        self._settle_client(transaction)

    def next_timeout(self) -> float | None:
        """The nearest deadline of all transactions."""
        return self._deadlines.next()

    def pop_due(self, now: float) -> AnyTransaction | None:
        """A transaction whose timer is due: `handle_timer` is to be called with it."""
        return self._deadlines.pop_due(now)

    def handle_timer(self, transaction: AnyTransaction, now: float) -> list[TransactionEffect]:
        """Fire the due timer of a transaction that `pop_due` returned."""
        effects = transaction.handle_timer(now)
        match transaction:
            case InviteServerTransaction() | ServerTransaction():
                self._settle_server(transaction, now)
            case InviteClientTransaction() | ClientTransaction():
                self._settle_client(transaction)
        return effects

    def _settle_server(self, transaction: AnyServerTransaction, now: float) -> None:
        self._deadlines.set(transaction, transaction.next_timeout())
        if transaction.is_terminated:
            self._servers.pop(transaction.key, None)
            if isinstance(transaction, InviteServerTransaction):
                self._remember(transaction, now)
        origin = transaction.origin
        if (
            origin is not None
            and not transaction.is_ongoing
            and self._origins.get(origin) == transaction.key
        ):
            del self._origins[origin]

    def _remember(self, transaction: InviteServerTransaction, now: float) -> None:
        """Note a refused INVITE that began a call; those whose time is up make room.

        They are in the order in which they ended, which is nearly the one in which they expire.
        """
        refused = self._refused
        _make_room(refused, self._limit, now)
        if transaction.origin is not None and transaction.absorbs_until > now:
            refused[transaction.key] = transaction.absorbs_until

    def _settle_client(self, transaction: AnyClientTransaction) -> None:
        self._deadlines.set(transaction, transaction.next_timeout())
        if transaction.is_terminated:
            self._clients.pop(transaction.key, None)


def _make_room(remembered: dict[ServerKey, float], limit: int, now: float) -> None:
    """Forget the oldest ones, as long as their time is up or there are too many."""
    while remembered:
        oldest = next(iter(remembered))
        if remembered[oldest] > now and len(remembered) < limit:
            break
        del remembered[oldest]
