"""The ports of the use cases around telephone numbers.

Every method of a store may raise ProvisioningError with DATABASE_UNAVAILABLE.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime
    from uuid import UUID

    from sip_edge.provisioning.carrier_port import CarrierAccount
    from sip_edge.provisioning.number_values import (
        NewNumber,
        NewOutboundTrunk,
        NumberFilter,
        PhoneNumber,
        Purchase,
        PurchaseState,
    )
    from sip_edge.provisioning.values import CarrierCredentials, JsonObject, Page, PageRequest


class NumberStore(Protocol):
    """The rows of `phone_numbers` and of `outbound_trunks`."""

    async def find(self, workspace_id: UUID, number_id: UUID) -> PhoneNumber | None: ...

    async def holder(self, phone_number: str) -> PhoneNumber | None:
        """Whoever has this number, in any workspace: not for the eyes of clients."""
        ...

    async def page(
        self, workspace_id: UUID, request: PageRequest, which: NumberFilter
    ) -> Page[PhoneNumber]:
        """Newest first."""
        ...

    async def add(self, number: NewNumber, outbound: NewOutboundTrunk | None) -> PhoneNumber:
        """Write a number and its outbound trunk, both or none.

        If the new row is verified, it replaces an unverified one; within one workspace that one's
        id is kept. Raises ProvisioningError(NUMBER_TAKEN).
        """
        ...

    async def update(
        self, workspace_id: UUID, number_id: UUID, changes: JsonObject
    ) -> PhoneNumber | None:
        """Write only what is in `changes`: agent_id, friendly_name, inbound_routing."""
        ...

    async def remove(self, workspace_id: UUID, number_id: UUID) -> PhoneNumber | None:
        """Take a registered number out, with its outbound trunk; what it was."""
        ...


class AgentCheck(Protocol):
    """Knows which agents a workspace has: `agents.Agents`."""

    async def require(self, workspace_id: UUID, agent_ids: Collection[UUID]) -> None:
        """Raises ProvisioningError(AGENT_NOT_FOUND) unless all are agents of the workspace."""
        ...


class PurchaseStore(Protocol):
    """The rows of `purchases`. A purchase and its number are written together."""

    async def record(self, purchase: Purchase, *, most: int) -> tuple[Purchase, bool]:
        """Write a new purchase before the carrier is called.

        If the workspace has one with the same idempotency key that has not failed, or one of the
        same number that is under way, that one is given instead, and False. Raises
        ProvisioningError: NUMBER_TAKEN if the number is ours already, NUMBER_UNAVAILABLE if
        somebody else is buying it, NUMBER_LIMIT_REACHED if the workspace would have more than
        `most` purchases that are neither FAILED nor RELEASED, however many come at once.
        """
        ...

    async def has_room(self, workspace_id: UUID, phone_number: str | None, *, most: int) -> bool:
        """False if `record` would say NUMBER_LIMIT_REACHED now, for this number or for any."""
        ...

    async def count_overdue(self, since: datetime) -> int:
        """How many purchases of all workspaces are under way in the same state since before."""
        ...

    async def by_key(self, workspace_id: UUID, idempotency_key: str) -> Purchase | None:
        """The purchase with this key, unless it has failed."""
        ...

    async def find(self, purchase_id: UUID) -> Purchase | None: ...

    async def by_number(self, workspace_id: UUID, number_id: UUID) -> Purchase | None: ...

    async def save(self, purchase: Purchase) -> Purchase | None:
        """Write what has changed and count `version` up; None if somebody else wrote meanwhile.

        None as well if the number is to be given back while another purchase of it is under way:
        that one comes first.
        """
        ...

    async def is_sold(self, phone_number: str) -> bool:
        """True if somebody, in any workspace, has this number from a purchase."""
        ...

    async def finish(self, purchase: Purchase, number: NewNumber) -> Purchase | None:
        """Write the number, and the purchase as ACTIVE. As `save`.

        An unverified row of the same number is replaced. Raises ProvisioningError(NUMBER_TAKEN).
        """
        ...

    async def give_back(
        self, workspace_id: UUID, number_id: UUID, *, now: datetime, due_at: datetime
    ) -> Purchase | None:
        """Take the row of a purchased number out, and make its purchase RELEASING.

        Raises ProvisioningError(PURCHASE_PENDING) while another purchase of the number is under
        way: it cannot succeed, and is soon over.
        """
        ...

    async def lease(self, *, now: datetime, until: datetime, limit: int) -> Sequence[Purchase]:
        """Those that are due, oldest first, for the caller alone until `until`."""
        ...


class CarrierAccounts(Protocol):
    """Opens accounts of customers."""

    def open(self, credentials: CarrierCredentials) -> CarrierAccount:
        """To be closed with `aclose`. Raises CarrierError."""
        ...


class PlatformAccounts(Protocol):
    """The accounts that numbers are bought on."""

    @property
    def provider(self) -> str | None:
        """Where new numbers are bought; None if none are."""
        ...

    def account(self, provider: str) -> CarrierAccount | None:
        """The platform's account at this provider, None without credentials. Shared: not closed."""
        ...


class PurchaseObserver(Protocol):
    """Is told what happens to money: for logs and metrics."""

    def purchase_moved(self, purchase: Purchase, before: PurchaseState | None) -> None:
        """A purchase was written in another state than before; None if it is new."""
        ...

    def purchase_delayed(self, purchase: Purchase, reason: str) -> None:
        """A step was in vain, and will be tried again."""
        ...

    def purchase_left_open(self, purchase: Purchase) -> None:
        """Its request has waited long enough; the reconciler goes on."""
        ...

    def number_claimed(self, number: PhoneNumber, lost_by: UUID) -> None:
        """A workspace has proved a number to be its own, and another one has lost it."""
        ...

    def detach_failed(self, number: PhoneNumber, reason: str) -> None:
        """A number is gone here, and still attached at the carrier."""
        ...
