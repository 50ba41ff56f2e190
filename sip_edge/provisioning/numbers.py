"""Numbers: registered by customers who have them already, changed, deleted.

A number is registered once. Who registers it with credentials of the carrier's account that owns it
has proved it to be theirs (`is_verified`), and takes the place of somebody who has not: the old row
goes, with its outbound trunk, and is 404 for whoever had it. Without credentials nothing is asked
and only our side is written; calls come as soon as somebody at the carrier sends them here.

Rows that were written by SQL count as verified: the operator has put them there.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID, uuid4

from sip_edge.provisioning.carrier_port import CarrierError, TrunkHint, client_error
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import (
    NewNumber,
    NewOutboundTrunk,
    Origin,
    PurchaseState,
    routing_agents,
)
from sip_edge.provisioning.outbound import outbound_credentials, without_password
from sip_edge.provisioning.purchase import unfinished_number
from sip_edge.provisioning.purchase_steps import LEASE, account_config

if TYPE_CHECKING:
    from collections.abc import Mapping

    from sip_edge.provisioning.carrier_port import CarrierAccount, OwnedNumber
    from sip_edge.provisioning.number_ports import (
        AgentCheck,
        CarrierAccounts,
        NumberStore,
        PurchaseObserver,
        PurchaseStore,
    )
    from sip_edge.provisioning.number_values import (
        NumberFilter,
        PhoneNumber,
        Purchase,
        Registration,
    )
    from sip_edge.provisioning.ports import Credentials, SecretBox, WallClock
    from sip_edge.provisioning.purchase_steps import PurchaseSteps
    from sip_edge.provisioning.values import CarrierCredentials, JsonObject, Page, PageRequest

_RETRY_SECONDS: Final = 5.0
"""When to ask again about a number that is still being bought."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Proof:
    """What the carrier said of a number whose owner has shown credentials."""

    trunk_id: str
    number: OwnedNumber
    account_id: str | None
    was_attached: bool


