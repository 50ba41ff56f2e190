"""Telephone numbers and purchases, as the control API's use cases speak of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import TYPE_CHECKING
from uuid import NAMESPACE_URL, UUID, uuid5

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from datetime import datetime

    from sip_edge.provisioning.values import JsonObject


class Origin(StrEnum):
    """How a number came to us: brought by a customer, or bought on the platform's account."""

    REGISTERED = "registered"
    PURCHASED = "purchased"


class NumberStatus(StrEnum):
    """What a client is told of a number. Rows may hold other words; only `active` gets calls."""

    ACTIVE = "active"
    PENDING = "pending"
    FAILED = "failed"


def dispatch_rule_id(number_id: UUID) -> UUID:
    """The id of the rule that routes a number's calls; the number has one at most."""
    return uuid5(NAMESPACE_URL, f"urn:sip-edge:dispatch-rule:{number_id}")


def routing_agents(inbound_routing: JsonObject | None) -> list[UUID]:
    """The agents that an `inbound_routing` names."""
    if inbound_routing is None:
        return []
    fallback = inbound_routing.get("fallback") or {}
    named = (inbound_routing.get("agent_id"), fallback.get("agent_id"))
    return [UUID(each) for each in named if each]


@dataclass(frozen=True, slots=True, kw_only=True)
class PhoneNumber:
    """A row of `phone_numbers`; None for `inbound_routing` means outbound-only.

    `previous_trunk_id` is where the number's calls went before we attached it; `was_attached` says
    that we did.
    """

    id: UUID
    workspace_id: UUID
    phone_number: str
    friendly_name: str | None
    provider: str
    agent_id: UUID | None
    status: str
    inbound_trunk_id: str | None
    outbound_trunk_id: str | None
    inbound_routing: JsonObject | None
    credential_id: UUID | None
    sms_capable: bool | None
    origin: Origin
    is_verified: bool
    carrier_number_id: str | None
    was_attached: bool
    previous_trunk_id: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class NewNumber:
    """A row of `phone_numbers` to be written. `provider_config` holds no password."""

    id: UUID
    workspace_id: UUID
    phone_number: str
    friendly_name: str | None
    provider: str
    agent_id: UUID
    inbound_routing: JsonObject | None
    provider_config: JsonObject = field(default_factory=dict)
    inbound_trunk_id: str | None = None
    credential_id: UUID | None = None
    sms_capable: bool | None = None
    origin: Origin = Origin.REGISTERED
    is_verified: bool = False
    carrier_number_id: str | None = None
    was_attached: bool = False
    previous_trunk_id: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewOutboundTrunk:
    """Credentials for outbound calls. `sealed_password` is None where the environment has it."""

    id: UUID
    trunk_address: str
    auth_username: str
    sealed_password: bytes | None = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class NumberFilter:
    """Which numbers; None where all will do."""

    phone_number: str | None = None
    agent_id: UUID | None = None
    provider: str | None = None
    status: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Registration:
    """What a client says of a number of its own."""

    phone_number: str
    provider: str
    agent_id: UUID
    friendly_name: str | None = None
    provider_config: JsonObject | None = field(default=None, repr=False)
    inbound_routing: JsonObject | None = None
    credential_id: UUID | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PurchaseRequest:
    """What a client says of a number that it wants bought: the number, or what to look for."""

    agent_id: UUID
    phone_number: str | None = None
    country: str = "US"
    area_code: str | None = None
    contains: str | None = None
    friendly_name: str | None = None
    inbound_routing: JsonObject | None = None


class PurchaseState(StrEnum):
    """Where a purchase stands. It is for one number; another try is another purchase.

    ORDERING: the carrier may have been asked. BOUGHT: it said yes. RELEASING: it must be given
    back. DOUBTFUL: the client was told that it failed, as nothing was heard of the order for long;
    should the order turn up all the same, its number is given back.
    """

    ORDERING = "ordering"
    BOUGHT = "bought"
    RELEASING = "releasing"
    DOUBTFUL = "doubtful"
    ACTIVE = "active"
    FAILED = "failed"
    RELEASED = "released"


FINAL_STATES = frozenset({PurchaseState.ACTIVE, PurchaseState.FAILED, PurchaseState.RELEASED})
"""A purchase in one of these waits for nothing."""

UNDER_WAY = frozenset({PurchaseState.ORDERING, PurchaseState.BOUGHT, PurchaseState.RELEASING})
"""While a purchase is in one of these, nobody else may buy the same number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Purchase:
    """A row of `purchases`: what was wanted, and how far it has come.

    `number_id` is the id that the number has, or will have. `due_at` is when the next step may be
    made by whoever comes: until then the row belongs to the one who has it now. `version` grows
    with each write; a write that knows an older one is refused. `is_order_known` says that the
    carrier has confirmed that there is such an order.
    """

    id: UUID
    workspace_id: UUID
    number_id: UUID
    provider: str
    account_id: str | None
    phone_number: str
    agent_id: UUID
    friendly_name: str | None
    inbound_routing: JsonObject | None
    idempotency_key: str | None
    state: PurchaseState
    trunk_id: str
    carrier_number_id: str | None = None
    sms_capable: bool | None = None
    failure: ErrorCode | None = None
    attempts: int = 0
    is_order_known: bool = False
    state_since: datetime
    due_at: datetime
    created_at: datetime
    version: int = 0

    @property
    def reference(self) -> str:
        """What the carrier keeps with the order, and what it is found by."""
        return f"oneinbox-{self.id.hex}"

    @property
    def is_final(self) -> bool:
        """True if there is nothing left to do."""
        return self.state in FINAL_STATES


def limit_reached(most: int) -> ProvisioningError:
    """What a client is told who may not buy another number."""
    return ProvisioningError(
        ErrorCode.NUMBER_LIMIT_REACHED,
        f"This workspace may have {most} bought numbers, those on their way included:"
        " release one first.",
    )
