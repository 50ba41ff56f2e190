"""Buying a number on the platform's own account, and wiring it to an agent, in one request.

The request makes the steps of `purchase_steps` itself while its client waits, and leaves the rest
to the reconciler: a purchase that takes longer is answered with status `pending` and the id that
the number will have. Answering with an error instead would invite the client to buy another one.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID, uuid4

from sip_edge.provisioning.carrier_port import (
    CarrierAccount,
    CarrierError,
    SearchQuery,
    TrunkHint,
    client_error,
)
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import (
    NumberStatus,
    Origin,
    PhoneNumber,
    Purchase,
    PurchaseRequest,
    PurchaseState,
    limit_reached,
    routing_agents,
)
from sip_edge.provisioning.purchase_steps import LEASE

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Sequence

    from sip_edge.provisioning.carrier_port import AvailableNumber
    from sip_edge.provisioning.number_ports import (
        AgentCheck,
        NumberStore,
        PlatformAccounts,
        PurchaseObserver,
        PurchaseStore,
    )
    from sip_edge.provisioning.ports import WallClock
    from sip_edge.provisioning.purchase_steps import PurchaseSteps

MAX_CANDIDATES: Final = 5
"""How many numbers are tried when the first ones are gone by the time they are ordered."""

PATIENCE: Final = timedelta(seconds=12)
"""How long a client waits for an order that is pending; Telnyx takes seconds, most of the time."""

POLL_SECONDS: Final = 0.5

JOIN_RETRY_SECONDS: Final = 5.0
"""When to ask again about a number that is being bought with other wishes."""

_MESSAGES: Final = {
    ErrorCode.NUMBER_UNAVAILABLE: "The carrier does not have this number for sale any more.",
    ErrorCode.REGULATORY_BUNDLE_REQUIRED: (
        "The carrier needs an address or a regulatory bundle for numbers of this kind."
    ),
    ErrorCode.CARRIER_RATE_LIMITED: "The carrier asks for fewer requests. Nothing was bought.",
    ErrorCode.NUMBER_TAKEN: "The number was registered by its owner meanwhile.",
}
_FAILED: Final = "The carrier did not sell the number. Nothing was bought."


class Purchases:
    """Searches for numbers and buys them. Raises ProvisioningError alone."""

    def __init__(
        self,
        *,
        agents: AgentCheck,
        numbers: NumberStore,
        store: PurchaseStore,
        accounts: PlatformAccounts,
        steps: PurchaseSteps,
        observer: PurchaseObserver,
        clock: WallClock,
        sleep: Callable[[float], Awaitable[None]],
        origination_uri: str,
        most_numbers: int,
    ) -> None:
        """`most_numbers` is how many a workspace may have, those on their way included."""
        self._agents = agents
        self._numbers = numbers
        self._store = store
        self._accounts = accounts
        self._steps = steps
        self._observer = observer
        self._clock = clock
        self._sleep = sleep
        self._origination_uri = origination_uri
        self._most_numbers = most_numbers

    async def search(self, query: SearchQuery) -> Sequence[AvailableNumber]:
        """Numbers that the platform's carrier has for sale."""
        _, account = self._seller()
        try:
            return await account.search(query)
        except CarrierError as error:
            raise client_error(error) from error

    async def purchase(
        self, workspace_id: UUID, request: PurchaseRequest, idempotency_key: str | None = None
    ) -> PhoneNumber:
        """Buy a number; its row, or one with status `pending` if it is not settled yet.

        The same key, or the same number while it is being bought, buys once.
        """
        deadline = self._clock() + PATIENCE
        provider, account = self._seller()
        if idempotency_key is not None:
            known = await self._store.by_key(workspace_id, idempotency_key)
            if known is not None:
                return await self._join(known, request, idempotency_key, deadline)
        named = [request.agent_id, *routing_agents(request.inbound_routing)]
        await self._agents.require(workspace_id, named)
        most = self._most_numbers
        if not await self._store.has_room(workspace_id, request.phone_number, most=most):
            raise limit_reached(most)
        try:
            candidates = await self._candidates(account, request)
            trunk_id = await account.ensure_trunk(self._origination_uri, TrunkHint())
        except CarrierError as error:
            raise client_error(error) from error
        for phone_number in candidates:
            is_last = phone_number == candidates[-1]
            draft = self._draft(workspace_id, request, phone_number, provider, trunk_id)
            draft = replace(draft, idempotency_key=idempotency_key, account_id=account.account_id)
            try:
                purchase, is_new = await self._store.record(draft, most=most)
            except ProvisioningError as error:
                if is_last or error.code not in _NEXT_WILL_DO:
                    raise
                continue
            if not is_new:
                return await self._join(purchase, request, idempotency_key, deadline)
            self._observer.purchase_moved(purchase, None)
            purchase = await self._pursue(await self._steps.order(purchase), deadline)
            is_gone = purchase.state is PurchaseState.FAILED and purchase.failure in _NEXT_WILL_DO
            if not is_gone or is_last or self._clock() >= deadline:
                return await self._answer(purchase)
        raise ProvisioningError(ErrorCode.NO_NUMBER_FOUND, "No such number is for sale.")

    def _seller(self) -> tuple[str, CarrierAccount]:
        provider = self._accounts.provider
        account = None if provider is None else self._accounts.account(provider)
        if provider is None or account is None:
            raise ProvisioningError(
                ErrorCode.PURCHASING_DISABLED,
                "This installation has no carrier account of its own to buy numbers on"
                " (api.platform.provider and its credentials).",
            )
        return provider, account

    async def _candidates(self, account: CarrierAccount, request: PurchaseRequest) -> Sequence[str]:
        if request.phone_number is not None:
            return [request.phone_number]
        found = await account.search(
            SearchQuery(
                country=request.country,
                area_code=request.area_code,
                contains=request.contains,
                limit=MAX_CANDIDATES,
            )
        )
        if not found:
            raise ProvisioningError(ErrorCode.NO_NUMBER_FOUND, "No such number is for sale.")
        return [each.phone_number for each in found[:MAX_CANDIDATES]]

    def _draft(
        self,
        workspace_id: UUID,
        request: PurchaseRequest,
        phone_number: str,
        provider: str,
        trunk_id: str,
    ) -> Purchase:
        now = self._clock()
        return Purchase(
            id=uuid4(),
            workspace_id=workspace_id,
            number_id=uuid4(),
            provider=provider,
            account_id=None,
            phone_number=phone_number,
            agent_id=request.agent_id,
            friendly_name=request.friendly_name,
            inbound_routing=request.inbound_routing,
            idempotency_key=None,
            state=PurchaseState.ORDERING,
            trunk_id=trunk_id,
            state_since=now,
            due_at=now + LEASE,
            created_at=now,
        )

    async def _pursue(self, purchase: Purchase, deadline: datetime) -> Purchase:
        """Make steps until the purchase is settled or the client has waited long enough."""
        while not _is_settled(purchase) and self._clock() < deadline:
            after = await self._steps.advance(purchase)
            if after is purchase:
                # Somebody else works on it: see how far they have come.
                after = await self._store.find(purchase.id) or purchase
            if after.state is purchase.state and not _is_settled(after):
                await self._sleep(POLL_SECONDS)
            purchase = after
        if not _is_settled(purchase):
            # Let go of it: the reconciler need not wait for the lease to end, nor as long as if it
            # had asked as often.
            left = replace(purchase, due_at=self._clock(), attempts=0)
            if await self._store.save(left) is not None:
                self._observer.purchase_left_open(purchase)
        return purchase

    async def _join(
        self,
        purchase: Purchase,
        request: PurchaseRequest,
        idempotency_key: str | None,
        deadline: datetime,
    ) -> PhoneNumber:
        """The same request again: wait for what comes of the first one."""
        if not _is_same(purchase, request):
            if idempotency_key is not None and purchase.idempotency_key == idempotency_key:
                raise ProvisioningError(
                    ErrorCode.IDEMPOTENCY_KEY_REUSED,
                    "Another number was bought with this Idempotency-Key.",
                )
            raise ProvisioningError(
                ErrorCode.PURCHASE_PENDING,
                "This number is being bought already, with another agent or other routing.",
                retry_after_seconds=JOIN_RETRY_SECONDS,
            )
        while not _is_settled(purchase) and self._clock() < deadline:
            await self._sleep(POLL_SECONDS)
            purchase = await self._store.find(purchase.id) or purchase
        return await self._answer(purchase)

    async def _answer(self, purchase: Purchase) -> PhoneNumber:
        match purchase.state:
            case PurchaseState.ACTIVE:
                number = await self._numbers.find(purchase.workspace_id, purchase.number_id)
                if number is not None:
                    return number
                raise ProvisioningError(ErrorCode.NOT_FOUND, "The number was deleted meanwhile.")
            case PurchaseState.ORDERING | PurchaseState.BOUGHT:
                return unfinished_number(purchase)
            case _:
                code = purchase.failure or ErrorCode.NUMBER_UNAVAILABLE
                raise ProvisioningError(code, _MESSAGES.get(code, _FAILED))


