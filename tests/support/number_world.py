"""Everything around the use cases of numbers and purchases, in memory."""

from __future__ import annotations

from uuid import UUID

from support.carrier_account import AccountInMemory
from support.number_stores import (
    InMemoryNumbers,
    InMemoryPurchases,
    KnownAgents,
    Tables,
    TestClock,
)

from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_ports import (
    AgentCheck,
    NumberStore,
    PlatformAccounts,
    PurchaseStore,
)
from sip_edge.provisioning.number_values import PhoneNumber, Purchase, PurchaseState
from sip_edge.provisioning.numbers import Numbers
from sip_edge.provisioning.ports import Credentials, SecretBox
from sip_edge.provisioning.purchase import Purchases
from sip_edge.provisioning.purchase_steps import PurchaseSteps
from sip_edge.provisioning.reconcile import Reconciler
from sip_edge.provisioning.values import CarrierCredentials

WORKSPACE = UUID("00000000-0000-4000-8000-000000000001")
OTHER_WORKSPACE = UUID("00000000-0000-4000-8000-000000000002")
AGENT = UUID("11111111-1111-4111-8111-111111111111")
FALLBACK = UUID("22222222-2222-4222-8222-222222222222")
CREDENTIAL = UUID("33333333-3333-4333-8333-333333333333")
ORIGINATION_URI = "sip:voice.oneinbox.ai:5060"
NUMBER = "+12025550100"

GONE = CarrierError(CarrierFault.NUMBER_GONE, "gone")
DOWN = CarrierError(CarrierFault.DOWN, "no connection")
NO_ANSWER = CarrierError(CarrierFault.DOWN, "no answer", may_have_happened=True)


class Observed:
    """See PurchaseObserver: remembers what it was told."""

    def __init__(self) -> None:
        self.moves: list[tuple[PurchaseState | None, PurchaseState]] = []
        self.delays: list[str] = []
        self.left_open: list[PurchaseState] = []
        self.overdue: list[int] = []
        self.claims: list[tuple[str, UUID]] = []
        self.left_attached: list[str] = []

    def purchase_moved(self, purchase: Purchase, before: PurchaseState | None) -> None:
        self.moves.append((before, purchase.state))

    def purchase_delayed(self, purchase: Purchase, reason: str) -> None:
        self.delays.append(reason)

    def purchase_left_open(self, purchase: Purchase) -> None:
        self.left_open.append(purchase.state)

    def number_claimed(self, number: PhoneNumber, lost_by: UUID) -> None:
        self.claims.append((number.phone_number, lost_by))

    def detach_failed(self, number: PhoneNumber, reason: str) -> None:
        self.left_attached.append(number.phone_number)


class OneAccount:
    """See PlatformAccounts: one account, at Twilio."""

    def __init__(self, account: AccountInMemory | None) -> None:
        self._account = account

    @property
    def provider(self) -> str | None:
        return None if self._account is None else "twilio"

    def account(self, provider: str) -> AccountInMemory | None:
        return self._account if provider == "twilio" else None


class Vault:
    """See Credentials and CarrierAccounts: one customer's account per credential."""

    def __init__(self) -> None:
        self.credentials_of: dict[tuple[UUID, UUID], CarrierCredentials] = {}
        self.accounts: dict[str, AccountInMemory] = {}

    def put(
        self, workspace_id: UUID, secret: str, *, provider: str = "twilio", sip_trunk: str = ""
    ) -> AccountInMemory:
        self.credentials_of[workspace_id, CREDENTIAL] = CarrierCredentials(
            provider=provider, account_sid="AC9", secret=secret, metadata={"sip_trunk": sip_trunk}
        )
        account = AccountInMemory(account_id="AC9")
        self.accounts[secret] = account
        return account

    async def credentials(self, workspace_id: UUID, credential_id: UUID) -> CarrierCredentials:
        found = self.credentials_of.get((workspace_id, credential_id))
        if found is None:
            raise ProvisioningError(ErrorCode.NOT_FOUND, "There is no such integration.")
        return found

    def open(self, credentials: CarrierCredentials) -> AccountInMemory:
        return self.accounts[credentials.secret]


class ReversingBox:
    """See SecretBox: what is sealed can be told from what is not, and no more."""

    def __init__(self, *, is_configured: bool = True) -> None:
        self.is_configured = is_configured

    def seal(self, plain: bytes, context: bytes) -> bytes:
        if not self.is_configured:
            raise ProvisioningError(ErrorCode.ENCRYPTION_NOT_CONFIGURED, "no key")
        return b"sealed:" + plain[::-1]

    def open(self, sealed: bytes, context: bytes) -> bytes:
        return sealed.removeprefix(b"sealed:")[::-1]


class NumberWorld:
    """One process over `tables`; several may share them and the carrier."""

    def __init__(
        self,
        *,
        tables: Tables | None = None,
        clock: TestClock | None = None,
        platform: AccountInMemory | None = None,
        numbers: NumberStore | None = None,
        purchases: PurchaseStore | None = None,
        accounts: PlatformAccounts | None = None,
        environment: dict[str, str] | None = None,
        has_key: bool = True,
        agents: AgentCheck | None = None,
        credentials: Credentials | None = None,
        box: SecretBox | None = None,
        most_numbers: int = 100,
    ) -> None:
        self.tables = tables or Tables()
        self.clock = clock or TestClock()
        self.platform = platform
        self.observed = Observed()
        self.vault = Vault()
        self.agents = agents or KnownAgents(
            (WORKSPACE, AGENT), (WORKSPACE, FALLBACK), (OTHER_WORKSPACE, AGENT)
        )
        self.number_store = numbers or InMemoryNumbers(self.tables)
        self.purchase_store = purchases or InMemoryPurchases(self.tables)
        platform_accounts = accounts or OneAccount(platform)
        self.steps = PurchaseSteps(
            store=self.purchase_store,
            accounts=platform_accounts,
            observer=self.observed,
            clock=self.clock,
            origination_uri=ORIGINATION_URI,
        )
        self.reconciler = Reconciler(
            store=self.purchase_store,
            steps=self.steps,
            clock=self.clock,
            tell_overdue=self.observed.overdue.append,
        )
        self.purchases = Purchases(
            agents=self.agents,
            numbers=self.number_store,
            store=self.purchase_store,
            accounts=platform_accounts,
            steps=self.steps,
            observer=self.observed,
            clock=self.clock,
            sleep=self.clock.sleep,
            origination_uri=ORIGINATION_URI,
            most_numbers=most_numbers,
        )
        self.numbers = Numbers(
            numbers=self.number_store,
            purchases=self.purchase_store,
            agents=self.agents,
            credentials=credentials or self.vault,
            accounts=self.vault,
            box=box or ReversingBox(is_configured=has_key),
            steps=self.steps,
            observer=self.observed,
            clock=self.clock,
            environment=environment or {},
            origination_uri=ORIGINATION_URI,
        )

    def only_purchase(self) -> Purchase:
        (purchase,) = self.tables.purchases.values()
        return purchase

    def states(self) -> list[str]:
        """The states of all purchases, in the order they were made."""
        return [each.state.value for each in self.tables.purchases.values()]
