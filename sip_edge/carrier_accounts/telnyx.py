"""A Telnyx account: number orders, phone numbers and FQDN connections (API v2, JSON).

An order is only an order: `POST /number_orders` answers 200 with a `pending` one, which is asked
for later. There are no idempotency keys, so each order carries our reference
(`customer_reference`), by which it is found again. Numbers must have been searched for before they
are ordered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sip_edge.carrier_accounts import fields
from sip_edge.carrier_accounts.http import CarrierHttp, Json
from sip_edge.carrier_accounts.telnyx_connections import TelnyxConnections
from sip_edge.provisioning.carrier_port import (
    AvailableNumber,
    CarrierError,
    CarrierFault,
    Order,
    OrderState,
    OwnedNumber,
    SearchQuery,
    TrunkHint,
)

API_URL: Final = "https://api.telnyx.com/v2"

PAGE_SIZE: Final = 50
"""Orders with one reference are one, or none; numbers like one number are few."""

_NOT_OURS: Final = frozenset({"purchase-failed", "deleted", "port-failed", "ported-out"})
"""Statuses of numbers that the list shows and the account does not have."""

_READY: Final = frozenset({"active", "emergency-only", "port-out-pending"})
"""Statuses of numbers that calls come to."""

_AUTHENTICATION: Final = frozenset({"10009", "10010"})
_TOO_MANY: Final = "10011"
_ORDER_ERRORS: Final = "850"
"""How the codes of refused orders begin; 85000 is a number that was not searched for before."""


class TelnyxAccount:
    """See CarrierAccount. `http` carries the key, and `explain` below."""

    def __init__(
        self, http: CarrierHttp, *, account_id: str | None = None, api_url: str = API_URL
    ) -> None:
        self._http = http
        self._account_id = account_id
        self._url = api_url.rstrip("/")
        self._connections = TelnyxConnections(http, self._url)

    @property
    def account_id(self) -> str | None:
        """What the customer says it is; Telnyx's calls do not bear it."""
        return self._account_id

    async def search(self, query: SearchQuery) -> Sequence[AvailableNumber]:
        """See CarrierAccount.search. Asks for local numbers."""
        params = [
            ("filter[country_code]", query.country.upper()),
            ("filter[phone_number_type]", "local"),
            ("filter[features][]", "voice"),
            ("filter[limit]", str(query.limit)),
        ]
        if query.area_code is not None:
            params.append(("filter[national_destination_code]", query.area_code))
        if query.contains is not None:
            params.append(("filter[phone_number][contains]", query.contains))
        reply = await self._http.read(f"{self._url}/available_phone_numbers", params)
        found = [_available(each, query.country) for each in fields.items(reply.body, "data")]
        return [each for each in found if each is not None][: query.limit]

    async def find_number(self, phone_number: str) -> OwnedNumber | None:
        """See CarrierAccount.find_number."""
        reply = await self._http.read(
            f"{self._url}/phone_numbers",
            # "Non-numerical characters will result in no values": not even the plus.
            [
                ("filter[phone_number]", phone_number.removeprefix("+")),
                ("page[size]", str(PAGE_SIZE)),
            ],
        )
        for each in fields.items(reply.body, "data"):
            owned = _owned(each)
            if owned is not None and owned.phone_number == phone_number:
                return owned
        return None

    async def buy(self, phone_number: str, *, reference: str, trunk_id: str) -> Order:
        """See CarrierAccount.buy. The order is pending at first."""
        reply = await self._http.write(
            "POST",
            f"{self._url}/number_orders",
            json={
                "phone_numbers": [{"phone_number": phone_number}],
                "connection_id": trunk_id,
                "customer_reference": reference,
            },
        )
        return await self._order(fields.inner(reply.body, "data"), phone_number, may_ask=False)

    async def find_order(self, phone_number: str, *, reference: str) -> Order | None:
        """See CarrierAccount.find_order."""
        reply = await self._http.read(
            f"{self._url}/number_orders",
            [("filter[customer_reference]", reference), ("page[size]", str(PAGE_SIZE))],
        )
        for each in fields.items(reply.body, "data"):
            if fields.text(each, "customer_reference") == reference:
                return await self._order(each, phone_number, may_ask=True)
        return None

    async def ensure_trunk(self, origination_uri: str, hint: TrunkHint) -> str:
        """See CarrierAccount.ensure_trunk."""
        return await self._connections.ensure(origination_uri, hint)

    async def attach(self, number: OwnedNumber, trunk_id: str) -> None:
        """See CarrierAccount.attach."""
        if number.trunk_id != trunk_id:
            await self._connect(number, trunk_id)

    async def detach(self, number: OwnedNumber, trunk_id: str) -> None:
        """See CarrierAccount.detach."""
        await self._connect(number, "")

    async def release(self, carrier_number_id: str) -> None:
        """See CarrierAccount.release. Telnyx answers 200, with the number as it was."""
        if not fields.is_identifier(carrier_number_id):
            raise CarrierError(CarrierFault.UNKNOWN, "this is no id of a number at Telnyx")
        url = f"{self._url}/phone_numbers/{carrier_number_id}"
        await self._http.write("DELETE", url, missing_is_fine=True)

    async def aclose(self) -> None:
        """See CarrierAccount.aclose."""
        await self._http.aclose()

    async def _connect(self, number: OwnedNumber, connection_id: str) -> None:
        url = f"{self._url}/phone_numbers/{number.carrier_number_id}"
        await self._http.write("PATCH", url, json={"connection_id": connection_id})

    async def _order(self, order: Mapping[str, Any], phone_number: str, *, may_ask: bool) -> Order:
        """An order as the port has it. With `may_ask`, the number it brought is asked for."""
        status = fields.text(order, "status")
        if status == "failure":
            return Order(state=OrderState.REFUSED, fault=CarrierFault.NUMBER_GONE)
        if status == "success":
            number = await self.find_number(phone_number) if may_ask else None
            # The number may appear in the account a moment after its order has succeeded.
            is_there = number is not None and number.is_ready
            return Order(
                state=OrderState.BOUGHT if is_there else OrderState.PENDING,
                number=number if is_there else None,
            )
        if fields.flag(order, "requirements_met") is False and await self._cancel(order):
            return Order(state=OrderState.REFUSED, fault=CarrierFault.REGULATORY)
        return Order(state=OrderState.PENDING)

    async def _cancel(self, order: Mapping[str, Any]) -> bool:
        """Withdraw a pending order that waits for papers which nobody will send; True if it is."""
        ids = order.get("sub_number_orders_ids")
        if not isinstance(ids, list) or not ids:
            return False
        for each in ids:
            if not isinstance(each, str) or not fields.is_identifier(each):
                return False
            try:
                await self._http.write("PATCH", f"{self._url}/sub_number_orders/{each}/cancel")
            except CarrierError:
                # It stays pending and is asked for again; this is tried again then.
                return False
        return True