def unfinished_number(purchase: Purchase) -> PhoneNumber:
    """What a client sees of a number that is not there yet, or will not be."""
    is_open = purchase.state in (PurchaseState.ORDERING, PurchaseState.BOUGHT)
    return PhoneNumber(
        id=purchase.number_id,
        workspace_id=purchase.workspace_id,
        phone_number=purchase.phone_number,
        friendly_name=purchase.friendly_name,
        provider=purchase.provider,
        agent_id=purchase.agent_id,
        status=(NumberStatus.PENDING if is_open else NumberStatus.FAILED).value,
        inbound_trunk_id=purchase.trunk_id if is_open else None,
        outbound_trunk_id=None,
        inbound_routing=purchase.inbound_routing,
        credential_id=None,
        sms_capable=purchase.sms_capable,
        origin=Origin.PURCHASED,
        is_verified=True,
        carrier_number_id=purchase.carrier_number_id,
        was_attached=False,
        previous_trunk_id=None,
        created_at=purchase.created_at,
        updated_at=purchase.state_since,
    )


_NEXT_WILL_DO: Final = frozenset({ErrorCode.NUMBER_UNAVAILABLE, ErrorCode.NUMBER_TAKEN})
"""Why one number cannot be bought that say nothing of the next one."""


def _is_same(purchase: Purchase, request: PurchaseRequest) -> bool:
    """True if the purchase is what the request asks for."""
    return (
        request.phone_number in (None, purchase.phone_number)
        and purchase.agent_id == request.agent_id
        and purchase.friendly_name == request.friendly_name
        and purchase.inbound_routing == request.inbound_routing
    )


def _is_settled(purchase: Purchase) -> bool:
    """True if the client need not wait: nothing that comes will change the answer."""
    return purchase.state not in (PurchaseState.ORDERING, PurchaseState.BOUGHT)
