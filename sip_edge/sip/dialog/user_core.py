"""What all sessions of an endpoint share: who we are, fresh identifiers, the transactions."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.sip.flow import Transport
from sip_edge.sip.message import make_response
from sip_edge.sip.transaction.invite_server import InviteServerTransaction
from sip_edge.sip.uri import host_port

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sip_edge.sip.effects import Send
    from sip_edge.sip.flow import NextHop
    from sip_edge.sip.ids import IdSource
    from sip_edge.sip.inspection import Rejection
    from sip_edge.sip.message import Request
    from sip_edge.sip.settings import EndpointSettings
    from sip_edge.sip.transaction.layer import AnyServerTransaction, TransactionLayer

HeaderList = list[tuple[str, str]]


class UserCore:
    """The user agent core: makes responses and header values that are the same in every session."""

    def __init__(
        self, *, settings: EndpointSettings, ids: IdSource, transactions: TransactionLayer
    ) -> None:
        self.settings = settings
        self.ids = ids
        self.transactions = transactions
        self.server = ("Server", settings.user_agent)
        self.user_agent = ("User-Agent", settings.user_agent)
        allow = ("Allow", ", ".join(settings.allow))
        self.capabilities = [allow, ("Supported", ", ".join(settings.supported))]
        self.requested_capabilities = [allow, ("Supported", ", ".join(settings.requested))]
        self.options_headers = [
            *self.capabilities,
            ("Accept", ", ".join(settings.accept)),
            ("Accept-Encoding", "identity"),
            ("Accept-Language", "en"),
        ]
        self._contacts: dict[tuple[Transport, bool], str] = {}

    def respond(
        self,
        transaction: AnyServerTransaction,
        request: Request,
        status: int,
        now: float,
        *,
        to_tag: str | None = None,
        reason: str | None = None,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> list[Send]:
        """Answer `request`. A To without a tag gets `to_tag`, or the one of its transaction."""
        if status == 100:
            response = make_response(request, 100)
        else:
            response = make_response(
                request,
                status,
                reason=reason,
                to_tag=to_tag or self._tag_for(request, transaction),
                headers=[*headers, self.server],
                body=body,
            )
        return self.transactions.respond(transaction, response, now)

    def reject(
        self, transaction: AnyServerTransaction, request: Request, rejection: Rejection, now: float
    ) -> list[Send]:
        """Refuse `request` for what an inspection found."""
        return self.respond(
            transaction,
            request,
            rejection.status,
            now,
            reason=rejection.reason,
            headers=rejection.headers,
        )

    def via(self, transport: Transport) -> str:
        """A Via for a new request of ours, with a fresh branch and `rport` (RFC 3581)."""
        sent_by = host_port(self.settings.public_host, self._port(transport))
        return f"SIP/2.0/{transport.value} {sent_by};rport;branch={self.ids.branch()}"

    def contact(self, transport: Transport, *, is_secure: bool = False) -> str:
        """Our Contact for a dialog over `transport`.

        12.1.1 wants a SIPS URI in a secure dialog; one that nobody listens at would leave the call
        without its BYE.
        """
        is_secure = is_secure and self.settings.has_tls
        value = self._contacts.get((transport, is_secure))
        if value is None:
            value = self._make_contact(transport, is_secure)
            self._contacts[transport, is_secure] = value
        return value

    def is_at(self, hop: NextHop) -> bool:
        """True if `hop` is where we are reached ourselves: what we sent there would come back."""
        if hop.host != self.settings.public_host:
            return False
        default = 5061 if hop.transport is Transport.TLS else 5060  # RFC 3261 19.1.2.
        return (hop.port or default) == self._port(hop.transport)

    def _make_contact(self, transport: Transport, is_secure: bool) -> str:
        port = self._port(Transport.TLS if is_secure else transport)
        host = host_port(self.settings.public_host, port)
        scheme = "sips" if is_secure else "sip"
        param = "" if transport is Transport.UDP else f";transport={transport.value.lower()}"
        if is_secure and transport is not Transport.UDP:
            param = ";transport=tcp"  # RFC 3261 26.2.2: sips names what TLS runs on.
        return f"<{scheme}:{self.settings.contact_user}@{host}{param}>"

    def _port(self, transport: Transport) -> int:
        settings = self.settings
        return settings.public_tls_port if transport is Transport.TLS else settings.public_port

    def _tag_for(self, request: Request, transaction: AnyServerTransaction) -> str | None:
        """8.2.6.2: one tag in all responses to a request, 100 apart."""
        if request.to.tag is not None:
            return None
        if isinstance(transaction, InviteServerTransaction):
            return transaction.local_tag
        return self.ids.tag()
