"""The steps of a purchase: each asks the carrier one thing and writes down what came of it.

Money is at stake in two places. `order` is the only call that spends it: it is made once for a
number, after the purchase was written down, and never again. Whatever becomes of that call (a
time-out, a dead process) is found out by asking for the order's reference. And a number that the
carrier has sold is either finished (ACTIVE) or given back (RELEASED); every step in between can be
made again by anybody.

    ORDERING --yes--> BOUGHT --attached--> ACTIVE --deleted--> RELEASING --> RELEASED
       |  \\--no--> FAILED   \\--cannot be finished--> RELEASING
       \\--nothing heard for long--> DOUBTFUL --turns up--> RELEASING
                                       \\--a day later--> FAILED
"""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, assert_never

from sip_edge.provisioning.carrier_port import (
    CarrierAccount,
    CarrierError,
    CarrierFault,
    Order,
    OrderState,
    OwnedNumber,
    TrunkHint,
    client_error,
)
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import NewNumber, Origin, Purchase, PurchaseState

if TYPE_CHECKING:
    from sip_edge.provisioning.number_ports import (
        PlatformAccounts,
        PurchaseObserver,
        PurchaseStore,
    )
    from sip_edge.provisioning.ports import WallClock

LEASE: Final = timedelta(seconds=90)
"""How long a purchase belongs to whoever works on it: more than one step can take (two requests
of 15 s, each asked three times)."""

FIRST_PAUSE: Final = timedelta(seconds=2)
LONGEST_PAUSE: Final = timedelta(minutes=10)
"""Between two attempts of the same step: from one to the other, doubled each time."""

SILENCE: Final = timedelta(minutes=15)
"""An order of which the carrier knows nothing for so long was most likely never received. Telnyx
lists new orders within seconds."""

DOUBT: Final = timedelta(hours=24)
"""How long such an order is asked for all the same."""

DOUBTFUL_PAUSE: Final = timedelta(hours=1)

UNFINISHED: Final = timedelta(hours=1)
LEAST_TRIES: Final = 5
"""A number that was bought and cannot be attached for so long is given back. Only if that was tried
so often: after an hour in which nobody worked here, the customer gets the number."""

_BUYING_COSTS_TIME: Final = timedelta(seconds=30)
"""Money is not spent in the last part of a lease: by then somebody else may have the purchase."""


