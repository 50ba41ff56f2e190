"""A Twilio account: IncomingPhoneNumbers (API 2010-04-01) and Elastic SIP trunks (trunking v1).

Bodies are form-encoded, logins HTTP Basic. `TrunkSid` attaches a number as it is bought, and does
away with its voice URL. Our reference is written into the number's `FriendlyName`, which nobody but
the account's owner sees: it tells a number that an order of ours brought from any other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

from sip_edge.carrier_accounts import fields
from sip_edge.carrier_accounts.http import CarrierHttp, Json
from sip_edge.carrier_accounts.twilio_trunks import TwilioTrunks
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

API_URL: Final = "https://api.twilio.com"
TRUNKING_URL: Final = "https://trunking.twilio.com"

_FAULTS: Final = {
    21421: CarrierFault.NUMBER_GONE,  # The number is invalid.
    21422: CarrierFault.NUMBER_GONE,  # The number is not available.
    21452: CarrierFault.NUMBER_GONE,  # No numbers in this area code.
    21613: CarrierFault.REGULATORY,  # Needs an address.
    21615: CarrierFault.REGULATORY,  # Needs a local address.
    21628: CarrierFault.REGULATORY,  # The address cannot be validated.
    21631: CarrierFault.REGULATORY,  # Needs AddressSid.
    21649: CarrierFault.REGULATORY,  # Needs BundleSid.
    20003: CarrierFault.BAD_CREDENTIALS,
    20429: CarrierFault.RATE_LIMITED,
}
"""Twilio's codes (twilio.com/docs/api/errors) that say more than the status of the answer."""


class TwilioAccount:
    """See CarrierAccount. `http` carries the login, and `explain` below."""

    def __init__(
        self,
        http: CarrierHttp,
        *,
        account_sid: str,
        api_url: str = API_URL,
        trunking_url: str = TRUNKING_URL,
    ) -> None:
        self._http = http
        self._account_sid = account_sid
        self._account = f"{api_url.rstrip('/')}/2010-04-01/Accounts/{account_sid}"
        self._trunks = TwilioTrunks(http, trunking_url.rstrip("/"))

    @property
    def account_id(self) -> str | None:
        """The account SID: what X-Twilio-AccountSid says in calls."""
        return self._account_sid

    async def search(self, query: SearchQuery) -> Sequence[AvailableNumber]:
        """See CarrierAccount.search. Asks for local numbers."""
        if not fields.is_identifier(query.country):
            return []
        params = [("VoiceEnabled", "true"), ("PageSize", str(query.limit))]
        # Numbers that need an address on file cannot be bought in one step.
        params.append(("ExcludeAllAddressRequired", "true"))
        if query.area_code is not None:
            params.append(("AreaCode", query.area_code))
        if query.contains is not None:
            params.append(("Contains", query.contains))
        url = f"{self._account}/AvailablePhoneNumbers/{query.country.upper()}/Local.json"
        # 404: Twilio has no local numbers in this country.
        reply = await self._http.read(url, params, missing_is_fine=True)
        found = []
        for each in fields.items(reply.body, "available_phone_numbers"):
            number = fields.e164(each, "phone_number")
            if number is not None:
                found.append(
                    AvailableNumber(
                        phone_number=number,
                        country=fields.text(each, "iso_country") or query.country.upper(),
                        region=fields.text(each, "region"),
                        locality=fields.text(each, "locality"),
                        sms_capable=_sms(each),
                    )
                )
        return found[: query.limit]

    async def find_number(self, phone_number: str) -> OwnedNumber | None:
        """See CarrierAccount.find_number."""
        row = await self._row(phone_number)
        return None if row is None else _owned(row)

    async def buy(self, phone_number: str, *, reference: str, trunk_id: str) -> Order:
        """See CarrierAccount.buy. Twilio settles it at once."""
        reply = await self._http.write(
            "POST",
            f"{self._account}/IncomingPhoneNumbers.json",
            form=[
                ("PhoneNumber", phone_number),
                ("FriendlyName", reference[: fields.MAX_NAME]),
                ("TrunkSid", trunk_id),
            ],
        )
        number = _owned(reply.body)
        if number is None:
            raise CarrierError(
                CarrierFault.UNKNOWN, "Twilio sold a number without an id", may_have_happened=True
            )
        return Order(state=OrderState.BOUGHT, number=number)

    async def find_order(self, phone_number: str, *, reference: str) -> Order | None:
        """See CarrierAccount.find_order: the number itself, if it bears our reference."""
        row = await self._row(phone_number)
        if row is None or fields.text(row, "friendly_name") != reference[: fields.MAX_NAME]:
            return None
        number = _owned(row)
        return None if number is None else Order(state=OrderState.BOUGHT, number=number)

    async def ensure_trunk(self, origination_uri: str, hint: TrunkHint) -> str:
        """See CarrierAccount.ensure_trunk."""
        return await self._trunks.ensure(origination_uri, hint)

    async def attach(self, number: OwnedNumber, trunk_id: str) -> None:
        """See CarrierAccount.attach."""
        if number.trunk_id != trunk_id:
            await self._trunks.attach(number.carrier_number_id, trunk_id)

    async def detach(self, number: OwnedNumber, trunk_id: str) -> None:
        """See CarrierAccount.detach."""
        await self._trunks.detach(number.carrier_number_id, trunk_id)

    async def release(self, carrier_number_id: str) -> None:
        """See CarrierAccount.release."""
        if not fields.is_identifier(carrier_number_id):
            raise CarrierError(CarrierFault.UNKNOWN, "this is no id of a number at Twilio")
        url = f"{self._account}/IncomingPhoneNumbers/{carrier_number_id}.json"
        await self._http.write("DELETE", url, missing_is_fine=True)

    async def aclose(self) -> None:
        """See CarrierAccount.aclose."""
        await self._http.aclose()

    async def _row(self, phone_number: str) -> Mapping[str, Any] | None:
        reply = await self._http.read(
            f"{self._account}/IncomingPhoneNumbers.json", [("PhoneNumber", phone_number)]
        )
        # The filter also takes patterns: only the number itself counts.
        for each in fields.items(reply.body, "incoming_phone_numbers"):
            if fields.e164(each, "phone_number") == phone_number:
                return each
        return None


def explain(body: Json) -> tuple[CarrierFault | None, str]:
    """`{"code": 21422, "message": …, "more_info": …, "status": 400}`."""
    code = body.get("code")
    if not isinstance(code, int):
        return None, ""
    return _FAULTS.get(code), str(code)


def _owned(row: Mapping[str, Any]) -> OwnedNumber | None:
    sid, number = fields.identifier(row, "sid"), fields.e164(row, "phone_number")
    if sid is None or number is None:
        return None
    return OwnedNumber(
        carrier_number_id=sid,
        phone_number=number,
        trunk_id=fields.identifier(row, "trunk_sid"),
        sms_capable=_sms(row),
    )


def _sms(row: Mapping[str, Any]) -> bool | None:
    capabilities = fields.inner(row, "capabilities")
    # Search results write `SMS` in older answers, `sms` in the specification.
    found = fields.flag(capabilities, "sms")
    return fields.flag(capabilities, "SMS") if found is None else found