class Numbers:
    """What may be done with numbers. Raises ProvisioningError alone.

    `environment` holds `{PROVIDER}_TRUNK_ADDRESS` and its companions.
    """

    def __init__(
        self,
        *,
        numbers: NumberStore,
        purchases: PurchaseStore,
        agents: AgentCheck,
        credentials: Credentials,
        accounts: CarrierAccounts,
        box: SecretBox,
        steps: PurchaseSteps,
        observer: PurchaseObserver,
        clock: WallClock,
        environment: Mapping[str, str],
        origination_uri: str,
    ) -> None:
        self._numbers = numbers
        self._purchases = purchases
        self._agents = agents
        self._credentials = credentials
        self._accounts = accounts
        self._box = box
        self._steps = steps
        self._observer = observer
        self._clock = clock
        self._environment = environment
        self._origination_uri = origination_uri

    async def register(self, workspace_id: UUID, wish: Registration) -> PhoneNumber:
        """Take in a number that the customer owns.

        Raises ProvisioningError: SIP_TRUNK_PROVISION_FAILED, AGENT_NOT_FOUND, NUMBER_TAKEN,
        CREDENTIAL_NOT_FOUND, PROVIDER_NOT_SUPPORTED, NUMBER_NOT_OWNED, CARRIER_… and
        ENCRYPTION_NOT_CONFIGURED (only where the customer brings a password).
        """
        outbound = self._outbound_trunk(workspace_id, wish)
        named = [wish.agent_id, *routing_agents(wish.inbound_routing)]
        await self._agents.require(workspace_id, named)
        holder = await self._numbers.holder(wish.phone_number)
        if holder is not None and (holder.is_verified or wish.credential_id is None):
            raise ProvisioningError(
                ErrorCode.NUMBER_TAKEN, "This number has been registered already."
            )
        proof = None
        if wish.credential_id is not None:
            proof = await self._prove(workspace_id, wish, wish.credential_id)
        added = await self._numbers.add(_new_number(workspace_id, wish, proof), outbound)
        if holder is not None and holder.workspace_id != workspace_id:
            self._observer.number_claimed(added, holder.workspace_id)
        return added

    async def get(self, workspace_id: UUID, number_id: UUID) -> PhoneNumber:
        """A number, also one that is still being bought. Raises ProvisioningError(NOT_FOUND)."""
        number = await self._numbers.find(workspace_id, number_id)
        if number is not None:
            return number
        purchase = await self._purchases.by_number(workspace_id, number_id)
        if purchase is None or not _is_worth_showing(purchase):
            raise _not_found()
        return unfinished_number(purchase)

    async def page(
        self, workspace_id: UUID, request: PageRequest, which: NumberFilter
    ) -> Page[PhoneNumber]:
        """The workspace's numbers, newest first; without those that are still being bought."""
        return await self._numbers.page(workspace_id, request, which)

    async def change(self, workspace_id: UUID, number_id: UUID, changes: JsonObject) -> PhoneNumber:
        """Write only what is in `changes`: agent_id, friendly_name, inbound_routing (whole).

        Raises ProvisioningError(NOT_FOUND, AGENT_NOT_FOUND, PURCHASE_PENDING).
        """
        if not changes:
            return await self.get(workspace_id, number_id)
        named = routing_agents(changes.get("inbound_routing"))
        if "agent_id" in changes:
            named.append(changes["agent_id"])
        await self._agents.require(workspace_id, named)
        changed = await self._numbers.update(workspace_id, number_id, changes)
        if changed is None:
            raise await self._absent(workspace_id, number_id)
        return changed

    async def delete(self, workspace_id: UUID, number_id: UUID) -> None:
        """Release a number. Calls to it are refused from now on.

        One that was bought is given back to the carrier, now or by the reconciler; one of the
        customer's own is taken off the trunk that we put it on, if the carrier plays along.
        Raises ProvisioningError(NOT_FOUND, PURCHASE_PENDING).
        """
        number = await self._numbers.find(workspace_id, number_id)
        if number is None:
            raise await self._absent(workspace_id, number_id)
        if number.origin is Origin.PURCHASED:
            await self._give_back(workspace_id, number_id)
            return
        removed = await self._numbers.remove(workspace_id, number_id)
        if removed is None:
            raise _not_found()
        if removed.credential_id is not None and removed.was_attached:
            await self._detach(removed, removed.credential_id)

    async def _give_back(self, workspace_id: UUID, number_id: UUID) -> None:
        now = self._clock()
        purchase = await self._purchases.give_back(
            workspace_id, number_id, now=now, due_at=now + LEASE
        )
        if purchase is None:
            raise _not_found()
        self._observer.purchase_moved(purchase, PurchaseState.ACTIVE)
        try:
            await self._steps.advance(purchase)
        except ProvisioningError:
            # It is written down that it must go back: the reconciler will see to it.
            return

    async def _absent(self, workspace_id: UUID, number_id: UUID) -> ProvisioningError:
        """Why there is no row of this id."""
        purchase = await self._purchases.by_number(workspace_id, number_id)
        if purchase is not None and purchase.state in (
            PurchaseState.ORDERING,
            PurchaseState.BOUGHT,
        ):
            return ProvisioningError(
                ErrorCode.PURCHASE_PENDING,
                "This number is still being bought.",
                retry_after_seconds=_RETRY_SECONDS,
            )
        return _not_found()

    def _outbound_trunk(self, workspace_id: UUID, wish: Registration) -> NewOutboundTrunk:
        chosen = outbound_credentials(wish.provider, wish.provider_config, self._environment)
        trunk_id = uuid4()
        sealed = None
        if chosen.password is not None:
            context = outbound_context(workspace_id, trunk_id)
            sealed = self._box.seal(chosen.password.encode(), context)
        return NewOutboundTrunk(
            id=trunk_id,
            trunk_address=chosen.trunk_address,
            auth_username=chosen.auth_username,
            sealed_password=sealed,
        )

    async def _prove(self, workspace_id: UUID, wish: Registration, credential_id: UUID) -> _Proof:
        """Ask the carrier whose number it is, and bring its calls here."""
        try:
            credentials = await self._credentials.credentials(workspace_id, credential_id)
        except ProvisioningError as error:
            if error.code is not ErrorCode.NOT_FOUND:
                raise
            raise ProvisioningError(
                ErrorCode.CREDENTIAL_NOT_FOUND, "There is no integration with this credential_id."
            ) from error
        if credentials.provider != wish.provider:
            raise ProvisioningError(
                ErrorCode.PROVIDER_NOT_SUPPORTED,
                f"credential_id is of {credentials.provider}, the number of {wish.provider}.",
            )
        try:
            account = self._accounts.open(credentials)
        except CarrierError as error:
            raise client_error(error) from error
        try:
            return await self._set_up(account, wish, credentials)
        except CarrierError as error:
            raise client_error(error) from error
        finally:
            await account.aclose()

    async def _set_up(
        self, account: CarrierAccount, wish: Registration, credentials: CarrierCredentials
    ) -> _Proof:
        owned = await account.find_number(wish.phone_number)
        if owned is None or not owned.is_ready:
            raise ProvisioningError(
                ErrorCode.NUMBER_NOT_OWNED,
                f"This account at {wish.provider} does not own the number.",
            )
        hint = TrunkHint(domain=_domain(wish, credentials), trunk_id=owned.trunk_id)
        trunk_id = await account.ensure_trunk(self._origination_uri, hint)
        was_attached = owned.trunk_id != trunk_id
        if was_attached:
            await account.attach(owned, trunk_id)
        return _Proof(
            trunk_id=trunk_id,
            number=owned,
            account_id=account.account_id,
            was_attached=was_attached,
        )

    async def _detach(self, number: PhoneNumber, credential_id: UUID) -> None:
        """Undo what registering has done at the carrier, unless somebody has changed it since."""
        trunk_id = number.inbound_trunk_id
        try:
            credentials = await self._credentials.credentials(number.workspace_id, credential_id)
            account = self._accounts.open(credentials)
        except (ProvisioningError, CarrierError) as error:
            self._observer.detach_failed(number, str(error))
            return
        try:
            owned = await account.find_number(number.phone_number)
            if owned is None or trunk_id is None or owned.trunk_id != trunk_id:
                return
            if number.previous_trunk_id is None:
                await account.detach(owned, trunk_id)
            else:
                await account.attach(owned, number.previous_trunk_id)
        except CarrierError as error:
            self._observer.detach_failed(number, error.message)
        finally:
            await account.aclose()


