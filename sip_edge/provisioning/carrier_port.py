"""What an account at a carrier can do: the port that Twilio's and Telnyx's clients implement.

The port is written for whoever must not lose money. A write that fails says whether it may have
happened all the same (`CarrierError.may_have_happened`): then it must be looked up, never repeated.
Every order bears a `reference` of ours, so that a number that the account had anyway is never
mistaken for one that was bought.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError


class CarrierFault(StrEnum):
    """Why a carrier did not do what it was asked."""

    NUMBER_GONE = "number_gone"
    BAD_CREDENTIALS = "bad_credentials"
    REGULATORY = "regulatory"
    RATE_LIMITED = "rate_limited"
    DOWN = "down"
    UNKNOWN = "unknown"


class CarrierError(Exception):
    """A carrier did not do what it was asked. The message is for logs; it holds no secret.

    `may_have_happened`: the request was sent and no answer settles what became of it (a time-out,
    an answer of 5xx). False means that nothing was changed.
    """

    def __init__(
        self,
        fault: CarrierFault,
        message: str,
        *,
        may_have_happened: bool = False,
        retry_after_seconds: float | None = None,
    ) -> None:
        super().__init__(message)
        self.fault = fault
        self.message = message
        self.may_have_happened = may_have_happened
        self.retry_after_seconds = retry_after_seconds

    @property
    def is_passing(self) -> bool:
        """True if the same question may well be answered a little later."""
        return self.fault in (CarrierFault.RATE_LIMITED, CarrierFault.DOWN)


_CODES: Mapping[CarrierFault, tuple[ErrorCode, str]] = {
    CarrierFault.NUMBER_GONE: (
        ErrorCode.NUMBER_UNAVAILABLE,
        "The carrier does not have this number for sale any more.",
    ),
    CarrierFault.BAD_CREDENTIALS: (
        ErrorCode.CARRIER_REJECTED_CREDENTIALS,
        "The carrier does not accept the credentials.",
    ),
    CarrierFault.REGULATORY: (
        ErrorCode.REGULATORY_BUNDLE_REQUIRED,
        "The carrier needs an address or a regulatory bundle for numbers of this kind.",
    ),
    CarrierFault.RATE_LIMITED: (
        ErrorCode.CARRIER_RATE_LIMITED,
        "The carrier asks for fewer requests.",
    ),
    CarrierFault.DOWN: (ErrorCode.CARRIER_UNAVAILABLE, "The carrier does not answer."),
    CarrierFault.UNKNOWN: (
        ErrorCode.CARRIER_REFUSED,
        "The carrier refused, for a reason that is not known here.",
    ),
}


def client_error(error: CarrierError) -> ProvisioningError:
    """What the API's client is told: one of our codes, in words of ours."""
    code, message = _CODES[error.fault]
    return ProvisioningError(code, message, retry_after_seconds=error.retry_after_seconds)


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchQuery:
    """Which numbers are looked for. `country` has two letters; `limit` is at least one."""

    country: str
    area_code: str | None = None
    contains: str | None = None
    limit: int = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class AvailableNumber:
    """A number that the carrier has for sale. What it does not say is None."""

    phone_number: str
    country: str
    region: str | None = None
    locality: str | None = None
    sms_capable: bool | None = None
    monthly_cost: str | None = None
    currency: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnedNumber:
    """A number of the account. `trunk_id` is the trunk or connection that its calls go to.

    `is_ready` is False while the carrier is still setting it up.
    """

    carrier_number_id: str
    phone_number: str
    trunk_id: str | None = None
    sms_capable: bool | None = None
    is_ready: bool = True


class OrderState(StrEnum):
    """What became of an order. A refused one has cost nothing, and never will."""

    PENDING = "pending"
    BOUGHT = "bought"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """An order that the carrier knows. `number` is there once it is BOUGHT and can be used."""

    state: OrderState
    number: OwnedNumber | None = None
    fault: CarrierFault | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TrunkHint:
    """What is known of the trunk to use.

    `domain` is what outbound calls are sent to (`yourtrunk.pstn.twilio.com`), `trunk_id` the trunk
    that the number is attached to now.
    """

    domain: str | None = None
    trunk_id: str | None = None


class CarrierAccount(Protocol):
    """One account at one carrier. Every method may raise CarrierError, and nothing else."""

    @property
    def account_id(self) -> str | None:
        """What the carrier writes into calls to say whose they are (Twilio's account SID)."""
        ...

    async def search(self, query: SearchQuery) -> Sequence[AvailableNumber]:
        """Numbers for sale that can take calls, and need no address on file if that can be told."""
        ...

    async def find_number(self, phone_number: str) -> OwnedNumber | None:
        """The number if the account owns it."""
        ...

    async def buy(self, phone_number: str, *, reference: str, trunk_id: str) -> Order:
        """Order a number and attach it to a trunk. Costs money; never repeated by the client."""
        ...

    async def find_order(self, phone_number: str, *, reference: str) -> Order | None:
        """What became of the order with this reference; None if the carrier has no such order."""
        ...

    async def ensure_trunk(self, origination_uri: str, hint: TrunkHint) -> str:
        """The id of a trunk that sends its calls to `origination_uri`, made so if need be."""
        ...

    async def attach(self, number: OwnedNumber, trunk_id: str) -> None:
        """Send the number's calls to the trunk. Done already: nothing changes."""
        ...

    async def detach(self, number: OwnedNumber, trunk_id: str) -> None:
        """Undo `attach`; the number stays with the account. Done already: nothing changes."""
        ...

    async def release(self, carrier_number_id: str) -> None:
        """Give the number back for good. Done already: nothing changes."""
        ...

    async def aclose(self) -> None:
        """Close the connections."""
        ...