class PurchaseSteps:
    """Makes steps of purchases. One at a time for one purchase; see `PurchaseStore.lease`."""

    def __init__(
        self,
        *,
        store: PurchaseStore,
        accounts: PlatformAccounts,
        observer: PurchaseObserver,
        clock: WallClock,
        origination_uri: str,
    ) -> None:
        self._store = store
        self._accounts = accounts
        self._observer = observer
        self._clock = clock
        self._origination_uri = origination_uri

    async def order(self, purchase: Purchase) -> Purchase:
        """Spend the money: call the carrier for a purchase that was just written down.

        Never called twice for one `reference`. A refusal makes the purchase FAILED.
        """
        account = self._account(purchase)
        if account is None or self._clock() + _BUYING_COSTS_TIME > purchase.due_at:
            return purchase
        try:
            order = await account.buy(
                purchase.phone_number, reference=purchase.reference, trunk_id=purchase.trunk_id
            )
        except CarrierError as error:
            if error.may_have_happened:
                self._observer.purchase_delayed(purchase, error.message)
                return await self._write(purchase, attempts=1)
            return await self._write(
                purchase, state=PurchaseState.FAILED, failure=client_error(error).code
            )
        return await self._ordered(purchase, order)

    async def advance(self, purchase: Purchase) -> Purchase:
        """Make the next step; the purchase as it is then, with the time of the next one.

        The same purchase comes back if somebody else works on it, or if it is final.
        """
        if purchase.is_final:
            return purchase
        account = self._account(purchase)
        if account is None:
            return await self._later(purchase, "the platform's account is not configured")
        try:
            after = await self._step(purchase, account)
        except CarrierError as error:
            after = await self._later(purchase, error.message, error.retry_after_seconds)
        return purchase if after.version == purchase.version else after

    async def _step(self, purchase: Purchase, account: CarrierAccount) -> Purchase:
        match purchase.state:
            case PurchaseState.ORDERING:
                return await self._look_up(purchase, account)
            case PurchaseState.DOUBTFUL:
                return await self._doubt(purchase, account)
            case PurchaseState.BOUGHT:
                return await self._finish(purchase, account)
            case PurchaseState.RELEASING:
                return await self._give_back(purchase, account)
            case PurchaseState.ACTIVE | PurchaseState.FAILED | PurchaseState.RELEASED:
                return purchase
            case _:
                assert_never(purchase.state)

    async def _look_up(self, purchase: Purchase, account: CarrierAccount) -> Purchase:
        order = await account.find_order(purchase.phone_number, reference=purchase.reference)
        if order is not None:
            return await self._ordered(purchase, order)
        if not purchase.is_order_known and self._age(purchase) >= SILENCE:
            return await self._write(
                purchase, state=PurchaseState.DOUBTFUL, failure=ErrorCode.CARRIER_UNAVAILABLE
            )
        return await self._later(purchase, "the carrier does not know the order")

    async def _ordered(self, purchase: Purchase, order: Order) -> Purchase:
        match order.state:
            case OrderState.BOUGHT:
                return await self._write(_with(purchase, order.number), state=PurchaseState.BOUGHT)
            case OrderState.PENDING:
                known = replace(purchase, is_order_known=True)
                return await self._later(known, "the order is pending at the carrier")
            case OrderState.REFUSED:
                refusal = CarrierError(order.fault or CarrierFault.UNKNOWN, "")
                return await self._write(
                    purchase, state=PurchaseState.FAILED, failure=client_error(refusal).code
                )
            case _:
                assert_never(order.state)

    async def _doubt(self, purchase: Purchase, account: CarrierAccount) -> Purchase:
        order = await account.find_order(purchase.phone_number, reference=purchase.reference)
        if order is not None and order.state is OrderState.BOUGHT:
            if await self._store.is_sold(purchase.phone_number):
                # Another purchase has brought it since, and somebody gets calls on it.
                return await self._write(purchase, state=PurchaseState.FAILED)
            return await self._write(_with(purchase, order.number), state=PurchaseState.RELEASING)
        is_open = order is not None and order.state is OrderState.PENDING
        if not is_open and self._age(purchase) >= DOUBT:
            return await self._write(purchase, state=PurchaseState.FAILED)
        return await self._later(purchase, "the carrier does not know the order")

    async def _finish(self, purchase: Purchase, account: CarrierAccount) -> Purchase:
        """Attach the number to the trunk if need be, and write its row."""
        owned = await account.find_number(purchase.phone_number)
        if self._age(purchase) >= UNFINISHED and purchase.attempts >= LEAST_TRIES:
            return await self._write(
                purchase, state=PurchaseState.RELEASING, failure=ErrorCode.CARRIER_UNAVAILABLE
            )
        if owned is None or not owned.is_ready:
            return await self._later(purchase, "the carrier does not show the number yet")
        if owned.trunk_id != purchase.trunk_id:
            # The trunk may be the reason: somebody may have deleted it.
            trunk_id = await account.ensure_trunk(self._origination_uri, TrunkHint())
            await account.attach(owned, trunk_id)
            purchase = replace(purchase, trunk_id=trunk_id)
        done = replace(
            _with(purchase, owned),
            state=PurchaseState.ACTIVE,
            state_since=self._clock(),
            attempts=0,
        )
        try:
            saved = await self._store.finish(done, _number_of(done))
        except ProvisioningError as error:
            if error.code is not ErrorCode.NUMBER_TAKEN:
                raise
            return await self._write(
                purchase, state=PurchaseState.RELEASING, failure=ErrorCode.NUMBER_TAKEN
            )
        return self._told(purchase, saved)

    async def _give_back(self, purchase: Purchase, account: CarrierAccount) -> Purchase:
        carrier_number_id = purchase.carrier_number_id
        if carrier_number_id is None:
            order = await account.find_order(purchase.phone_number, reference=purchase.reference)
            if order is None or order.number is None:
                return await self._later(purchase, "the number's id is not known")
            carrier_number_id = order.number.carrier_number_id
        if account.account_id is None and not await _is_its_own(account, purchase):
            # It would answer that there is no such number, and the real account would go on paying.
            return await self._later(purchase, "the account knows neither number nor order")
        await account.release(carrier_number_id)
        return await self._write(purchase, state=PurchaseState.RELEASED)

    async def _later(
        self, purchase: Purchase, reason: str, retry_after_seconds: float | None = None
    ) -> Purchase:
        """Nothing has changed; say when to try again."""
        self._observer.purchase_delayed(purchase, reason)
        pause = _pause(purchase.attempts)
        if purchase.state is PurchaseState.DOUBTFUL:
            pause = DOUBTFUL_PAUSE
        if retry_after_seconds is not None:
            pause = max(pause, timedelta(seconds=retry_after_seconds))
        waiting = replace(purchase, attempts=purchase.attempts + 1, due_at=self._clock() + pause)
        return await self._store.save(waiting) or purchase

    async def _write(
        self,
        purchase: Purchase,
        *,
        state: PurchaseState | None = None,
        failure: ErrorCode | None = None,
        attempts: int = 0,
    ) -> Purchase:
        """Write a step that has been made; the next one may be made at once, by us."""
        now = self._clock()
        after = replace(
            purchase,
            state=state or purchase.state,
            state_since=now if state is not None else purchase.state_since,
            failure=failure or purchase.failure,
            attempts=attempts,
            due_at=now + LEASE,
        )
        return self._told(purchase, await self._store.save(after))

    def _told(self, before: Purchase, saved: Purchase | None) -> Purchase:
        """What was saved, and everybody told; what was there before if somebody else was faster."""
        if saved is None:
            return before
        if saved.state is not before.state:
            self._observer.purchase_moved(saved, before.state)
        return saved

    def _account(self, purchase: Purchase) -> CarrierAccount | None:
        """The account that the purchase was made on, and no other."""
        account = self._accounts.account(purchase.provider)
        if account is None or account.account_id != purchase.account_id:
            return None
        return account

    def _age(self, purchase: Purchase) -> timedelta:
        return self._clock() - purchase.state_since


