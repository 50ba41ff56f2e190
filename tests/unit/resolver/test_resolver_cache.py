"""The resolver's cache, with a look-up and a clock that the test moves."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from sip_edge.resolver import (
    Answer,
    ResolveError,
    ResolveFailure,
    Resolver,
    ResolverSettings,
    Service,
    ServiceAnswer,
)

SETTINGS = ResolverSettings(
    min_ttl_seconds=1.0,
    max_ttl_seconds=300.0,
    negative_ttl_seconds=2.0,
    stale_seconds=3600.0,
    stale_after_seconds=0.0,
    max_names=3,
    max_in_flight=2,
)
SOON = 1e9
"""A deadline that the test's clock never reaches."""


class Lookup:
    """Answers when the test says so; `asked` is every question that reached it."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.open: dict[str, asyncio.Future[Answer]] = {}
        self.ready: dict[str, Answer | ResolveFailure] = {}
        self.is_closed = False
        self.services: dict[str, ServiceAnswer | ResolveFailure] = {}

    def lookup(self, host: str) -> asyncio.Future[Answer]:
        self.asked.append(host)
        future: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self.open[host] = future
        if host in self.ready:
            self.finish(host, self.ready[host])
        return future

    def finish(self, host: str, result: Answer | ResolveFailure) -> None:
        if isinstance(result, Answer):
            self.open[host].set_result(result)
        else:
            self.open[host].set_exception(ResolveError(host, result))

    def lookup_services(self, name: str) -> asyncio.Future[ServiceAnswer]:
        self.asked.append(name)
        future: asyncio.Future[ServiceAnswer] = asyncio.get_running_loop().create_future()
        result = self.services.get(name, ResolveFailure.NOT_FOUND)
        if isinstance(result, ServiceAnswer):
            future.set_result(result)
        else:
            future.set_exception(ResolveError(name, result))
        return future

    async def close(self) -> None:
        self.is_closed = True


class World:
    """A resolver, its look-up and its clock."""

    def __init__(self, settings: ResolverSettings = SETTINGS) -> None:
        self.now = 100.0
        self.lookup = Lookup()
        self.resolver = Resolver(settings=settings, lookup=self.lookup, clock=lambda: self.now)

    def knows(self, host: str, *addresses: str, ttl: float = 60.0) -> None:
        self.lookup.ready[host] = Answer(addresses, ttl)

    def fails(self, host: str, failure: ResolveFailure) -> None:
        self.lookup.ready[host] = failure

    async def resolve(self, host: str) -> list[str]:
        return await self.resolver.resolve(host, SOON)

    async def failure(self, host: str) -> ResolveFailure:
        with pytest.raises(ResolveError) as caught:
            await self.resolve(host)
        return caught.value.failure


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("192.0.2.7", "192.0.2.7"),
        ("2001:db8::7", "2001:db8::7"),
        ("[2001:DB8::7]", "2001:db8::7"),
    ],
)
@pytest.mark.asyncio
async def test_numeric_hosts_are_their_own_answer_and_nobody_is_asked(
    host: str, address: str
) -> None:
    world = World()

    assert await world.resolve(host) == [address]
    assert world.lookup.asked == []


@pytest.mark.asyncio
async def test_a_name_that_cannot_exist_is_refused_without_asking() -> None:
    world = World()

    assert await world.failure("a b.example") is ResolveFailure.BAD_NAME
    assert world.lookup.asked == []


@pytest.mark.asyncio
async def test_an_answer_is_kept_for_its_time_to_live() -> None:
    world = World()
    world.knows("agent.example", "192.0.2.1", ttl=60.0)

    await world.resolve("agent.example")
    world.now += 59.9
    assert await world.resolve("AGENT.example") == ["192.0.2.1"]
    assert world.lookup.asked == ["agent.example"]

    world.knows("agent.example", "192.0.2.2")
    world.now += 0.2
    assert await world.resolve("agent.example") == ["192.0.2.2"]


@pytest.mark.parametrize(("ttl", "kept_for"), [(0.0, 1.0), (86_400.0, 300.0)])
@pytest.mark.asyncio
async def test_a_time_to_live_is_bounded_on_both_sides(ttl: float, kept_for: float) -> None:
    world = World()
    world.knows("agent.example", "192.0.2.1", ttl=ttl)

    await world.resolve("agent.example")
    world.now += kept_for - 0.1
    await world.resolve("agent.example")
    assert len(world.lookup.asked) == 1
    world.now += 0.2
    await world.resolve("agent.example")
    assert len(world.lookup.asked) == 2


@pytest.mark.parametrize(
    "failure",
    [ResolveFailure.NOT_FOUND, ResolveFailure.TIMEOUT, ResolveFailure.SERVER_FAILURE],
)
@pytest.mark.asyncio
async def test_a_failure_is_believed_for_a_short_time(failure: ResolveFailure) -> None:
    world = World()
    world.fails("gone.example", failure)

    assert await world.failure("gone.example") is failure
    world.now += 1.9
    assert await world.failure("gone.example") is failure
    assert len(world.lookup.asked) == 1

    world.knows("gone.example", "192.0.2.1")
    world.now += 0.2
    assert await world.resolve("gone.example") == ["192.0.2.1"]


@pytest.mark.asyncio
async def test_calls_are_spread_over_addresses_within_the_preferred_family() -> None:
    world = World()
    world.knows("agent.example", "2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2")

    orders = [await world.resolve("agent.example") for _ in range(3)]

    assert orders == [
        ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"],
        ["2001:db8::2", "2001:db8::1", "192.0.2.2", "192.0.2.1"],
        ["2001:db8::1", "2001:db8::2", "192.0.2.1", "192.0.2.2"],
    ]


@pytest.mark.asyncio
async def test_equal_questions_are_asked_once() -> None:
    world = World()
    askers = [asyncio.ensure_future(world.resolve("agent.example")) for _ in range(5)]
    await asyncio.sleep(0)

    world.lookup.finish("agent.example", Answer(("192.0.2.1",), 60.0))

    assert await asyncio.gather(*askers) == [["192.0.2.1"]] * 5
    assert world.lookup.asked == ["agent.example"]
    assert world.resolver.in_flight == 0


@pytest.mark.asyncio
async def test_a_cancelled_asker_takes_no_answer_from_the_others() -> None:
    world = World()
    leaver = asyncio.ensure_future(world.resolve("agent.example"))
    stayer = asyncio.ensure_future(world.resolve("agent.example"))
    await asyncio.sleep(0)

    leaver.cancel()
    await asyncio.sleep(0)
    world.lookup.finish("agent.example", Answer(("192.0.2.1",), 60.0))

    assert await stayer == ["192.0.2.1"]
    assert leaver.cancelled()


@pytest.mark.asyncio
async def test_an_answer_that_comes_after_the_deadline_serves_the_next_asker() -> None:
    world = World()

    with pytest.raises(ResolveError) as caught:
        await world.resolver.resolve("slow.example", world.now)
    world.lookup.finish("slow.example", Answer(("192.0.2.1",), 60.0))
    await asyncio.sleep(0)

    assert caught.value.failure is ResolveFailure.TIMEOUT
    assert await world.resolver.resolve("slow.example", world.now) == ["192.0.2.1"]
    assert world.lookup.asked == ["slow.example"]


@pytest.mark.asyncio
async def test_names_in_the_air_are_bounded() -> None:
    world = World()
    for name in ("a.example", "b.example"):
        with pytest.raises(ResolveError):
            await world.resolver.resolve(name, world.now)

    assert await world.failure("c.example") is ResolveFailure.OVERLOADED
    assert world.lookup.asked == ["a.example", "b.example"]


@pytest.mark.asyncio
async def test_kept_names_are_bounded_and_the_longest_unchanged_goes_first() -> None:
    world = World()
    for name, ttl in (("a.example", 10.0), ("b.example", 100.0), ("c.example", 100.0)):
        world.knows(name, "192.0.2.1", ttl=ttl)
        await world.resolve(name)
    world.now += 11.0
    await world.resolve("a.example")
    world.knows("d.example", "192.0.2.4")
    await world.resolve("d.example")

    world.lookup.asked.clear()
    for name in ("a.example", "c.example", "d.example", "b.example"):
        await world.resolve(name)

    assert world.lookup.asked == ["b.example"]


@pytest.mark.parametrize("failure", [ResolveFailure.TIMEOUT, ResolveFailure.SERVER_FAILURE])
@pytest.mark.asyncio
async def test_expired_addresses_are_used_while_the_name_servers_are_away(
    failure: ResolveFailure,
) -> None:
    world = World()
    world.knows("agent.example", "192.0.2.1", ttl=10.0)
    await world.resolve("agent.example")
    world.fails("agent.example", failure)
    world.now += 11.0

    assert await world.resolve("agent.example") == ["192.0.2.1"]
    assert await world.resolve("agent.example") == ["192.0.2.1"]
    assert len(world.lookup.asked) == 2, "the recheck waits for the negative time to live"

    world.now += 3601.0
    assert await world.failure("agent.example") is failure


@pytest.mark.asyncio
async def test_a_name_that_is_gone_for_certain_is_not_served_from_memory() -> None:
    world = World()
    world.knows("agent.example", "192.0.2.1", ttl=10.0)
    await world.resolve("agent.example")
    world.fails("agent.example", ResolveFailure.NOT_FOUND)
    world.now += 11.0

    assert await world.failure("agent.example") is ResolveFailure.NOT_FOUND


@pytest.mark.asyncio
async def test_expired_addresses_are_used_when_the_answer_is_slow_or_too_many_are_asked() -> None:
    world = World(replace(SETTINGS, max_in_flight=1))
    world.knows("agent.example", "192.0.2.1", ttl=10.0)
    await world.resolve("agent.example")
    del world.lookup.ready["agent.example"]
    world.now += 11.0

    assert await world.resolve("agent.example") == ["192.0.2.1"]
    world.lookup.finish("agent.example", Answer(("192.0.2.2",), 60.0))
    await asyncio.sleep(0)
    assert await world.resolve("agent.example") == ["192.0.2.2"]

    world.now += 61.0
    with pytest.raises(ResolveError):
        await world.resolver.resolve("other.example", world.now)
    assert await world.resolve("agent.example") == ["192.0.2.2"]


@pytest.mark.asyncio
async def test_a_defect_of_the_lookup_reaches_the_asker() -> None:
    world = World()
    asker = asyncio.ensure_future(world.resolve("agent.example"))
    await asyncio.sleep(0)

    world.lookup.open["agent.example"].set_exception(ZeroDivisionError())

    with pytest.raises(ZeroDivisionError):
        await asker
    assert world.resolver.in_flight == 0


@pytest.mark.asyncio
async def test_closing_the_resolver_closes_its_lookup() -> None:
    world = World()

    await world.resolver.close()

    assert world.lookup.is_closed


SERVICE = Service(10, 60, 5060, "a.example")


@pytest.mark.asyncio
async def test_services_are_kept_for_their_time_to_live() -> None:
    world = World()
    world.lookup.services["_sip._udp.peer.example"] = ServiceAnswer((SERVICE,), 60.0)

    for _ in range(2):
        assert await world.resolver.services("_SIP._udp.peer.example", SOON) == [SERVICE]
    assert world.lookup.asked == ["_sip._udp.peer.example"]

    world.now += 61.0
    await world.resolver.services("_sip._udp.peer.example", SOON)
    assert len(world.lookup.asked) == 2


@pytest.mark.asyncio
async def test_that_there_is_no_service_is_remembered_apart_from_the_addresses() -> None:
    world = World()
    world.knows("peer.example", "192.0.2.1")

    for _ in range(2):
        with pytest.raises(ResolveError) as caught:
            await world.resolver.services("peer.example", SOON)
        assert caught.value.failure is ResolveFailure.NOT_FOUND
    assert await world.resolve("peer.example") == ["192.0.2.1"]
    assert world.lookup.asked == ["peer.example", "peer.example"]


@pytest.mark.asyncio
async def test_of_very_many_services_the_first_by_priority_are_kept() -> None:
    world = World()
    many = tuple(Service(100 - number, 0, 5060, "a.example") for number in range(100))
    world.lookup.services["_sip._tcp.peer.example"] = ServiceAnswer(many, 60.0)

    services = await world.resolver.services("_sip._tcp.peer.example", SOON)

    assert [service.priority for service in services] == list(range(1, 17))
