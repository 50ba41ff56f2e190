"""Numbers and purchases, put together: their stores, the carriers' accounts, and the reconciler."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from sip_edge.carrier_accounts.opening import CarrierDoor, CarrierUrls
from sip_edge.logs import get_logger
from sip_edge.provisioning.carrier_port import CarrierError
from sip_edge.provisioning.errors import ProvisioningError
from sip_edge.provisioning.number_values import PurchaseState
from sip_edge.provisioning.numbers import Numbers
from sip_edge.provisioning.purchase import Purchases
from sip_edge.provisioning.purchase_steps import PurchaseSteps
from sip_edge.provisioning.reconcile import BATCH, PAUSE_SECONDS, Reconciler
from sip_edge.provisioning.values import CarrierCredentials
from sip_edge.storage.number_rows import PostgresNumbers
from sip_edge.storage.purchase_rows import PostgresPurchases
from sip_edge.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from uuid import UUID

    from sip_edge.config import ApiSettings
    from sip_edge.provisioning.carrier_port import CarrierAccount
    from sip_edge.provisioning.number_ports import AgentCheck
    from sip_edge.provisioning.number_values import PhoneNumber, Purchase
    from sip_edge.provisioning.ports import Credentials, SecretBox
    from sip_edge.storage.control_database import ControlDatabase

OUTAGE_PAUSE_SECONDS: Final = 5.0
"""Between two looks at a database that is away."""

MANY_ATTEMPTS: Final = 5
"""A step that was in vain so often (a minute's time) is worth a warning."""

_log = get_logger("sip_edge.purchases")


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberServices:
    """The use cases of numbers, and what works beside them."""

    numbers: Numbers
    purchases: Purchases
    reconciler: Reconciler
    platform: PlatformDoor


def make_number_services(
    api: ApiSettings,
    database: ControlDatabase,
    *,
    agents: AgentCheck,
    credentials: Credentials,
    box: SecretBox,
    environment: Mapping[str, str],
    count: Callable[[PurchaseState], None],
    tell_overdue: Callable[[int], None],
) -> NumberServices:
    """The use cases over PostgreSQL and the carriers' APIs.

    `environment` has the platform's credentials (TWILIO_ACCOUNT_SID and TWILIO_AUTH_TOKEN, or
    TELNYX_API_KEY) and its SIP trunks ({PROVIDER}_TRUNK_ADDRESS, …). `count` is told of each state
    that a purchase enters, `tell_overdue` again and again of how many take too long.
    """
    urls = api.carrier_urls
    door = CarrierDoor(
        CarrierUrls(
            twilio_api=urls.twilio, twilio_trunking=urls.twilio_trunking, telnyx=urls.telnyx
        )
    )
    platform = PlatformDoor(door, provider=api.platform.provider, environment=environment)
    numbers, purchases = PostgresNumbers(database), PostgresPurchases(database)
    observer = PurchaseLog(count)

    def steps_of(log: PurchaseLog) -> PurchaseSteps:
        return PurchaseSteps(
            store=purchases,
            accounts=platform,
            observer=log,
            clock=_now,
            origination_uri=api.origination_uri,
        )

    steps = steps_of(observer)
    return NumberServices(
        numbers=Numbers(
            numbers=numbers,
            purchases=purchases,
            agents=agents,
            credentials=credentials,
            accounts=door,
            box=box,
            steps=steps,
            observer=observer,
            clock=_now,
            environment=environment,
            origination_uri=api.origination_uri,
        ),
        purchases=Purchases(
            agents=agents,
            numbers=numbers,
            store=purchases,
            accounts=platform,
            steps=steps_of(PurchaseLog(count, is_polled=True)),
            observer=observer,
            clock=_now,
            sleep=asyncio.sleep,
            origination_uri=api.origination_uri,
            most_numbers=api.platform.max_numbers_per_workspace,
        ),
        reconciler=Reconciler(store=purchases, steps=steps, clock=_now, tell_overdue=tell_overdue),
        platform=platform,
    )


async def keep_reconciling(reconciler: Reconciler) -> None:
    """Work off purchases until cancelled, however long the database is away.

    A fault of ours ends one round and is logged and counted: the others' money is still at stake.
    """
    is_known = False
    while True:
        # A task of its own: whatever fails in it, this loop lives on.
        working = spawn(_round(reconciler), name="purchases")
        try:
            await asyncio.wait({working})
        finally:
            working.cancel()
        if working.exception() is not None:
            is_known = False
            await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
            continue
        found = working.result()
        if isinstance(found, ProvisioningError):
            if not is_known:
                _log.warning("reconciler_waits", reason=found.message)
            await asyncio.sleep(OUTAGE_PAUSE_SECONDS)
        elif found < BATCH:
            await asyncio.sleep(PAUSE_SECONDS)
        is_known = isinstance(found, ProvisioningError)


async def _round(reconciler: Reconciler) -> int | ProvisioningError:
    """How many purchases were due, or why nobody knows."""
    try:
        return await reconciler.run_once()
    except ProvisioningError as error:
        return error


class PlatformDoor:
    """See number_ports.PlatformAccounts. `aclose` at the end."""

    def __init__(
        self, door: CarrierDoor, *, provider: str | None, environment: Mapping[str, str]
    ) -> None:
        self._door = door
        self._provider = provider
        self._environment = environment
        self._open: dict[str, CarrierAccount] = {}

    @property
    def provider(self) -> str | None:
        """See PlatformAccounts.provider."""
        return self._provider

    def account(self, provider: str) -> CarrierAccount | None:
        """See PlatformAccounts.account."""
        known = self._open.get(provider)
        if known is not None:
            return known
        credentials = self._credentials(provider)
        if credentials is None:
            return None
        try:
            account = self._door.open(credentials)
        except CarrierError as error:
            _log.error("platform_account_unusable", provider=provider, reason=error.message)
            return None
        self._open[provider] = account
        return account

    async def aclose(self) -> None:
        """Close the accounts' connections."""
        while self._open:
            _, account = self._open.popitem()
            await account.aclose()

    def _credentials(self, provider: str) -> CarrierCredentials | None:
        sid, secret = None, self._environment.get("TELNYX_API_KEY", "")
        if provider == "twilio":
            sid = self._environment.get("TWILIO_ACCOUNT_SID", "")
            secret = self._environment.get("TWILIO_AUTH_TOKEN", "")
        if not secret or sid == "":
            return None
        return CarrierCredentials(provider=provider, account_sid=sid, secret=secret, metadata={})


class PurchaseLog:
    """See number_ports.PurchaseObserver: every step that money takes is a line in the log.

    `is_polled` is for the steps that a request makes each half second while its client waits: what
    they wait for is told once.
    """

    def __init__(self, count: Callable[[PurchaseState], None], *, is_polled: bool = False) -> None:
        self._count = count
        self._is_polled = is_polled

    def purchase_moved(self, purchase: Purchase, before: PurchaseState | None) -> None:
        """See PurchaseObserver.purchase_moved."""
        self._count(purchase.state)
        is_strange = purchase.state is PurchaseState.DOUBTFUL or (
            purchase.state is PurchaseState.RELEASING and before is not PurchaseState.ACTIVE
        )
        (_log.warning if is_strange else _log.info)(
            "purchase",
            state=purchase.state.value,
            before=None if before is None else before.value,
            failure=None if purchase.failure is None else purchase.failure.value,
            **_named(purchase),
        )

    def purchase_delayed(self, purchase: Purchase, reason: str) -> None:
        """See PurchaseObserver.purchase_delayed."""
        if self._is_polled and purchase.attempts > 0:
            return
        (_log.warning if purchase.attempts >= MANY_ATTEMPTS else _log.info)(
            "purchase_delayed",
            state=purchase.state.value,
            attempts=purchase.attempts,
            reason=reason,
            **_named(purchase),
        )

    def purchase_left_open(self, purchase: Purchase) -> None:
        """See PurchaseObserver.purchase_left_open."""
        _log.warning(
            "purchase_delayed",
            state=purchase.state.value,
            attempts=purchase.attempts,
            reason="its request has waited long enough",
            **_named(purchase),
        )

    def number_claimed(self, number: PhoneNumber, lost_by: UUID) -> None:
        """See PurchaseObserver.number_claimed."""
        _log.warning(
            "number_claimed",
            phone_number=number.phone_number,
            workspace_id=str(number.workspace_id),
            lost_by=str(lost_by),
        )

    def detach_failed(self, number: PhoneNumber, reason: str) -> None:
        """See PurchaseObserver.detach_failed."""
        _log.warning("number_left_attached", phone_number=number.phone_number, reason=reason)


def _named(purchase: Purchase) -> dict[str, str | None]:
    """What a purchase is found by: here, and at the carrier (its reference)."""
    return {
        "purchase_id": str(purchase.id),
        "reference": purchase.reference,
        "phone_number": purchase.phone_number,
        "provider": purchase.provider,
        "carrier_number_id": purchase.carrier_number_id,
        "workspace_id": str(purchase.workspace_id),
    }


def _now() -> datetime:
    return datetime.now(UTC)
