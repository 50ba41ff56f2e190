"""The gate in front of the SIP side: whose messages come in, how many, and of which carrier.

A stranger costs a look-up and a counter. Behind a proxy of our own the source is what its one
header says (decision 24), read from the bytes: what may not come in is not parsed.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING, Protocol

from sip_edge.transport.sources import NetworkSet

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from sip_edge.sip.flow import Flow, Transport
    from sip_edge.sip.message import Request
    from sip_edge.sip.stream import FramingError
    from sip_edge.transport.rates import SourceRates
    from sip_edge.transport.sources import Carrier, CarrierTable, Network


class Receiver(Protocol):
    """Whoever is behind the gate: `transport.user_agent.UserAgent`."""

    def receive_datagram(self, data: bytes, flow: Flow) -> None: ...

    def receive_stream_message(self, data: bytes, flow: Flow) -> None: ...

    def receive_framing_error(self, error: FramingError, flow: Flow) -> None: ...

    def stream_closed(self, flow: Flow) -> None: ...


class Proxies:
    """Proxies of our own, and the header in which they say where a request came from."""

    def __init__(self, networks: Iterable[Network], header: str) -> None:
        self._networks = NetworkSet(networks)
        self._header = header
        self._line_start = header.lower().encode("ascii")

    def __contains__(self, host: str) -> bool:
        return self._networks.find(host) is not None

    def source_of(self, request: Request) -> str | None:
        """What the header of a parsed request says, None unless it says it once."""
        values = request.headers.get_all(self._header)
        return _as_the_kernel_writes(values[0].strip()) if len(values) == 1 else None

    def source_in(self, data: bytes) -> str | None:
        """The same of a request that nobody has parsed yet."""
        head = data.partition(b"\r\n\r\n")[0]
        found = [
            value.strip(b" \t")
            for line in head.split(b"\r\n")[1:]
            for name, colon, value in (line.partition(b":"),)
            if colon and name.rstrip(b" \t").lower() == self._line_start
        ]
        return found[0].decode("ascii", "replace") if len(found) == 1 else None


class Gate:
    """Decides what comes in. `clock` gives seconds; `on_stranger` and `on_flood` count."""

    def __init__(
        self,
        *,
        carriers: CarrierTable,
        proxies: Proxies | None,
        requests: SourceRates,
        datagrams: SourceRates,
        clock: Callable[[], float],
        on_stranger: Callable[[Transport], None],
        on_flood: Callable[[], None],
    ) -> None:
        self._carriers = carriers
        self._proxies = proxies
        self._requests = requests
        self._datagrams = datagrams
        self._clock = clock
        self._on_stranger = on_stranger
        self._on_flood = on_flood

    def may_speak(self, host: str, transport: Transport) -> bool:
        """True for carriers and proxies; asked of each datagram and each new connection."""
        if self._carriers.carrier_of(host) is not None or self._is_proxy(host):
            return True
        self._on_stranger(transport)
        return False

    def may_send_datagram(self, host: str, transport: Transport) -> bool:
        """The same, within the rate of its source: more are not even read."""
        return self.may_speak(host, transport) and self.may_send_more(host)

    def may_send_more(self, host: str) -> bool:
        """True within the rate of a source: asked of each datagram, and each message of a stream.

        A proxy of ours sends what many sources sent, and is trusted not to flood us.
        """
        if self._is_proxy(host) or self._datagrams.allow(host, self._clock()):
            return True
        self._on_flood()
        return False

    def may_begin(self, host: str, now: float) -> bool:
        """True if this source may begin something new; what belongs to a call is never asked."""
        if self._is_proxy(host):
            return self._requests.allow_any(now)
        return self._requests.allow(host, now)

    def carrier_of(self, request: Request, flow: Flow) -> Carrier | None:
        """The carrier that a request came from, by its source or by what a proxy says of it."""
        host = self.source_of(request, flow)
        return None if host is None else self._carriers.carrier_of(host)

    def source_of(self, request: Request, flow: Flow) -> str | None:
        """The host that a request came from, before our proxies; None if its proxy does not say."""
        if self._proxies is not None and flow.remote.host in self._proxies:
            return self._proxies.source_of(request)
        return flow.remote.host

    def in_front_of(self, receiver: Receiver) -> Receiver:
        """`receiver`, told only of what our proxies may pass on."""
        return receiver if self._proxies is None else _ProxyGate(self, receiver)

    def may_pass(self, data: bytes, flow: Flow) -> bool:
        """True unless a proxy passes on what a stranger sent, or does not say who sent it.

        Its own OPTIONS, by which it asks how we are, and responses need no header.
        """
        if self._proxies is None or flow.remote.host not in self._proxies:
            return True
        if data[:4] == b"SIP/" or not data.strip(b"\r\n"):
            return True
        source = self._proxies.source_in(data)
        if source is None:
            is_let_in = data[:8] == b"OPTIONS "
        else:
            is_let_in = self._carriers.carrier_of(source) is not None
        if not is_let_in:
            self._on_stranger(flow.transport)
        return is_let_in

    def _is_proxy(self, host: str) -> bool:
        return self._proxies is not None and host in self._proxies


class _ProxyGate:
    """Stands where a receiver is expected."""

    def __init__(self, gate: Gate, receiver: Receiver) -> None:
        self._gate = gate
        self._receiver = receiver

    def receive_datagram(self, data: bytes, flow: Flow) -> None:
        if self._gate.may_pass(data, flow):
            self._receiver.receive_datagram(data, flow)

    def receive_stream_message(self, data: bytes, flow: Flow) -> None:
        if self._gate.may_pass(data, flow):
            self._receiver.receive_stream_message(data, flow)

    def receive_framing_error(self, error: FramingError, flow: Flow) -> None:
        self._receiver.receive_framing_error(error, flow)

    def stream_closed(self, flow: Flow) -> None:
        self._receiver.stream_closed(flow)


def _as_the_kernel_writes(text: str) -> str:
    """An address in the form that sockets give (Kamailio writes IPv6 in full); else as it is."""
    try:
        return str(ip_address(text))
    except ValueError:
        return text
