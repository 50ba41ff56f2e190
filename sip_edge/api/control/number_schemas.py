"""The bodies of `/v1/phone-numbers`, named and described as they are published."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal
from uuid import UUID, uuid4

from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    SecretStr,
)

from sip_edge.api.control.fields import VoicemailText
from sip_edge.api.control.ids import BodyId
from sip_edge.provisioning.carrier_port import AvailableNumber
from sip_edge.provisioning.number_values import (
    PhoneNumber,
    PurchaseRequest,
    Registration,
    dispatch_rule_id,
)

LONGEST_SIP_FIELD: Final = 255
"""A host's name has 253 characters; users and passwords of trunks are shorter."""

LONGEST_NAME: Final = 200

_AREA_CODE: Final = "Area code (US/CA only)"
_CONTAINS: Final = "Digits/letters to match"

Provider = Literal["twilio", "telnyx"]


def _western(value: str) -> str:
    r"""`\d` is any script's digits."""
    if not value.isascii():
        raise ValueError("must have the digits 0 to 9")
    return value


def _one_line(value: str) -> str:
    """What is written into SIP's headers one day must not begin another one there."""
    if not value.isprintable():
        raise ValueError("must not hold control characters")
    return value


E164 = Annotated[
    str,
    Field(pattern=r"^\+[1-9]\d{1,14}$", examples=["+12025550100"]),
    AfterValidator(_western),
]
FriendlyName = Annotated[str, Field(max_length=LONGEST_NAME)]
_SipField = Annotated[str, Field(max_length=LONGEST_SIP_FIELD), AfterValidator(_one_line)]
_IdOut = Annotated[BodyId, PlainSerializer(str, return_type=str)]
"""A UUID coming in, a text going out."""


def _text_of(value: UUID | None) -> str:
    return "" if value is None else str(value)


class InboundRoutingFallback(BaseModel):
    """Backup agent dispatched when the primary inbound_routing.agent_id is
    unreachable (deleted, paused, or returns a worker error). Optional —
    if omitted the worker just rejects the call."""

    agent_id: Annotated[BodyId | None, PlainSerializer(_text_of, return_type=str)] = None


class InboundRouting(BaseModel):
    """Per-number routing override. Stored as JSONB so we can extend with
    business-hours and caller-id rules later without a schema change."""

    agent_id: _IdOut
    fallback: InboundRoutingFallback | None = None
    voicemail_message: VoicemailText | None = None


class SipProviderConfig(BaseModel):
    """SIP digest credentials for outbound trunk auth.

    Same three fields for Twilio and Telnyx. Either all three are given here, or all three come from
    this installation's own trunk ({PROVIDER}_TRUNK_ADDRESS, {PROVIDER}_SIP_USERNAME,
    {PROVIDER}_SIP_PASSWORD); they are never mixed, and 400 SIP_TRUNK_PROVISION_FAILED says that
    neither has all. Other keys are kept.
    """

    model_config = ConfigDict(extra="allow")

    trunk_address: _SipField | None = Field(
        None, examples=["yourtrunk.pstn.twilio.com", "sip.telnyx.com"]
    )
    auth_username: _SipField | None = None
    auth_password: Annotated[SecretStr, Field(max_length=LONGEST_SIP_FIELD)] | None = Field(
        None, description="Encrypted, never logged and never returned."
    )


class PhoneNumberRegister(BaseModel):
    """Bring a number that you own at Twilio or Telnyx."""

    phone_number: E164
    provider: Provider
    agent_id: BodyId
    friendly_name: FriendlyName | None = None
    provider_config: SipProviderConfig | None = None
    inbound_routing: InboundRouting | None = Field(
        None, description="Omit for a number that only makes calls."
    )
    credential_id: BodyId | None = Field(
        None,
        description=(
            "An integration of the account that owns the number. The carrier is asked whether it"
            " does (403 NUMBER_NOT_OWNED), and its calls are brought here. Without it the number"
            " stays unverified, and whoever proves to own it can take it over."
        ),
    )


class PhoneNumberPurchase(BaseModel):
    """Buy a number through OneInbox. The carrier (Twilio today) is an internal
    implementation detail — the caller never supplies provider creds or trunk
    config; the number is bought on OneInbox's own account and wired automatically.

    Either pass a specific `phone_number` from GET /phone-numbers/search, or leave
    it out and give search filters (country / area_code / contains) to auto-pick
    the first available match."""

    phone_number: E164 | None = Field(
        None, description="A specific number from /phone-numbers/search. Omit to auto-pick."
    )
    country: Annotated[str, Field(min_length=2, max_length=2)] = "US"
    area_code: str | None = Field(None, description=_AREA_CODE)
    contains: str | None = Field(None, description=_CONTAINS)
    friendly_name: FriendlyName | None = None
    agent_id: BodyId
    inbound_routing: InboundRouting | None = None


class PhoneNumberUpdate(BaseModel):
    """What is to change; what is not sent stays as it is."""

    agent_id: BodyId = Field(default_factory=uuid4)
    friendly_name: FriendlyName | None = None
    inbound_routing: InboundRouting | None = Field(
        None, description="Replaced as a whole. `null`: the number only makes calls from now on."
    )


