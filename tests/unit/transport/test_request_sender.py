"""RFC 3263: names, services and addresses are tried in order; what finds no way is told."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterable
from typing import TypeVar

from support.virtual_time import run

from sip_edge.resolver import ResolveError, ResolveFailure, Service
from sip_edge.sip.effects import Send, SendTo
from sip_edge.sip.flow import Address, Flow, NextHop, Transport
from sip_edge.transport.request_sender import MAX_PENDING, RequestSender
from sip_edge.transport.targets import Peer

LOCAL = Address("203.0.113.10", 5060)
RESPONSE = b"SIP/2.0 200 OK\r\nVia: SIP/2.0/%s 198.51.100.7%s;branch=z9hG4bK1\r\n\r\n"

_Result = TypeVar("_Result")


class Sockets:
    """UDP and streams that are only written down. What is in `dead` cannot be reached."""

    def __init__(self, *, dead: Iterable[str] = (), is_ipv6: bool = False) -> None:
        self.sent: list[tuple[str, bytes]] = []
        self.tried: list[str] = []
        self.dead = set(dead)
        self.open: set[int] = set()
        self._is_ipv6 = is_ipv6
        self._flows: dict[int, Peer] = {}

    def can_reach(self, host: str) -> bool:
        return (":" in host) == self._is_ipv6

    def send_datagram(self, data: bytes, remote: Address) -> bool:
        self.tried.append(f"{remote.host}:{remote.port}")
        if remote.host in self.dead:
            return False
        self.sent.append((f"{remote.host}:{remote.port}", data))
        return True

    async def flow_to(self, peer: Peer) -> Flow:
        where = f"{peer.transport.value} {peer.address.host}:{peer.address.port} {peer.name}"
        self.tried.append(where.strip())
        await asyncio.sleep(0.1)
        if peer.address.host in self.dead:
            raise ConnectionRefusedError("refused")
        number = len(self._flows) + 100
        self._flows[number] = peer
        self.open.add(number)
        return Flow(peer.transport, LOCAL, peer.address, number)

    def send_on(self, data: bytes, flow: Flow) -> bool:
        if flow.connection not in self.open:
            return False
        self.sent.append((f"{flow.remote.host}:{flow.remote.port}", data))
        return True


class _Udp:
    def __init__(self, sockets: Sockets) -> None:
        self.can_reach = sockets.can_reach
        self.send = sockets.send_datagram


class _Streams:
    def __init__(self, sockets: Sockets) -> None:
        self.flow_to = sockets.flow_to
        self.send = sockets.send_on


class Names:
    """What name servers know. A name in `silent` is answered never, any other unknown one soon."""

    def __init__(self) -> None:
        self.addresses: dict[str, list[str]] = {}
        self.records: dict[str, list[Service]] = {}
        self.silent: set[str] = set()
        self.asked: list[str] = []

    async def resolve(self, host: str, deadline: float) -> list[str]:
        return list(await self._ask(host, deadline, self.addresses))

    async def services(self, name: str, deadline: float) -> list[Service]:
        return list(await self._ask(name, deadline, self.records))

    async def _ask(
        self, name: str, deadline: float, known: dict[str, list[_Result]]
    ) -> list[_Result]:
        self.asked.append(name)
        if name in self.silent:
            await asyncio.sleep(deadline - asyncio.get_running_loop().time())
            raise ResolveError(name, ResolveFailure.TIMEOUT)
        await asyncio.sleep(0.05)
        if name not in known:
            raise ResolveError(name, ResolveFailure.NOT_FOUND)
        return known[name]


class World:
    def __init__(self, sockets: Sockets | None = None) -> None:
        self.sockets = sockets or Sockets()
        self.names = Names()
        self.failed: list[str] = []
        self.sender = RequestSender(
            loop=asyncio.get_running_loop(),
            resolver=self.names,
            draw=lambda highest: highest,
            on_failed=self.failed.append,
        )
        self.sender.bind(udp=_Udp(self.sockets), streams=_Streams(self.sockets))  # type: ignore[arg-type]

    def send(self, hop: NextHop, *, key: str = "z9hG4bK1 BYE", flow: Flow | None = None) -> None:
        self.sender.send(SendTo(key.encode(), hop, flow, key))

    @property
    def sent_to(self) -> list[str]:
        return [where for where, _ in self.sockets.sent]


def play(main: Coroutine[object, object, World]) -> World:
    return run(main)


def udp(host: str, port: int | None = None) -> NextHop:
    return NextHop(host, port, Transport.UDP)


def tls(host: str, port: int | None = None) -> NextHop:
    return NextHop(host, port, Transport.TLS)


def test_address_is_sent_to_at_once_and_nobody_is_asked() -> None:
    async def main() -> World:
        world = World()
        world.send(udp("192.0.2.9"))
        assert world.sent_to == ["192.0.2.9:5060"]
        return world

    assert play(main()).names.asked == []


def test_services_of_a_name_are_tried_by_priority_until_one_takes_the_request() -> None:
    async def main() -> World:
        world = World(Sockets(dead=["192.0.2.1", "192.0.2.2"]))
        world.names.records["_sips._tcp.peer.example"] = [
            Service(20, 0, 5071, "b.example"),
            Service(10, 0, 5061, "a.example"),
            Service(30, 0, 5061, "c.example"),
        ]
        world.names.addresses = {
            "a.example": ["192.0.2.1", "192.0.2.2"],
            "b.example": ["192.0.2.3"],
            "c.example": ["192.0.2.4"],
        }
        world.send(tls("peer.example"))
        await asyncio.sleep(5)
        return world

    world = play(main())
    assert world.sockets.tried == [
        "TLS 192.0.2.1:5061 peer.example",
        "TLS 192.0.2.2:5061 peer.example",
        "TLS 192.0.2.3:5071 peer.example",
    ]
    assert (world.sent_to, world.failed) == (["192.0.2.3:5071"], [])


def test_name_without_services_is_sent_to_its_address_at_the_transports_port() -> None:
    async def main() -> World:
        world = World()
        world.names.addresses["peer.example"] = ["192.0.2.9"]
        world.send(udp("peer.example"), key="z9hG4bK1 BYE")
        world.send(NextHop("peer.example", None, Transport.TCP), key="z9hG4bK2 BYE")
        world.send(tls("peer.example"), key="z9hG4bK3 BYE")
        await asyncio.sleep(1)
        return world

    assert sorted(play(main()).sent_to) == ["192.0.2.9:5060", "192.0.2.9:5060", "192.0.2.9:5061"]


def test_name_with_a_port_has_no_services_to_ask_for() -> None:
    async def main() -> World:
        world = World()
        world.names.addresses["peer.example"] = ["192.0.2.9"]
        world.send(udp("peer.example", 5070))
        await asyncio.sleep(1)
        return world

    world = play(main())
    assert (world.sent_to, world.names.asked) == (["192.0.2.9:5070"], ["peer.example"])


def test_name_server_that_is_silent_on_services_leaves_the_address() -> None:
    async def main() -> World:
        world = World()
        world.names.silent.add("_sip._udp.peer.example")
        world.names.addresses["peer.example"] = ["192.0.2.9"]
        world.send(udp("peer.example"))
        await asyncio.sleep(5)
        return world

    assert play(main()).sent_to == ["192.0.2.9:5060"]


def test_name_that_decidedly_offers_no_service_is_believed() -> None:
    async def main() -> World:
        world = World()
        world.names.records["_sip._udp.peer.example"] = [Service(0, 0, 0, "")]
        world.names.addresses["peer.example"] = ["192.0.2.9"]
        world.send(udp("peer.example"))
        await asyncio.sleep(5)
        return world

    world = play(main())
    assert (world.sent_to, world.failed) == ([], ["z9hG4bK1 BYE"])


def test_service_whose_name_is_dead_leaves_the_others() -> None:
    async def main() -> World:
        world = World()
        world.names.records["_sip._udp.peer.example"] = [
            Service(1, 0, 5060, "dead.example"),
            Service(2, 0, 5060, "good.example"),
        ]
        world.names.addresses["good.example"] = ["192.0.2.9"]
        world.send(udp("peer.example"))
        await asyncio.sleep(5)
        return world

    assert play(main()).sent_to == ["192.0.2.9:5060"]


def test_addresses_of_the_other_family_are_passed_over() -> None:
    async def main() -> World:
        world = World()
        world.names.addresses["peer.example"] = ["2001:db8::9", "192.0.2.9"]
        world.send(udp("peer.example"))
        await asyncio.sleep(5)
        return world

    assert play(main()).sockets.tried == ["192.0.2.9:5060"]


def test_address_of_the_other_family_alone_fails_the_request() -> None:
    async def main() -> World:
        world = World()
        world.send(udp("2001:db8::9"))
        await asyncio.sleep(5)
        return world

    world = play(main())
    assert (world.sockets.tried, world.failed) == ([], ["z9hG4bK1 BYE"])


def test_name_of_a_peers_choice_leads_to_no_address_that_it_must_not_name() -> None:
    async def main() -> World:
        world = World()
        world.names.addresses["peer.example"] = ["127.0.0.1", "169.254.169.254", "10.0.0.9"]
        world.names.addresses["evil.example"] = ["127.0.0.1"]
        for transport in (Transport.UDP, Transport.TCP):
            for name in ("peer.example", "evil.example", "169.254.169.254"):
                hop = NextHop(name, 5070, transport, named_by="198.51.100.7")
                world.send(hop, key=f"z9hG4bK{name}{transport.value} BYE")
        await asyncio.sleep(5)
        return world

    world = play(main())
    assert world.sockets.tried == ["10.0.0.9:5070", "TCP 10.0.0.9:5070 peer.example"]
    assert len(world.failed) == 4


def test_peer_on_this_machine_may_name_another_address_of_it() -> None:
    async def main() -> World:
        world = World()
        world.send(NextHop("127.0.0.2", 5070, Transport.UDP, named_by="127.0.0.1"))
        return world

    assert play(main()).sent_to == ["127.0.0.2:5070"]


def test_repetitions_and_the_cancel_go_where_the_request_went() -> None:
    async def main() -> World:
        world = World()
        world.names.addresses["peer.example"] = ["192.0.2.9"]
        world.send(udp("peer.example"), key="z9hG4bK1 INVITE")
        await asyncio.sleep(1)
        world.names.addresses["peer.example"] = ["192.0.2.77"]
        world.send(udp("peer.example"), key="z9hG4bK1 INVITE")
        world.send(udp("peer.example"), key="z9hG4bK1 CANCEL")
        await asyncio.sleep(1)
        world.send(udp("peer.example"), key="z9hG4bK2 BYE")
        await asyncio.sleep(1)
        return world

    assert play(main()).sent_to == ["192.0.2.9:5060"] * 3 + ["192.0.2.77:5060"]


def test_repetition_of_a_request_that_still_looks_for_its_way_is_not_sent_twice() -> None:
    async def main() -> World:
        world = World()
        world.names.addresses["peer.example"] = ["192.0.2.9"]
        for _ in range(3):
            world.send(udp("peer.example"))
        await asyncio.sleep(1)
        return world

    assert play(main()).sent_to == ["192.0.2.9:5060"]


def test_very_many_targets_are_not_all_tried() -> None:
    async def main() -> World:
        many = [f"192.0.2.{number}" for number in range(1, 20)]
        world = World(Sockets(dead=many))
        world.names.addresses["peer.example"] = many
        world.send(tls("peer.example", 5061))
        await asyncio.sleep(30)
        return world

    world = play(main())
    assert (len(world.sockets.tried), world.failed) == (6, ["z9hG4bK1 BYE"])


def test_connection_of_the_dialog_is_used_while_it_is_open_and_a_new_one_after_it() -> None:
    async def main() -> World:
        world = World()
        flow = Flow(Transport.TLS, LOCAL, Address("54.172.60.0", 40_000), 7)
        world.sockets.open.add(7)
        world.send(tls("54.172.60.0", 5061), flow=flow)
        world.sockets.open.clear()
        world.send(tls("54.172.60.0", 5061), flow=flow, key="z9hG4bK2 BYE")
        await asyncio.sleep(1)
        return world

    world = play(main())
    assert world.sent_to == ["54.172.60.0:40000", "54.172.60.0:5061"]
    assert world.sockets.tried == ["TLS 54.172.60.0:5061"]


def test_dead_names_delay_nobody_and_their_number_is_bounded() -> None:
    async def main() -> World:
        world = World()
        dead = [f"dead{number}.example" for number in range(MAX_PENDING + 1)]
        world.names.silent.update(dead)
        world.names.addresses["good.example"] = ["192.0.2.9"]
        for number, name in enumerate(dead[:-2]):
            world.send(udp(name, 5060), key=f"z9hG4bK{number} BYE")
        world.send(udp("good.example", 5060), key="z9hG4bKgood BYE")
        world.send(udp(dead[-2], 5060), key="z9hG4bKover BYE")
        await asyncio.sleep(0.1)
        assert (world.sent_to, world.failed) == (["192.0.2.9:5060"], ["z9hG4bKover BYE"])
        await asyncio.sleep(5)
        world.send(udp("good.example", 5060), key="z9hG4bKlater BYE")
        await asyncio.sleep(0.1)
        return world

    world = play(main())
    assert world.sent_to == ["192.0.2.9:5060"] * 2
    assert len(world.failed) == MAX_PENDING


def test_response_whose_connection_is_gone_goes_to_the_sent_by_of_its_via() -> None:
    async def main() -> World:
        world = World()
        for transport, port in ((b"TCP", b""), (b"TLS", b""), (b"TLS", b":5071")):
            flow = Flow(Transport(transport.decode()), LOCAL, Address("198.51.100.7", 40_000), 7)
            data = (RESPONSE % (transport, port)).replace(
                b"\r\n\r\n",
                b"\r\nFrom: <sip:a@b>;tag=1\r\nTo: <sip:c@d>;tag=2\r\nCall-ID: x\r\n"
                b"CSeq: 1 INVITE\r\nContent-Length: 0\r\n\r\n",
            )
            world.sender.answer_anew(Send(data, flow))
        await asyncio.sleep(1)
        return world

    assert play(main()).sockets.tried == [
        "TCP 198.51.100.7:5060",
        "TLS 198.51.100.7:5061",
        "TLS 198.51.100.7:5071",
    ]