def explain(body: Json) -> tuple[CarrierFault | None, str]:
    """`{"errors": [{"code": "10009", "title": …, "detail": …, "source": …}]}`."""
    for each in fields.items(body, "errors"):
        code = each.get("code")
        code = str(code) if isinstance(code, int) else code
        if not isinstance(code, str) or not fields.is_identifier(code):
            continue
        if code in _AUTHENTICATION:
            return CarrierFault.BAD_CREDENTIALS, code
        if code == _TOO_MANY:
            return CarrierFault.RATE_LIMITED, code
        words = f"{each.get('title')} {each.get('detail')}".lower()
        if "requirement" in words or "regulatory" in words:
            return CarrierFault.REGULATORY, code
        if code.startswith(_ORDER_ERRORS):
            return CarrierFault.NUMBER_GONE, code
        return None, code
    return None, ""


def _available(row: Mapping[str, Any], country: str) -> AvailableNumber | None:
    number = fields.e164(row, "phone_number")
    if number is None:
        return None
    cost = fields.inner(row, "cost_information")
    regions = {
        fields.text(each, "region_type"): fields.text(each, "region_name")
        for each in fields.items(row, "region_information")
    }
    features = [fields.text(each, "name") for each in fields.items(row, "features")]
    return AvailableNumber(
        phone_number=number,
        country=regions.get("country_code") or country.upper(),
        region=regions.get("state"),
        locality=regions.get("location") or regions.get("rate_center"),
        sms_capable="sms" in features if features else None,
        monthly_cost=fields.text(cost, "monthly_cost"),
        currency=fields.text(cost, "currency"),
    )


def _owned(row: Mapping[str, Any]) -> OwnedNumber | None:
    identifier, number = fields.identifier(row, "id"), fields.e164(row, "phone_number")
    status = fields.text(row, "status")
    if identifier is None or number is None or status in _NOT_OURS:
        return None
    return OwnedNumber(
        carrier_number_id=identifier,
        phone_number=number,
        trunk_id=fields.identifier(row, "connection_id"),
        is_ready=status in _READY,
    )
