"""The resolver with real look-ups, against a name server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from support.dns import AAAA, FakeNameServer
from support.loops import on_both_loops

from sip_edge.resolver import (
    CaresLookup,
    ResolveError,
    ResolveFailure,
    Resolver,
    ResolverSettings,
    Service,
)


@asynccontextmanager
async def resolver_asking(
    dns: FakeNameServer, *, query_timeout_seconds: float = 5.0
) -> AsyncIterator[Resolver]:
    settings = ResolverSettings(
        nameservers=(dns.server,), query_timeout_seconds=query_timeout_seconds, tries=1
    )
    resolver = Resolver(
        settings=settings,
        lookup=CaresLookup(settings=settings),
        clock=asyncio.get_running_loop().time,
    )
    try:
        yield resolver
    finally:
        await resolver.close()


def in_seconds(seconds: float) -> float:
    return asyncio.get_running_loop().time() + seconds


@on_both_loops
async def test_both_families_of_a_name_are_found() -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        dns.addresses["agent.example"] = ["192.0.2.1", "2001:db8::1"]

        addresses = await resolver.resolve("agent.example", in_seconds(5.0))

    assert sorted(addresses) == ["192.0.2.1", "2001:db8::1"]


@on_both_loops
async def test_a_good_name_is_found_while_ten_dead_ones_get_no_answer() -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        dead = [f"dead{number}.example" for number in range(10)]
        dns.silent.update(dead)
        dns.addresses["good.example"] = ["192.0.2.1"]
        askers = [asyncio.ensure_future(resolver.resolve(name, in_seconds(4.0))) for name in dead]
        await dns.was_asked(*dead)

        # The dead names are given up after five seconds; this takes a millisecond.
        addresses = await resolver.resolve("good.example", in_seconds(3.0))

        assert addresses == ["192.0.2.1"]
        assert resolver.in_flight == 10
        for asker in askers:
            asker.cancel()
        await asyncio.wait(askers)


@on_both_loops
async def test_a_silent_name_server_is_given_up_at_the_deadline() -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        dns.silent.add("dead.example")

        with pytest.raises(ResolveError) as caught:
            await resolver.resolve("dead.example", in_seconds(0.05))

    assert caught.value.failure is ResolveFailure.TIMEOUT


@on_both_loops
async def test_ipv4_is_found_although_the_question_for_ipv6_gets_no_answer() -> None:
    async with (
        FakeNameServer() as dns,
        resolver_asking(dns, query_timeout_seconds=0.1) as resolver,
    ):
        dns.addresses["agent.example"] = ["192.0.2.1"]
        dns.silent.add(("agent.example", AAAA))

        assert await resolver.resolve("agent.example", in_seconds(4.0)) == ["192.0.2.1"]


@pytest.mark.parametrize(
    ("name", "failure"),
    [
        ("nobody.example", ResolveFailure.NOT_FOUND),
        ("empty.example", ResolveFailure.NOT_FOUND),
        ("broken.example", ResolveFailure.SERVER_FAILURE),
    ],
)
@on_both_loops
async def test_what_the_name_server_says_is_told_apart(name: str, failure: ResolveFailure) -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        dns.addresses["empty.example"] = []
        dns.failing.add("broken.example")

        with pytest.raises(ResolveError) as caught:
            await resolver.resolve(name, in_seconds(4.0))

    assert caught.value.failure is failure


@on_both_loops
async def test_the_hosts_file_is_honoured() -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        addresses = await resolver.resolve("localhost", in_seconds(4.0))

        assert set(addresses) <= {"127.0.0.1", "::1"}
        assert dns.asked == []


@on_both_loops
async def test_closing_ends_questions_in_the_air() -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        dns.silent.add("dead.example")
        asker = asyncio.ensure_future(resolver.resolve("dead.example", in_seconds(4.0)))
        await dns.was_asked("dead.example")

        await resolver.close()

        with pytest.raises(ResolveError) as caught:
            await asker
    assert caught.value.failure is ResolveFailure.SERVER_FAILURE
    assert resolver.in_flight == 0


@on_both_loops
async def test_services_of_a_name_are_found() -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        dns.services["_sips._tcp.peer.example"] = [
            (10, 60, 5061, "A.peer.example"),
            (20, 0, 5071, "b.peer.example"),
        ]

        services = await resolver.services("_sips._tcp.peer.example", in_seconds(4.0))

    assert services == [
        Service(10, 60, 5061, "a.peer.example"),
        Service(20, 0, 5071, "b.peer.example"),
    ]


@on_both_loops
async def test_name_that_offers_decidedly_no_service_is_told_from_one_that_does_not_say() -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        dns.services["_sip._udp.closed.example"] = [(0, 0, 0, ".")]
        dns.addresses["_sip._udp.empty.example"] = []

        assert await resolver.services("_sip._udp.closed.example", in_seconds(4.0)) == [
            Service(0, 0, 0, "")
        ]
        for name in ("_sip._udp.empty.example", "_sip._udp.nobody.example"):
            with pytest.raises(ResolveError) as caught:
                await resolver.services(name, in_seconds(4.0))
            assert caught.value.failure is ResolveFailure.NOT_FOUND


@on_both_loops
async def test_services_that_cannot_be_used_are_passed_over() -> None:
    async with FakeNameServer() as dns, resolver_asking(dns) as resolver:
        dns.services["_sip._tcp.odd.example"] = [
            (1, 0, 0, "portless.example"),
            (2, 0, 5060, "not a name"),
            (3, 0, 5060, "good.example"),
        ]

        services = await resolver.services("_sip._tcp.odd.example", in_seconds(4.0))

    assert services == [Service(3, 0, 5060, "good.example")]