async def _is_its_own(account: CarrierAccount, purchase: Purchase) -> bool:
    """True if an account that has no id is the one that the purchase was made on."""
    if await account.find_number(purchase.phone_number) is not None:
        return True
    order = await account.find_order(purchase.phone_number, reference=purchase.reference)
    return order is not None


def _pause(attempts: int) -> timedelta:
    doubled: int = 1 << min(attempts, 16)
    return min(FIRST_PAUSE * doubled, LONGEST_PAUSE)


def _with(purchase: Purchase, number: OwnedNumber | None) -> Purchase:
    """The purchase with what the carrier says of its number."""
    if number is None:
        return purchase
    return replace(
        purchase,
        is_order_known=True,
        carrier_number_id=number.carrier_number_id,
        sms_capable=purchase.sms_capable if number.sms_capable is None else number.sms_capable,
    )


def _number_of(purchase: Purchase) -> NewNumber:
    return NewNumber(
        id=purchase.number_id,
        workspace_id=purchase.workspace_id,
        phone_number=purchase.phone_number,
        friendly_name=purchase.friendly_name,
        provider=purchase.provider,
        agent_id=purchase.agent_id,
        inbound_routing=purchase.inbound_routing,
        inbound_trunk_id=purchase.trunk_id,
        sms_capable=purchase.sms_capable,
        origin=Origin.PURCHASED,
        is_verified=True,
        carrier_number_id=purchase.carrier_number_id,
        provider_config=account_config(purchase.provider, purchase.account_id),
    )


def account_config(provider: str, account_id: str | None) -> dict[str, str]:
    """What `provider_config` says of the account, once it is proved: calls are held against it."""
    if provider != "twilio" or account_id is None:
        return {}
    return {"account_sid": account_id}
