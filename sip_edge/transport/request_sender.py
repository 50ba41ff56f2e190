"""Brings a request to its next hop: RFC 3263 section 4, RFC 3261 sections 18.1.1 and 18.2.2.

What can be sent at once is; the rest waits for name servers or a connection in a task of its own,
so that a black-holed name delays nothing but its own call. The targets of a name are tried in
order until one takes the request; if none does, the transaction is told.

Over UDP the first one that the kernel sends to has taken it. One that then stays silent costs the
transaction its 32 s: another target would need another branch (RFC 3263 section 4.3), and what we
send to names are a call's last words, whose sound has ended by then.

RFC 3261 18.1.1 would have a request of more than 1300 bytes go over TCP. This does not: ours are a
BYE or an INFO of some 600 bytes, which a long route set alone could bring there; a carrier that
has chosen UDP may let nothing else in, and would find another transport in the Via than in the
dialog. The socket lets such a datagram be fragmented (see `udp`), as carriers do with INVITEs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Protocol

from sip_edge.resolver import ResolveError, ResolveFailure, numeric_address
from sip_edge.sip.flow import Address, Transport, may_be_named
from sip_edge.sip.parser import ParseError, parse_message
from sip_edge.tasks import spawn
from sip_edge.transport.targets import DEFAULT_PORTS, Peer, in_order, port_of, service_name

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Callable

    from sip_edge.resolver import Service
    from sip_edge.sip.effects import Send, SendTo
    from sip_edge.sip.flow import Flow, NextHop
    from sip_edge.transport.streams import StreamConnections
    from sip_edge.transport.udp import UdpListener

MAX_PENDING: Final = 512
"""Messages waiting for a name or a connection; the next one fails at once, as if refused."""
MAX_TARGETS: Final = 6
"""Tried for one request: at 4 s for a connection, all of them fit into its 32 s (Timer F)."""
MAX_REMEMBERED: Final = 4096
"""Targets chosen by a look-up, kept for the repetitions of a request: those of 32 s."""
RESOLVE_SECONDS: Final = 2.0
"""How long one look-up may take: half of what the peer waits before it repeats."""


class NameResolver(Protocol):
    """Finds addresses and services, without blocking the loop."""

    async def resolve(self, host: str, deadline: float) -> list[str]:
        """Numeric addresses, best first, never empty. Raises ResolveError, by `deadline`."""
        ...

    async def services(self, name: str, deadline: float) -> list[Service]:
        """SRV records in any order, never empty. Raises ResolveError, by `deadline`."""
        ...


class RequestSender:
    """Sends what has to find its own way. `on_failed` is told the key of what found none.

    `draw(n)` gives a random integer from 0 to n, both included.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        resolver: NameResolver,
        draw: Callable[[int], int],
        on_failed: Callable[[str], None],
    ) -> None:
        self._loop = loop
        self._resolver = resolver
        self._draw = draw
        self._on_failed = on_failed
        self._udp: UdpListener | None = None
        self._streams: StreamConnections | None = None
        self._chosen: dict[str, Address] = {}
        self._under_way: set[str] = set()
        self._pending = 0

    def bind(self, *, udp: UdpListener | None, streams: StreamConnections | None) -> None:
        """Take the sockets to send with."""
        self._udp = udp
        self._streams = streams

    def send(self, effect: SendTo) -> None:
        """Send a request; a repetition of one that is still looking for its way is not needed."""
        if effect.key in self._under_way or self._send_at_once(effect):
            return
        if self._pending >= MAX_PENDING:
            self._loop.call_soon(self._on_failed, effect.key)
            return
        self._pending += 1
        self._under_way.add(effect.key)
        spawn(self._send_later(effect), name=f"send to {effect.hop.host[:64]}")

    def answer_anew(self, effect: Send) -> None:
        """RFC 3261 18.2.2: send a response whose connection is gone on a new one, if there is one.

        It goes to the address that the request came from, at the port of the top Via's sent-by.
        """
        if self._pending < MAX_PENDING:
            self._pending += 1
            spawn(self._answer_anew(effect), name="response on a new connection")

    async def _answer_anew(self, effect: Send) -> None:
        transport = effect.flow.transport
        try:
            via = parse_message(effect.data).top_via
            port = via.port or DEFAULT_PORTS[transport]
            if self._streams is not None:
                name = "" if numeric_address(via.host) is not None else via.host
                peer = Peer(Address(effect.flow.remote.host, port), transport, name)
                self._streams.send(effect.data, await self._streams.flow_to(peer))
        except (OSError, ParseError):
            pass  # A 2xx is repeated, and its call ended when no ACK comes.
        finally:
            self._pending -= 1

    def _send_at_once(self, effect: SendTo) -> bool:
        """Send where no name has to be resolved and no connection opened."""
        hop = effect.hop
        if hop.transport is Transport.UDP:
            address = self._chosen.get(_branch(effect.key)) or _numeric(hop)
            if self._udp is None or address is None or not self._udp.can_reach(address.host):
                return False
            if not _may_lead(hop, address.host):
                return False
            self._udp.send(effect.data, address)  # A failure that passes is the timers' business.
            return True
        if self._streams is None:
            return False
        # The connection that the peer opened is used again (RFC 5923): its source port is not the
        # one its route names, and it may sit behind a NAT that lets nothing else in. The core names
        # it only where it leads to the hop.
        flow: Flow | None = effect.flow
        return flow is not None and self._streams.send(effect.data, flow)

    async def _send_later(self, effect: SendTo) -> None:
        try:
            is_sent = await self._find_and_send(effect)
        except ResolveError:
            is_sent = False
        finally:
            self._pending -= 1
            self._under_way.discard(effect.key)
        if not is_sent:
            self._on_failed(effect.key)

    async def _find_and_send(self, effect: SendTo) -> bool:
        """Try one target after the other. Raises ResolveError if there is none at all."""
        left = MAX_TARGETS
        failure: ResolveError | None = None
        for host, port in await self._locate(effect):
            try:
                addresses = await self._addresses(host)
            except ResolveError as error:
                failure = error  # Of one of several services: the others may be there.
                continue
            for address in addresses[:left]:
                left -= 1
                if await self._try(effect, Address(address, port)):
                    return True
        if failure is not None:
            raise failure
        return False

    async def _addresses(self, host: str) -> list[str]:
        literal = numeric_address(host)
        return [literal] if literal else await self._resolver.resolve(host, self._deadline())

    async def _locate(self, effect: SendTo) -> list[tuple[str, int]]:
        """Hosts and ports in the order to try them (RFC 3263 4.2)."""
        hop = effect.hop
        known = self._chosen.get(_branch(effect.key))
        if known is not None:
            return [(known.host, known.port)]
        name = service_name(hop)
        if name is not None:
            try:
                services = await self._resolver.services(name, self._deadline())
            except ResolveError as error:
                if error.failure is ResolveFailure.OVERLOADED:
                    raise
                # None are published, or the name server is silent on them: A and AAAA are left.
            else:
                # RFC 2782: a target of "." says that the service is decidedly not available.
                ordered = in_order((each for each in services if each.target), self._draw)
                return [(each.target, each.port) for each in ordered]
        return [(hop.host, port_of(hop))]

    async def _try(self, effect: SendTo, address: Address) -> bool:
        hop = effect.hop
        if not _may_lead(hop, address.host):
            return False
        if hop.transport is Transport.UDP:
            udp = self._udp
            is_sent = (
                udp is not None and udp.can_reach(address.host) and udp.send(effect.data, address)
            )
        else:
            is_sent = await self._try_stream(effect, address)
        if is_sent:
            self._remember(_branch(effect.key), address)
        return is_sent

    async def _try_stream(self, effect: SendTo, address: Address) -> bool:
        if self._streams is None:
            return False
        hop = effect.hop
        name = "" if numeric_address(hop.host) is not None else hop.host
        try:
            flow = await self._streams.flow_to(Peer(address, hop.transport, name))
        except OSError:
            return False
        return self._streams.send(effect.data, flow)

    def _remember(self, branch: str, address: Address) -> None:
        """RFC 3263 4: repetitions, and the CANCEL and ACK of an INVITE, go where it went."""
        self._chosen[branch] = address
        if len(self._chosen) > MAX_REMEMBERED:
            del self._chosen[next(iter(self._chosen))]

    def _deadline(self) -> float:
        return self._loop.time() + RESOLVE_SECONDS


def _may_lead(hop: NextHop, address: str) -> bool:
    """False for an address that the peer who named `hop` must not have us send to."""
    return not hop.named_by or may_be_named(address, hop.named_by)


def _branch(key: str) -> str:
    """The branch of a client transaction's key, which its CANCEL shares (9.1)."""
    return key.partition(" ")[0]


def _numeric(hop: NextHop) -> Address | None:
    host = numeric_address(hop.host)
    return None if host is None else Address(host, port_of(hop))
