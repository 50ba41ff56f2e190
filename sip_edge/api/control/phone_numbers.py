"""`/v1/phone-numbers`: search, buy, register, change, release."""

from __future__ import annotations

from typing import Annotated, Final, Literal

from fastapi import APIRouter, Query, Request

from sip_edge.api.control import idempotency
from sip_edge.api.control.errors import WRITES, documented
from sip_edge.api.control.fields import QueryNumber
from sip_edge.api.control.idempotency import IdempotentRoute, idempotency_key_of
from sip_edge.api.control.ids import BodyId, PhoneNumberId
from sip_edge.api.control.number_schemas import (
    AvailablePhoneNumbers,
    PhoneNumberPage,
    PhoneNumberPurchase,
    PhoneNumberRegister,
    PhoneNumberResponse,
    PhoneNumberUpdate,
    changes_of,
    purchase_request,
    registration,
    shown,
    shown_available,
)
from sip_edge.api.control.paging import PageQuery, encode_cursor
from sip_edge.api.control.services import Caller, UseCases
from sip_edge.provisioning.carrier_port import SearchQuery
from sip_edge.provisioning.errors import ErrorCode
from sip_edge.provisioning.number_values import NumberFilter, NumberStatus

MOST_FOUND: Final = 50

router = APIRouter(prefix="/v1/phone-numbers", tags=["phone-numbers"])
once = APIRouter(prefix="/v1/phone-numbers", tags=["phone-numbers"], route_class=IdempotentRoute)
"""The writes that cost money or set something up at a carrier: they heed Idempotency-Key."""

_CARRIER = (
    ErrorCode.CARRIER_REJECTED_CREDENTIALS,
    ErrorCode.CARRIER_REFUSED,
    ErrorCode.CARRIER_RATE_LIMITED,
    ErrorCode.CARRIER_UNAVAILABLE,
)
_REGISTER = (
    *WRITES,
    *_CARRIER,
    *idempotency.CODES,
    ErrorCode.SIP_TRUNK_PROVISION_FAILED,
    ErrorCode.AGENT_NOT_FOUND,
    ErrorCode.NUMBER_TAKEN,
    ErrorCode.CREDENTIAL_NOT_FOUND,
    ErrorCode.CREDENTIAL_UNREADABLE,
    ErrorCode.PROVIDER_NOT_SUPPORTED,
    ErrorCode.NUMBER_NOT_OWNED,
    ErrorCode.ENCRYPTION_NOT_CONFIGURED,
)
_PURCHASE = (
    *WRITES,
    *_CARRIER,
    *idempotency.CODES,
    ErrorCode.AGENT_NOT_FOUND,
    ErrorCode.NUMBER_TAKEN,
    ErrorCode.NUMBER_UNAVAILABLE,
    ErrorCode.NO_NUMBER_FOUND,
    ErrorCode.NUMBER_LIMIT_REACHED,
    ErrorCode.REGULATORY_BUNDLE_REQUIRED,
    ErrorCode.PURCHASE_PENDING,
    ErrorCode.PURCHASING_DISABLED,
)


@once.post(
    "",
    status_code=201,
    responses=documented(*_REGISTER),
    openapi_extra=idempotency.PARAMETER,
)
async def register_phone_number(
    body: PhoneNumberRegister, caller: Caller, use_cases: UseCases
) -> PhoneNumberResponse:
    """Register a number that you own at Twilio or Telnyx. Calls to it are answered at once."""
    return shown(await use_cases.numbers.register(caller.workspace_id, registration(body)))


@router.get("/search", responses=documented(*_CARRIER, ErrorCode.PURCHASING_DISABLED))
async def search_phone_numbers(
    caller: Caller,
    use_cases: UseCases,
    country: Annotated[
        str, Query(min_length=2, max_length=2, description="Two letters (ISO 3166).")
    ] = "US",
    area_code: Annotated[
        str | None, Query(max_length=10, description="Area code (US/CA only)")
    ] = None,
    contains: Annotated[
        str | None, Query(max_length=32, description="Digits/letters to match")
    ] = None,
    limit: Annotated[int, Query(ge=1, le=MOST_FOUND, description="How many at most.")] = 10,
) -> AvailablePhoneNumbers:
    """Numbers that can be bought now. Nothing is reserved."""
    query = SearchQuery(country=country, area_code=area_code, contains=contains, limit=limit)
    found = await use_cases.purchases.search(query)
    return AvailablePhoneNumbers(items=[shown_available(each) for each in found])


@once.post(
    "/purchase",
    status_code=201,
    responses={201: {"description": "Successful Response"}, **documented(*_PURCHASE)},
    openapi_extra=idempotency.PARAMETER,
)
async def purchase_phone_number(
    body: PhoneNumberPurchase, request: Request, caller: Caller, use_cases: UseCases
) -> PhoneNumberResponse:
    """Buy a phone number through OneInbox and wire it to an agent in one step.

    OneInbox provisions the number on its own carrier account — the caller brings
    no external provider account or credentials. Pass a specific `phone_number`
    from GET /phone-numbers/search, or just filters to auto-pick one.
    """
    number = await use_cases.purchases.purchase(
        caller.workspace_id, purchase_request(body), idempotency_key_of(request)
    )
    # Sent again with the same key, the answer may be another one by then.
    request.state.is_unsettled = number.status == NumberStatus.PENDING
    return shown(number)


@router.get("", responses=documented())
async def list_phone_numbers(
    page: PageQuery,
    caller: Caller,
    use_cases: UseCases,
    phone_number: Annotated[QueryNumber | None, Query()] = None,
    agent_id: Annotated[BodyId | None, Query()] = None,
    provider: Annotated[Literal["twilio", "telnyx"] | None, Query()] = None,
    status: Annotated[str | None, Query(max_length=32)] = None,
) -> PhoneNumberPage:
    """All numbers, newest first."""
    which = NumberFilter(
        phone_number=phone_number, agent_id=agent_id, provider=provider, status=status
    )
    found = await use_cases.numbers.page(caller.workspace_id, page, which)
    return PhoneNumberPage(
        items=[shown(each) for each in found.items], next_cursor=encode_cursor(found.next)
    )


@router.get("/{phone_number_id}", responses=documented(ErrorCode.NOT_FOUND))
async def get_phone_number(
    phone_number_id: PhoneNumberId, caller: Caller, use_cases: UseCases
) -> PhoneNumberResponse:
    """One number: its agents, its routing, its trunks."""
    return shown(await use_cases.numbers.get(caller.workspace_id, phone_number_id))


@router.patch(
    "/{phone_number_id}",
    responses=documented(
        ErrorCode.NOT_FOUND, *WRITES, ErrorCode.AGENT_NOT_FOUND, ErrorCode.PURCHASE_PENDING
    ),
)
async def update_phone_number(
    phone_number_id: PhoneNumberId, body: PhoneNumberUpdate, caller: Caller, use_cases: UseCases
) -> PhoneNumberResponse:
    """Change what is sent and nothing else. The next call sees it."""
    changed = await use_cases.numbers.change(caller.workspace_id, phone_number_id, changes_of(body))
    return shown(changed)


@router.delete(
    "/{phone_number_id}",
    status_code=204,
    responses=documented(ErrorCode.NOT_FOUND, ErrorCode.PURCHASE_PENDING),
)
async def delete_phone_number(
    phone_number_id: PhoneNumberId, caller: Caller, use_cases: UseCases
) -> None:
    """Release a number.

    One that was bought here is cancelled at the carrier too; one of your own stays in your account
    there.
    """
    await use_cases.numbers.delete(caller.workspace_id, phone_number_id)
