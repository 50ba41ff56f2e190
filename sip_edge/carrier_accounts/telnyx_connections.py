"""Telnyx's FQDN connections: one that sends its calls to us."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from sip_edge.carrier_accounts import fields
from sip_edge.carrier_accounts.http import CarrierHttp
from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault, TrunkHint

PAGE_SIZE: Final = 250
"""The most that Telnyx gives at once."""

_DEFAULT_PORT: Final = 5060

_CONNECTION: Final = {
    "dtmf_type": "RFC 2833",
    "default_on_hold_comfort_noise_enabled": True,
    "inbound": {
        # With the plus there is nothing to guess; G.711 first, as nothing else is spoken here.
        "ani_number_format": "+E.164",
        "dnis_number_format": "+e164",
        "codecs": ["G711U", "G711A"],
        "sip_compact_headers_enabled": False,
        "generate_ringback_tone": False,
        "default_routing_method": "sequential",
        # From 3: an agent's worker has two seconds, and 180 is sent only once it has accepted.
        "timeout_1xx_secs": 5,
        "timeout_2xx_secs": 60,
    },
}
"""What a new connection is told; the edge copes with the defaults as well."""

_FQDN_FIELDS: Final = (
    "default_primary_fqdn_id",
    "default_secondary_fqdn_id",
    "default_tertiary_fqdn_id",
)


class TelnyxConnections:
    """The FQDN connections of one account."""

    def __init__(self, http: CarrierHttp, base_url: str) -> None:
        self._http = http
        self._url = base_url

    async def ensure(self, origination_uri: str, hint: TrunkHint) -> str:
        """The id of a connection whose calls come to `origination_uri`.

        The one that the number is on, unless it is of another kind or leads somewhere else: its
        other numbers must stay where they are. Then the one of our name, made if there is none.
        """
        host, port = host_and_port(origination_uri)
        if hint.trunk_id is not None and fields.is_identifier(hint.trunk_id):
            # 404: a credential or IP connection.
            reply = await self._http.read(
                f"{self._url}/fqdn_connections/{hint.trunk_id}", missing_is_fine=True
            )
            current = fields.inner(reply.body, "data")
            if fields.identifier(current, "id") == hint.trunk_id and await self._lead_here(
                current, host, port, is_ours=False
            ):
                return hint.trunk_id
        name = fields.trunk_name(origination_uri)
        ours = await self._named(name) or await self._create(name)
        await self._lead_here(ours, host, port, is_ours=True)
        return _id_of(ours)

    async def _named(self, name: str) -> Mapping[str, Any] | None:
        reply = await self._http.read(
            f"{self._url}/fqdn_connections",
            [
                ("filter[connection_name][contains]", name),
                ("page[size]", str(PAGE_SIZE)),
            ],
        )
        for each in fields.items(reply.body, "data"):
            if fields.text(each, "connection_name") == name:
                return each
        return None

    async def _create(self, name: str) -> Mapping[str, Any]:
        reply = await self._http.write(
            "POST", f"{self._url}/fqdn_connections", json={"connection_name": name, **_CONNECTION}
        )
        return fields.inner(reply.body, "data")

    async def _lead_here(
        self, connection: Mapping[str, Any], host: str, port: int, *, is_ours: bool
    ) -> bool:
        """See to it that the connection's calls come here; False if it leads elsewhere."""
        connection_id = _id_of(connection)
        inbound = fields.inner(connection, "inbound")
        in_use = {fields.text(inbound, name) for name in _FQDN_FIELDS} - {None}
        reply = await self._http.read(
            f"{self._url}/fqdns",
            [("filter[connection_id]", connection_id), ("page[size]", str(PAGE_SIZE))],
        )
        fqdn_id = None
        for each in fields.items(reply.body, "data"):
            name, at = fields.text(each, "fqdn"), each.get("port") or _DEFAULT_PORT
            if (name or "").lower() == host and at == port:
                fqdn_id = fields.identifier(each, "id")
        if fqdn_id is not None and fqdn_id in in_use:
            return True
        if in_use and not is_ours:
            return False
        if fqdn_id is None:
            fqdn_id = await self._add_fqdn(connection_id, host, port)
        await self._http.write(
            "PATCH",
            f"{self._url}/fqdn_connections/{connection_id}",
            json={"inbound": {"default_primary_fqdn_id": fqdn_id}},
        )
        return True

    async def _add_fqdn(self, connection_id: str, host: str, port: int) -> str:
        reply = await self._http.write(
            "POST",
            f"{self._url}/fqdns",
            json={
                "connection_id": connection_id,
                "fqdn": host,
                "port": port,
                # With a port it must be "a": "srv" is for names without one.
                "dns_record_type": "a",
            },
        )
        return _id_of(fields.inner(reply.body, "data"))


def host_and_port(origination_uri: str) -> tuple[str, int]:
    """Of `sip:voice.oneinbox.ai:5060;transport=tcp`. Raises CarrierError."""
    text = origination_uri.partition(":")[2].partition(";")[0].lower()
    host, _, port = text.partition(":")
    if not host or not (port == "" or (port.isascii() and port.isdigit() and len(port) <= 5)):
        raise CarrierError(CarrierFault.UNKNOWN, "the origination URI is no sip:host:port")
    return host, int(port) if port else _DEFAULT_PORT


def _id_of(value: Mapping[str, Any]) -> str:
    found = fields.identifier(value, "id")
    if found is None:
        raise CarrierError(CarrierFault.UNKNOWN, "Telnyx answered without an id")
    return found
