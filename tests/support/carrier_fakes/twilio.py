"""Twilio: IncomingPhoneNumbers and trunks of one account."""

from __future__ import annotations

import base64
import re
from typing import Any

from support.carrier_fakes.server import Answer, FakeServer, Recorded, RefuseError

ACCOUNT_SID = "AC" + "0123456789abcdef" * 2
AUTH_TOKEN = "twilio-auth-token-for-tests"

Match = re.Match[str]


class FakeTwilio(FakeServer):
    """`for_sale` can be bought, `owned` has been; `bought` counts sales, `released` returns."""

    def __init__(self) -> None:
        super().__init__()
        self.for_sale: list[str] = ["+12025550101", "+12025550102", "+12025550103"]
        self.regulated: set[str] = set()
        self.owned: dict[str, dict[str, Any]] = {}
        self.trunks: dict[str, dict[str, Any]] = {}
        self.urls: dict[str, list[dict[str, Any]]] = {}
        self.bought: list[str] = []
        self.released: list[str] = []
        self._count = 0
        account = rf"/2010-04-01/Accounts/{ACCOUNT_SID}"
        self.route("GET", rf"{account}/AvailablePhoneNumbers/(\w\w)/Local\.json", self._search)
        self.route("GET", rf"{account}/IncomingPhoneNumbers\.json", self._list)
        self.route("POST", rf"{account}/IncomingPhoneNumbers\.json", self._buy)
        self.route("DELETE", rf"{account}/IncomingPhoneNumbers/(PN\w+)\.json", self._release)
        self.route("GET", r"/v1/Trunks", self._list_trunks)
        self.route("POST", r"/v1/Trunks", self._create_trunk)
        self.route("GET", r"/v1/Trunks/(TK\w+)/OriginationUrls", self._list_urls)
        self.route("POST", r"/v1/Trunks/(TK\w+)/OriginationUrls", self._add_url)
        self.route("POST", r"/v1/Trunks/(TK\w+)/OriginationUrls/(OU\w+)", self._change_url)
        self.route("POST", r"/v1/Trunks/(TK\w+)/PhoneNumbers", self._attach)
        self.route("DELETE", r"/v1/Trunks/(TK\w+)/PhoneNumbers/(PN\w+)", self._detach)

    def own(self, phone_number: str, *, trunk_sid: str | None = None, name: str = "mine") -> str:
        """Give the account a number that it had before; its SID."""
        return str(self._add_number(phone_number, name, trunk_sid)["sid"])

    def add_trunk(self, name: str, domain: str | None = None, *urls: str) -> str:
        """Give the account a trunk with origination URIs; its SID."""
        sid = self._sid("TK")
        self.trunks[sid] = {"sid": sid, "friendly_name": name, "domain_name": domain}
        self.urls[sid] = []
        for url in urls:
            self._add(sid, {"FriendlyName": "old", "SipUrl": url, "Enabled": "true"})
        return sid

    def check_login(self, request: Recorded) -> None:
        login = base64.b64encode(f"{ACCOUNT_SID}:{AUTH_TOKEN}".encode()).decode()
        if request.headers.get("authorization") != f"Basic {login}":
            raise _refusal(401, 20003, "Authenticate")

    def _sid(self, prefix: str) -> str:
        self._count += 1
        return f"{prefix}{self._count:032x}"

    def _add_number(self, phone_number: str, name: str, trunk_sid: str | None) -> dict[str, Any]:
        row = {
            "sid": self._sid("PN"),
            "account_sid": ACCOUNT_SID,
            "phone_number": phone_number,
            "friendly_name": name,
            "trunk_sid": trunk_sid,
            "capabilities": {"voice": True, "sms": True, "mms": False, "fax": False},
            "status": "in-use",
        }
        self.owned[phone_number] = row
        return row

    def _search(self, request: Recorded, match: Match) -> Answer:
        query = dict(request.query)
        found = [
            {
                "phone_number": number,
                "iso_country": match[1],
                "region": "DC",
                "locality": "Washington",
                "address_requirements": "none",
                "capabilities": {"voice": True, "SMS": True, "MMS": False},
            }
            for number in self.for_sale
            if number.startswith("+1" + query.get("AreaCode", ""))
            and query.get("Contains", "") in number
        ]
        return Answer(200, {"available_phone_numbers": found[: int(query.get("PageSize", 50))]})

    def _list(self, request: Recorded, match: Match) -> Answer:
        wanted = dict(request.query).get("PhoneNumber")
        rows = [row for number, row in self.owned.items() if wanted in (None, number)]
        return Answer(200, {"incoming_phone_numbers": rows})

    def _buy(self, request: Recorded, match: Match) -> Answer:
        number = request.body["PhoneNumber"]
        if number in self.regulated:
            raise _refusal(400, 21649, "Bundle required")
        if number in self.owned or number not in self.for_sale:
            raise _refusal(400, 21422, f"{number} is not available")
        trunk_sid = request.body.get("TrunkSid")
        if trunk_sid is not None and trunk_sid not in self.trunks:
            raise _refusal(404, 20404, "no such trunk")
        self.for_sale.remove(number)
        self.bought.append(number)
        row = self._add_number(number, request.body.get("FriendlyName", number), trunk_sid)
        return Answer(201, row)

    def _release(self, request: Recorded, match: Match) -> Answer:
        for number, row in self.owned.items():
            if row["sid"] == match[1]:
                del self.owned[number]
                self.released.append(number)
                self.for_sale.append(number)
                return Answer(204)
        raise _refusal(404, 20404, "no such number")

    def _list_trunks(self, request: Recorded, match: Match) -> Answer:
        return Answer(200, {"trunks": list(self.trunks.values())})

    def _create_trunk(self, request: Recorded, match: Match) -> Answer:
        sid = self.add_trunk(request.body["FriendlyName"])
        return Answer(201, self.trunks[sid])

    def _list_urls(self, request: Recorded, match: Match) -> Answer:
        self._trunk(match[1])
        return Answer(200, {"origination_urls": self.urls[match[1]]})

    def _add_url(self, request: Recorded, match: Match) -> Answer:
        self._trunk(match[1])
        for name in ("FriendlyName", "SipUrl", "Priority", "Weight", "Enabled"):
            if name not in request.body:
                raise _refusal(400, 20001, f"{name} is required")
        return Answer(201, self._add(match[1], request.body))

    def _add(self, trunk_sid: str, body: dict[str, str]) -> dict[str, Any]:
        row = {
            "sid": self._sid("OU"),
            "trunk_sid": trunk_sid,
            "sip_url": body["SipUrl"],
            "friendly_name": body["FriendlyName"],
            "priority": int(body.get("Priority", 10)),
            "weight": int(body.get("Weight", 10)),
            "enabled": body["Enabled"] == "true",
        }
        self.urls[trunk_sid].append(row)
        return row

    def _change_url(self, request: Recorded, match: Match) -> Answer:
        for row in self.urls[match[1]]:
            if row["sid"] == match[2]:
                row["enabled"] = request.body.get("Enabled", "true") == "true"
                return Answer(200, row)
        raise _refusal(404, 20404, "no such origination URL")

    def _attach(self, request: Recorded, match: Match) -> Answer:
        self._trunk(match[1])
        for row in self.owned.values():
            if row["sid"] == request.body["PhoneNumberSid"]:
                row["trunk_sid"] = match[1]
                return Answer(201, row)
        raise _refusal(404, 20404, "no such number")

    def _detach(self, request: Recorded, match: Match) -> Answer:
        for row in self.owned.values():
            if row["sid"] == match[2] and row["trunk_sid"] == match[1]:
                row["trunk_sid"] = None
                return Answer(204)
        raise _refusal(404, 20404, "not on this trunk")

    def _trunk(self, sid: str) -> None:
        if sid not in self.trunks:
            raise _refusal(404, 20404, "no such trunk")


def _refusal(status: int, code: int, message: str) -> RefuseError:
    info = f"https://www.twilio.com/docs/errors/{code}"
    return RefuseError(
        status, {"code": code, "message": message, "more_info": info, "status": status}
    )