def outbound_context(workspace_id: UUID, trunk_id: UUID) -> bytes:
    """What a sealed SIP password is bound to: copied to another row, it cannot be opened."""
    return b"outbound_trunk" + workspace_id.bytes + trunk_id.bytes


def _domain(wish: Registration, credentials: CarrierCredentials) -> str | None:
    """The customer's own trunk, as they call it: never ours from the environment."""
    for source, key in (
        (wish.provider_config, "trunk_address"),
        (credentials.metadata, "sip_trunk"),
    ):
        value = (source or {}).get(key)
        if isinstance(value, str) and value.strip():
            return value.strip()
    return None


def _new_number(workspace_id: UUID, wish: Registration, proof: _Proof | None) -> NewNumber:
    config: dict[str, Any] = without_password(wish.provider_config)
    if proof is not None:
        config |= account_config(wish.provider, proof.account_id)
    return NewNumber(
        id=uuid4(),
        workspace_id=workspace_id,
        phone_number=wish.phone_number,
        friendly_name=wish.friendly_name,
        provider=wish.provider,
        agent_id=wish.agent_id,
        inbound_routing=wish.inbound_routing,
        provider_config=config,
        inbound_trunk_id=proof.trunk_id if proof else None,
        credential_id=wish.credential_id,
        sms_capable=proof.number.sms_capable if proof else None,
        origin=Origin.REGISTERED,
        is_verified=proof is not None,
        carrier_number_id=proof.number.carrier_number_id if proof else None,
        was_attached=proof.was_attached if proof else False,
        previous_trunk_id=proof.number.trunk_id if proof and proof.was_attached else None,
    )


def _is_worth_showing(purchase: Purchase) -> bool:
    """A number that was deleted is gone; one that could not be bought says so."""
    return purchase.state not in (
        PurchaseState.ACTIVE,
        PurchaseState.RELEASING,
        PurchaseState.RELEASED,
    )


def _not_found() -> ProvisioningError:
    return ProvisioningError(ErrorCode.NOT_FOUND, "There is no such phone number.")
