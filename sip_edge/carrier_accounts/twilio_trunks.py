"""Twilio's Elastic SIP trunks: one that sends its calls to us, and the numbers on it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sip_edge.carrier_accounts import fields
from sip_edge.carrier_accounts.http import CarrierHttp
from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault, TrunkHint

ORIGINATION_NAME: Final = "OneInbox"

PRIORITY: Final = 10
WEIGHT: Final = 10
"""What the guide tells customers to type."""

PAGE_SIZE: Final = 1000
"""The most that Twilio gives at once; an account may have 100 trunks (more on request)."""


class TwilioTrunks:
    """The trunks of one account."""

    def __init__(self, http: CarrierHttp, base_url: str) -> None:
        self._http = http
        self._url = f"{base_url}/v1/Trunks"

    async def ensure(self, origination_uri: str, hint: TrunkHint) -> str:
        """The SID of a trunk whose calls come to `origination_uri`.

        The trunk with the hinted domain, else the one that the number is on, unless it leads
        somewhere else: adding ours would bring us a share of its other numbers' calls. Then the
        trunk of our name, made if there is none.
        """
        reply = await self._http.read(self._url, [("PageSize", str(PAGE_SIZE))])
        trunks = list(fields.items(reply.body, "trunks"))
        for trunk in _hinted(trunks, hint):
            sid = fields.identifier(trunk, "sid")
            if sid is not None and await self._lead_here(sid, origination_uri, is_ours=False):
                return sid
        name = fields.trunk_name(origination_uri)
        named = (
            fields.identifier(each, "sid")
            for each in trunks
            if fields.text(each, "friendly_name") == name
        )
        sid = next(named, None) or await self._create(name)
        await self._lead_here(sid, origination_uri, is_ours=True)
        return sid

    async def attach(self, number_sid: str, trunk_sid: str) -> None:
        """Put a number on a trunk; if it was on another one, it is not any more."""
        await self._http.write(
            "POST",
            f"{self._url}/{trunk_sid}/PhoneNumbers",
            form=[("PhoneNumberSid", number_sid)],
        )

    async def detach(self, number_sid: str, trunk_sid: str) -> None:
        """Take a number off a trunk; the account keeps it."""
        url = f"{self._url}/{trunk_sid}/PhoneNumbers/{number_sid}"
        await self._http.write("DELETE", url, missing_is_fine=True)

    async def _create(self, name: str) -> str:
        reply = await self._http.write("POST", self._url, form=[("FriendlyName", name)])
        sid = fields.identifier(reply.body, "sid")
        if sid is None:
            raise CarrierError(CarrierFault.UNKNOWN, "Twilio made a trunk without an id")
        return sid

    async def _lead_here(self, sid: str, origination_uri: str, *, is_ours: bool) -> bool:
        """See to it that the trunk's calls come here; False if it leads elsewhere."""
        url = f"{self._url}/{sid}/OriginationUrls"
        reply = await self._http.read(url, [("PageSize", str(PAGE_SIZE))])
        present = list(fields.items(reply.body, "origination_urls"))
        wanted = origination_uri.lower()
        in_use = [each for each in present if fields.flag(each, "enabled") is not False]
        here = [each for each in present if (fields.text(each, "sip_url") or "").lower() == wanted]
        if any(each in in_use for each in here):
            return True
        if in_use and not is_ours:
            return False
        for each in here:
            entry = fields.identifier(each, "sid")
            if entry is not None:
                await self._http.write("POST", f"{url}/{entry}", form=[("Enabled", "true")])
                return True
        await self._http.write(
            "POST",
            url,
            form=[
                ("FriendlyName", ORIGINATION_NAME),
                ("SipUrl", origination_uri),
                ("Priority", str(PRIORITY)),
                ("Weight", str(WEIGHT)),
                ("Enabled", "true"),
            ],
        )
        return True


def _hinted(trunks: list[Mapping[str, Any]], hint: TrunkHint) -> list[Mapping[str, Any]]:
    """The trunks that the hint points to, the better one first."""
    domain = (hint.domain or "").lower()
    by_domain = [each for each in trunks if domain and _domain_of(each) == domain]
    by_id = [
        each
        for each in trunks
        if hint.trunk_id is not None and fields.text(each, "sid") == hint.trunk_id
    ]
    return by_domain + [each for each in by_id if each not in by_domain]


def _domain_of(trunk: Mapping[str, Any]) -> str:
    return (fields.text(trunk, "domain_name") or "").lower()