class PhoneNumberResponse(BaseModel):
    """A phone number."""

    model_config = ConfigDict(title="PhoneNumberResponse")

    id: str
    phone_number: str
    friendly_name: str | None
    provider: str
    agent_id: str
    status: str = Field(
        description=(
            "Only `active` numbers get calls. `pending`: being bought; ask again. `failed`: could"
            " not be bought, and costs nothing."
        )
    )
    inbound_trunk_id: str | None = Field(
        description=(
            "The carrier's own trunk (Twilio, `TK…`) or connection (Telnyx) that brings the"
            " number's calls here. Null if it was not asked: registered without `credential_id`."
        )
    )
    outbound_trunk_id: str | None = Field(
        description=(
            "The stored credentials (`provider_config`) that outbound calls from this number log in"
            " with. Null for numbers that were bought here."
        )
    )
    dispatch_rule_id: str | None = Field(
        description=(
            "The rule that routes the number's inbound calls. Null if there is none: without"
            " `inbound_routing` the number is outbound-only."
        )
    )
    inbound_routing: InboundRouting | None = None
    sms_capable: bool | None = None
    created_at: datetime
    updated_at: datetime
    is_verified: bool = Field(
        description=(
            "Whether the carrier has confirmed that the number is the workspace's own. One that is"
            " not can be claimed by whoever registers it with a `credential_id` that proves it."
        )
    )
    origin: Literal["registered", "purchased"] = Field(
        description="`purchased` numbers are cancelled at the carrier when they are deleted."
    )


class PhoneNumberPage(BaseModel):
    """A page of phone numbers, newest first."""

    items: list[PhoneNumberResponse]
    next_cursor: str | None


class AvailablePhoneNumber(BaseModel):
    """A number that can be bought."""

    phone_number: str
    country: str
    region: str | None
    locality: str | None
    sms_capable: bool | None
    monthly_cost: str | None = Field(description="The carrier's price, where it names one.")
    currency: str | None


class AvailablePhoneNumbers(BaseModel):
    """What the carrier has for sale right now."""

    items: list[AvailablePhoneNumber]


def registration(body: PhoneNumberRegister) -> Registration:
    """The body as the use case takes it."""
    return Registration(
        phone_number=body.phone_number,
        provider=body.provider,
        agent_id=body.agent_id,
        friendly_name=body.friendly_name,
        provider_config=_config(body.provider_config),
        inbound_routing=routing(body.inbound_routing),
        credential_id=body.credential_id,
    )


def purchase_request(body: PhoneNumberPurchase) -> PurchaseRequest:
    """The body as the use case takes it."""
    return PurchaseRequest(
        agent_id=body.agent_id,
        phone_number=body.phone_number,
        country=body.country,
        area_code=body.area_code,
        contains=body.contains,
        friendly_name=body.friendly_name,
        inbound_routing=routing(body.inbound_routing),
    )


def changes_of(body: PhoneNumberUpdate) -> dict[str, Any]:
    """Only what was sent."""
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "inbound_routing" in changes:
        changes["inbound_routing"] = routing(body.inbound_routing)
    return changes


def routing(given: InboundRouting | None) -> dict[str, Any] | None:
    """As it is kept, and as the edge reads it: ids as text, and nothing that was not said."""
    if given is None:
        return None
    kept: dict[str, Any] = {"agent_id": str(given.agent_id)}
    if given.fallback is not None and given.fallback.agent_id is not None:
        kept["fallback"] = {"agent_id": str(given.fallback.agent_id)}
    if given.voicemail_message is not None:
        kept["voicemail_message"] = given.voicemail_message
    return kept


def shown(number: PhoneNumber) -> PhoneNumberResponse:
    """A number as clients see it."""
    inbound = _routing_out(number)
    return PhoneNumberResponse(
        id=str(number.id),
        phone_number=number.phone_number,
        friendly_name=number.friendly_name,
        provider=number.provider,
        # Rows that were written by SQL may have none.
        agent_id=_text_of(number.agent_id or (inbound.agent_id if inbound else None)),
        status=number.status,
        inbound_trunk_id=number.inbound_trunk_id,
        outbound_trunk_id=number.outbound_trunk_id,
        dispatch_rule_id=None if inbound is None else str(dispatch_rule_id(number.id)),
        inbound_routing=inbound,
        sms_capable=number.sms_capable,
        created_at=number.created_at,
        updated_at=number.updated_at,
        is_verified=number.is_verified,
        origin=number.origin.value,
    )


def shown_available(number: AvailableNumber) -> AvailablePhoneNumber:
    """A number for sale as clients see it."""
    return AvailablePhoneNumber(
        phone_number=number.phone_number,
        country=number.country,
        region=number.region,
        locality=number.locality,
        sms_capable=number.sms_capable,
        monthly_cost=number.monthly_cost,
        currency=number.currency,
    )


def _config(given: SipProviderConfig | None) -> dict[str, Any] | None:
    if given is None:
        return None
    config = given.model_dump(mode="python", exclude_unset=True)
    if given.auth_password is not None:
        config["auth_password"] = given.auth_password.get_secret_value()
    return config


def _routing_out(number: PhoneNumber) -> InboundRouting | None:
    """Whoever writes by SQL may have written anything: what makes no sense is left out."""
    kept = number.inbound_routing
    if kept is None:
        return None
    fallback = kept.get("fallback")
    fallback_id = _uuid(fallback.get("agent_id")) if isinstance(fallback, dict) else None
    message = kept.get("voicemail_message")
    agent_id = _uuid(kept.get("agent_id")) or number.agent_id
    return InboundRouting.model_construct(
        agent_id=agent_id,
        fallback=None
        if fallback_id is None
        else InboundRoutingFallback.model_construct(agent_id=fallback_id),
        voicemail_message=message if isinstance(message, str) else None,
    )


def _uuid(value: object) -> UUID | None:
    try:
        return UUID(value) if isinstance(value, str) else None
    except ValueError:
        return None
