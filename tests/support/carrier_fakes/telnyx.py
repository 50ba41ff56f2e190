"""Telnyx: number orders, phone numbers and FQDN connections of one account."""

from __future__ import annotations

import re
import uuid
from typing import Any

from support.carrier_fakes.server import Answer, FakeServer, Recorded, RefuseError

API_KEY = "KEY0123456789-telnyx-for-tests"

Match = re.Match[str]


class FakeTelnyx(FakeServer):
    """An order is pending for `asked_before_success` questions; see FakeTwilio for the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.for_sale: list[str] = ["+12025550111", "+12025550112", "+12025550113"]
        self.searched: set[str] = set()
        self.failing: set[str] = set()
        self.regulated: set[str] = set()
        self.asked_before_success = 1
        self.orders: dict[str, dict[str, Any]] = {}
        self.owned: dict[str, dict[str, Any]] = {}
        self.connections: dict[str, dict[str, Any]] = {}
        self.fqdns: dict[str, dict[str, Any]] = {}
        self.bought: list[str] = []
        self.released: list[str] = []
        self.cancelled: list[str] = []
        self._count = 1_500_000_000_000_000_000
        self.route("GET", r"/v2/available_phone_numbers", self._search)
        self.route("POST", r"/v2/number_orders", self._order)
        self.route("GET", r"/v2/number_orders", self._list_orders)
        self.route("PATCH", r"/v2/sub_number_orders/([\w-]+)/cancel", self._cancel)
        self.route("GET", r"/v2/phone_numbers", self._list)
        self.route("PATCH", r"/v2/phone_numbers/(\d+)", self._change)
        self.route("DELETE", r"/v2/phone_numbers/(\d+)", self._release)
        self.route("GET", r"/v2/fqdn_connections", self._list_connections)
        self.route("POST", r"/v2/fqdn_connections", self._create_connection)
        self.route("GET", r"/v2/fqdn_connections/(\d+)", self._connection)
        self.route("PATCH", r"/v2/fqdn_connections/(\d+)", self._change_connection)
        self.route("GET", r"/v2/fqdns", self._list_fqdns)
        self.route("POST", r"/v2/fqdns", self._create_fqdn)

    @property
    def api_url(self) -> str:
        return f"{self.url}/v2"

    def own(self, phone_number: str, *, connection_id: str | None = None) -> str:
        """Give the account a number that it had before; its id."""
        identifier = self._id()
        self.owned[phone_number] = {
            "id": identifier,
            "record_type": "phone_number",
            "phone_number": phone_number,
            "status": "active",
            "connection_id": connection_id,
        }
        return identifier

    def add_connection(self, name: str, fqdn: str | None = None) -> str:
        """Give the account an FQDN connection, with a primary FQDN if one is named; its id."""
        identifier = self._id()
        self.connections[identifier] = {"id": identifier, "connection_name": name, "inbound": {}}
        if fqdn is not None:
            host, _, port = fqdn.partition(":")
            self._inbound(identifier)["default_primary_fqdn_id"] = self._add_fqdn(
                {"connection_id": identifier, "fqdn": host, "port": int(port or 5060)}
            )["id"]
        return identifier

    def leads_to(self, connection_id: str) -> str | None:
        """`host:port` of a connection's primary FQDN."""
        found = self.fqdns.get(self._inbound(connection_id).get("default_primary_fqdn_id", ""))
        return None if found is None else f"{found['fqdn']}:{found['port']}"

    def check_login(self, request: Recorded) -> None:
        if request.headers.get("authorization") != f"Bearer {API_KEY}":
            raise _refusal(401, "10009", "Authentication failed")

    def _id(self) -> str:
        self._count += 1
        return str(self._count)

    def _inbound(self, connection_id: str) -> dict[str, Any]:
        inbound: dict[str, Any] = self.connections[connection_id]["inbound"]
        return inbound

    def _search(self, request: Recorded, match: Match) -> Answer:
        query = dict(request.query)
        found = [
            {
                "record_type": "available_phone_number",
                "phone_number": number,
                "features": [{"name": "voice"}, {"name": "sms"}],
                "cost_information": {
                    "upfront_cost": "1.00",
                    "monthly_cost": "1.10",
                    "currency": "USD",
                },
                "region_information": [
                    {"region_type": "country_code", "region_name": "US"},
                    {"region_type": "state", "region_name": "DC"},
                ],
            }
            for number in self.for_sale
            if number.startswith("+1" + query.get("filter[national_destination_code]", ""))
            and query.get("filter[phone_number][contains]", "") in number
        ][: int(query.get("filter[limit]", 100))]
        self.searched |= {row["phone_number"] for row in found}
        return Answer(200, {"data": found, "meta": {"total_results": len(found)}})

    def _order(self, request: Recorded, match: Match) -> Answer:
        number = request.body["phone_numbers"][0]["phone_number"]
        if number not in self.for_sale or number not in self.searched:
            raise _refusal(400, "85000", "Phone number must be searched for first")
        self.for_sale.remove(number)
        order = {
            "id": str(uuid.uuid4()),
            "record_type": "number_order",
            "status": "pending",
            "customer_reference": request.body.get("customer_reference"),
            "connection_id": request.body.get("connection_id"),
            "requirements_met": number not in self.regulated,
            "sub_number_orders_ids": [str(uuid.uuid4())],
            "phone_numbers": [{"phone_number": number, "status": "pending"}],
            "asked": 0,
        }
        self.orders[str(order["id"])] = order
        return Answer(200, {"data": order})

    def _list_orders(self, request: Recorded, match: Match) -> Answer:
        wanted = dict(request.query).get("filter[customer_reference]")
        found = []
        for order in self.orders.values():
            if wanted in (None, order["customer_reference"]):
                self._ripen(order)
                found.append(order)
        return Answer(200, {"data": found, "meta": {"total_results": len(found)}})

    def _ripen(self, order: dict[str, Any]) -> None:
        number = order["phone_numbers"][0]["phone_number"]
        order["asked"] += 1
        if order["status"] != "pending" or not order["requirements_met"]:
            return
        if order["asked"] < self.asked_before_success:
            return
        if number in self.failing:
            order["status"] = "failure"
            return
        order["status"] = "success"
        self.bought.append(number)
        self.own(number, connection_id=order["connection_id"])

    def _cancel(self, request: Recorded, match: Match) -> Answer:
        for order in self.orders.values():
            if match[1] in order["sub_number_orders_ids"]:
                order["status"] = "failure"
                number = order["phone_numbers"][0]["phone_number"]
                self.cancelled.append(number)
                return Answer(200, {"data": {"id": match[1], "status": "cancelled"}})
        raise _refusal(404, "10005", "Resource not found")

    def _list(self, request: Recorded, match: Match) -> Answer:
        wanted = dict(request.query).get("filter[phone_number]")
        # As documented: "Non-numerical characters will result in no values being returned."
        rows = [
            row
            for number, row in self.owned.items()
            if wanted is None or (wanted.isdigit() and wanted in number)
        ]
        return Answer(200, {"data": rows, "meta": {"total_results": len(rows)}})

    def _change(self, request: Recorded, match: Match) -> Answer:
        for row in self.owned.values():
            if row["id"] == match[1]:
                row["connection_id"] = request.body["connection_id"] or None
                return Answer(200, {"data": row})
        raise _refusal(404, "10005", "Resource not found")

    def _release(self, request: Recorded, match: Match) -> Answer:
        for number, row in self.owned.items():
            if row["id"] == match[1]:
                del self.owned[number]
                self.released.append(number)
                return Answer(200, {"data": row | {"status": "deleted"}})
        raise _refusal(404, "10005", "Resource not found")

    def _list_connections(self, request: Recorded, match: Match) -> Answer:
        part = dict(request.query).get("filter[connection_name][contains]", "")
        rows = [row for row in self.connections.values() if part in row["connection_name"]]
        return Answer(200, {"data": rows})

    def _create_connection(self, request: Recorded, match: Match) -> Answer:
        identifier = self.add_connection(request.body["connection_name"])
        self.connections[identifier]["inbound"] = dict(request.body.get("inbound") or {})
        return Answer(201, {"data": self.connections[identifier]})

    def _connection(self, request: Recorded, match: Match) -> Answer:
        if match[1] not in self.connections:
            raise _refusal(404, "10005", "Resource not found")
        return Answer(200, {"data": self.connections[match[1]]})

    def _change_connection(self, request: Recorded, match: Match) -> Answer:
        if match[1] not in self.connections:
            raise _refusal(404, "10005", "Resource not found")
        self._inbound(match[1]).update(request.body.get("inbound") or {})
        return Answer(200, {"data": self.connections[match[1]]})

    def _list_fqdns(self, request: Recorded, match: Match) -> Answer:
        wanted = dict(request.query).get("filter[connection_id]")
        rows = [row for row in self.fqdns.values() if row["connection_id"] == wanted]
        return Answer(200, {"data": rows})

    def _create_fqdn(self, request: Recorded, match: Match) -> Answer:
        if request.body.get("dns_record_type") != "a":
            raise _refusal(422, "10015", "with a port the DNS record type must be 'a'")
        return Answer(201, {"data": self._add_fqdn(request.body)})

    def _add_fqdn(self, body: dict[str, Any]) -> dict[str, Any]:
        row = {"id": self._id(), **body}
        self.fqdns[row["id"]] = row
        return row


def _refusal(status: int, code: str, title: str) -> RefuseError:
    return RefuseError(status, {"errors": [{"code": code, "title": title, "detail": title}]})
