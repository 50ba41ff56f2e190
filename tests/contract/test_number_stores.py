"""What any store of numbers and purchases promises: the double and PostgreSQL, the same tests."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, replace
from datetime import timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from support.number_stores import EPOCH, InMemoryNumbers, InMemoryPurchases, Tables

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_ports import NumberStore, PurchaseStore
from sip_edge.provisioning.number_values import (
    NewNumber,
    NewOutboundTrunk,
    NumberFilter,
    Origin,
    Purchase,
    PurchaseState,
)
from sip_edge.provisioning.values import PageRequest
from sip_edge.storage.control_database import ControlDatabase
from sip_edge.storage.number_rows import PostgresNumbers
from sip_edge.storage.pool import create_pool
from sip_edge.storage.purchase_rows import PostgresPurchases

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

NUMBER = "+12025550100"
AGENT = uuid4()
MINUTE = timedelta(minutes=1)


@dataclass
class Subject:
    numbers: NumberStore
    purchases: PurchaseStore
    workspace: UUID
    other: UUID
    tables: Tables | None = None
    client: asyncpg.Connection | None = None

    async def count_trunks(self) -> int:
        if self.tables is not None:
            return len(self.tables.trunks)
        assert self.client is not None
        count: int = await self.client.fetchval("SELECT count(*) FROM outbound_trunks")
        return count

    def number(self, phone_number: str = NUMBER, **changes: object) -> NewNumber:
        plain = NewNumber(
            id=uuid4(),
            workspace_id=self.workspace,
            phone_number=phone_number,
            friendly_name=None,
            provider="twilio",
            agent_id=AGENT,
            inbound_routing={"agent_id": str(AGENT)},
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    def purchase(self, phone_number: str = NUMBER, **changes: object) -> Purchase:
        plain = Purchase(
            id=uuid4(),
            workspace_id=self.workspace,
            number_id=uuid4(),
            provider="twilio",
            account_id="AC1",
            phone_number=phone_number,
            agent_id=AGENT,
            friendly_name="Sales",
            inbound_routing={"agent_id": str(AGENT)},
            idempotency_key=None,
            state=PurchaseState.ORDERING,
            trunk_id="TK1",
            state_since=EPOCH,
            due_at=EPOCH + MINUTE,
            created_at=EPOCH,
        )
        return replace(plain, **changes)  # type: ignore[arg-type]

    async def record(self, purchase: Purchase, *, most: int = 100) -> tuple[Purchase, bool]:
        return await self.purchases.record(purchase, most=most)

    async def active(self) -> Purchase:
        """A purchase that has been finished, with its number."""
        ordered, _ = await self.record(self.purchase())
        done = await self.purchases.finish(
            replace(ordered, state=PurchaseState.ACTIVE),
            self.number(id=ordered.number_id, origin=Origin.PURCHASED, is_verified=True),
        )
        assert done is not None
        return done


@pytest_asyncio.fixture(params=["double", "real"])
async def subject(request: pytest.FixtureRequest, database_dsn: str) -> AsyncIterator[Subject]:
    if request.param == "double":
        tables = Tables()
        yield Subject(
            InMemoryNumbers(tables), InMemoryPurchases(tables), uuid4(), uuid4(), tables=tables
        )
        return
    client = await asyncpg.connect(database_dsn)
    ids = [
        UUID(
            str(await client.fetchval("INSERT INTO workspaces (name) VALUES ($1) RETURNING id", n))
        )
        for n in ("one", "two")
    ]
    async with create_pool(database_dsn) as pool:
        database = ControlDatabase(pool)
        numbers, purchases = PostgresNumbers(database), PostgresPurchases(database)
        yield Subject(numbers, purchases, *ids, client=client)
    await client.close()


TRUNK = NewOutboundTrunk(
    id=UUID(int=77), trunk_address="a.example", auth_username="u", sealed_password=b"sealed"
)


async def test_a_number_is_written_with_its_trunk_and_found(subject: Subject) -> None:
    new = subject.number(friendly_name="Sales", provider_config={"knob": [1, "x"]})
    added = await subject.numbers.add(new, TRUNK)
    assert (added.id, added.status, added.outbound_trunk_id) == (new.id, "active", str(TRUNK.id))
    assert added.inbound_routing == {"agent_id": str(AGENT)}
    assert await subject.numbers.find(subject.workspace, new.id) == added
    assert await subject.numbers.find(subject.other, new.id) is None
    assert await subject.numbers.holder(NUMBER) == added


async def test_a_number_is_registered_once(subject: Subject) -> None:
    await subject.numbers.add(subject.number(is_verified=True), TRUNK)
    again = subject.number(workspace_id=subject.other, is_verified=True)
    with pytest.raises(ProvisioningError) as caught:
        await subject.numbers.add(again, replace(TRUNK, id=uuid4()))
    assert caught.value.code is ErrorCode.NUMBER_TAKEN
    assert await subject.count_trunks() == 1


async def test_a_proved_number_takes_the_place_of_an_unproved_one(subject: Subject) -> None:
    old = await subject.numbers.add(subject.number(), TRUNK)
    with pytest.raises(ProvisioningError):
        await subject.numbers.add(subject.number(workspace_id=subject.other), None)
    proved = subject.number(workspace_id=subject.other, is_verified=True)
    new = await subject.numbers.add(proved, None)
    assert await subject.numbers.find(subject.workspace, old.id) is None
    assert await subject.numbers.holder(NUMBER) == new
    assert await subject.count_trunks() == 0


async def test_a_number_that_its_own_workspace_proves_keeps_its_id(subject: Subject) -> None:
    old = await subject.numbers.add(subject.number(), TRUNK)
    new = await subject.numbers.add(subject.number(is_verified=True), replace(TRUNK, id=uuid4()))
    assert (new.id, new.is_verified) == (old.id, True)
    assert await subject.count_trunks() == 1


async def test_only_what_is_sent_changes(subject: Subject) -> None:
    added = await subject.numbers.add(subject.number(friendly_name="Sales"), None)
    changed = await subject.numbers.update(subject.workspace, added.id, {"inbound_routing": None})
    assert changed is not None
    assert (changed.inbound_routing, changed.friendly_name) == (None, "Sales")
    renamed = await subject.numbers.update(subject.workspace, added.id, {"friendly_name": None})
    assert renamed is not None
    assert (renamed.friendly_name, renamed.agent_id) == (None, AGENT)
    assert await subject.numbers.update(subject.other, added.id, {"friendly_name": "x"}) is None


async def test_pages_go_through_all_numbers_of_a_workspace_newest_first(subject: Subject) -> None:
    for n in range(5):
        await subject.numbers.add(subject.number(f"+120255501{n:02}"), None)
    await subject.numbers.add(subject.number("+12025550199", workspace_id=subject.other), None)
    found: list[str] = []
    page = await subject.numbers.page(subject.workspace, PageRequest(2, None), NumberFilter())
    while True:
        found += [number.phone_number for number in page.items]
        if page.next is None:
            break
        request = PageRequest(2, page.next)
        page = await subject.numbers.page(subject.workspace, request, NumberFilter())
    assert found == [f"+120255501{n:02}" for n in (4, 3, 2, 1, 0)]
    for which in (
        NumberFilter(phone_number="+12025550103", provider="twilio", status="active"),
        NumberFilter(phone_number="+12025550103", agent_id=AGENT),
    ):
        page = await subject.numbers.page(subject.workspace, PageRequest(9, None), which)
        assert [number.phone_number for number in page.items] == ["+12025550103"]


async def test_a_registered_number_is_removed_with_its_trunk_a_purchased_one_is_not(
    subject: Subject,
) -> None:
    added = await subject.numbers.add(subject.number("+12025550101"), TRUNK)
    bought = await subject.active()
    assert await subject.numbers.remove(subject.other, added.id) is None
    assert await subject.numbers.remove(subject.workspace, added.id) == added
    assert await subject.count_trunks() == 0
    assert await subject.numbers.remove(subject.workspace, bought.number_id) is None


async def test_a_purchase_is_recorded_once_for_a_key_and_once_for_a_number(
    subject: Subject,
) -> None:
    first, is_new = await subject.record(subject.purchase(idempotency_key="k"))
    assert is_new
    other_number = subject.purchase("+12025550101", idempotency_key="k")
    assert await subject.record(other_number) == (first, False)
    assert await subject.record(subject.purchase()) == (first, False)
    with pytest.raises(ProvisioningError) as caught:
        await subject.record(subject.purchase(workspace_id=subject.other))
    assert caught.value.code is ErrorCode.NUMBER_UNAVAILABLE
    assert await subject.purchases.find(first.id) == first
    assert await subject.purchases.by_key(subject.workspace, "k") == first
    assert await subject.purchases.by_key(subject.other, "k") is None
    assert await subject.purchases.by_number(subject.workspace, first.number_id) == first


async def test_a_workspace_has_not_more_purchases_than_it_may_have(subject: Subject) -> None:
    """ACTIVE, ORDERING and DOUBTFUL count: each of them is paid for, or may be."""
    await subject.active()
    ordered, _ = await subject.record(subject.purchase("+12025550101"))
    third, _ = await subject.record(subject.purchase("+12025550102"))
    doubtful = await subject.purchases.save(replace(third, state=PurchaseState.DOUBTFUL))
    assert doubtful is not None
    fourth = subject.purchase("+12025550103")
    with pytest.raises(ProvisioningError) as caught:
        await subject.record(fourth, most=3)
    assert caught.value.code is ErrorCode.NUMBER_LIMIT_REACHED
    assert await subject.purchases.find(fourth.id) is None
    assert not await subject.purchases.has_room(subject.workspace, None, most=3)
    assert not await subject.purchases.has_room(subject.workspace, "+12025550103", most=3)
    # What is there already is joined.
    assert await subject.record(subject.purchase("+12025550101"), most=3) == (ordered, False)
    assert await subject.purchases.has_room(subject.workspace, "+12025550101", most=3)
    # Others have their own.
    assert await subject.purchases.has_room(subject.other, None, most=1)
    other = subject.purchase("+12025550109", workspace_id=subject.other)
    assert (await subject.record(other, most=1))[1]
    # One that came to nothing makes room, and so does one that was given back.
    await subject.purchases.save(replace(doubtful, state=PurchaseState.FAILED))
    await subject.purchases.save(replace(ordered, state=PurchaseState.RELEASED))
    assert await subject.purchases.has_room(subject.workspace, None, most=2)
    assert (await subject.record(fourth, most=2))[1]


async def test_purchases_that_come_at_once_do_not_exceed_the_bound(subject: Subject) -> None:
    outcomes = await asyncio.gather(
        *(subject.record(subject.purchase(f"+120255501{n:02}"), most=3) for n in range(10)),
        return_exceptions=True,
    )
    refused = [each for each in outcomes if isinstance(each, ProvisioningError)]
    assert [each.code for each in refused] == [ErrorCode.NUMBER_LIMIT_REACHED] * 7
    assert not await subject.purchases.has_room(subject.workspace, None, most=3)
    assert await subject.purchases.has_room(subject.workspace, None, most=4)


async def test_purchases_that_take_too_long_are_counted(subject: Subject) -> None:
    for n, minute in enumerate((0, 1, 2)):
        since = EPOCH + minute * MINUTE
        await subject.record(subject.purchase(f"+120255501{n:02}", state_since=since))
    for n, state in enumerate((PurchaseState.DOUBTFUL, PurchaseState.FAILED)):
        other, _ = await subject.record(subject.purchase(f"+120255501{n + 8:02}"))
        await subject.purchases.save(replace(other, state=state))
    assert await subject.purchases.count_overdue(EPOCH - MINUTE) == 0
    assert await subject.purchases.count_overdue(EPOCH + MINUTE) == 2


async def test_a_key_whose_purchase_failed_is_free_again(subject: Subject) -> None:
    first, _ = await subject.record(subject.purchase(idempotency_key="k"))
    await subject.purchases.save(
        replace(first, state=PurchaseState.FAILED, failure=ErrorCode.NUMBER_UNAVAILABLE)
    )
    assert await subject.purchases.by_key(subject.workspace, "k") is None
    _, is_new = await subject.record(subject.purchase(idempotency_key="k"))
    assert is_new


async def test_a_write_that_knows_an_older_version_is_refused(subject: Subject) -> None:
    first, _ = await subject.record(subject.purchase())
    saved = await subject.purchases.save(replace(first, attempts=3, carrier_number_id="PN1"))
    assert saved is not None
    assert (saved.version, saved.attempts, saved.carrier_number_id) == (1, 3, "PN1")
    assert await subject.purchases.save(replace(first, attempts=9)) is None
    late = replace(first, state=PurchaseState.ACTIVE)
    assert await subject.purchases.finish(late, subject.number(is_verified=True)) is None
    assert await subject.numbers.holder(NUMBER) is None


async def test_finishing_writes_the_number_and_replaces_an_unproved_one(subject: Subject) -> None:
    await subject.numbers.add(subject.number(workspace_id=subject.other), TRUNK)
    done = await subject.active()
    assert done.state is PurchaseState.ACTIVE
    number = await subject.numbers.find(subject.workspace, done.number_id)
    assert number is not None
    assert (number.origin, number.is_verified) == (Origin.PURCHASED, True)
    with pytest.raises(ProvisioningError) as caught:
        await subject.record(subject.purchase())
    assert caught.value.code is ErrorCode.NUMBER_TAKEN


async def test_finishing_changes_nothing_when_somebody_has_proved_the_number(
    subject: Subject,
) -> None:
    ordered, _ = await subject.record(subject.purchase())
    await subject.numbers.add(subject.number(workspace_id=subject.other, is_verified=True), None)
    done = replace(ordered, state=PurchaseState.ACTIVE)
    with pytest.raises(ProvisioningError) as caught:
        await subject.purchases.finish(done, subject.number(is_verified=True))
    assert caught.value.code is ErrorCode.NUMBER_TAKEN
    assert await subject.purchases.find(ordered.id) == ordered


async def test_giving_back_takes_the_number_out_once(subject: Subject) -> None:
    done = await subject.active()
    later = EPOCH + 5 * MINUTE
    assert (
        await subject.purchases.give_back(subject.other, done.number_id, now=EPOCH, due_at=later)
        is None
    )
    given = await subject.purchases.give_back(
        subject.workspace, done.number_id, now=EPOCH, due_at=later
    )
    assert given is not None
    assert (given.state, given.due_at) == (PurchaseState.RELEASING, later)
    assert await subject.numbers.holder(NUMBER) is None
    assert (
        await subject.purchases.give_back(
            subject.workspace, done.number_id, now=EPOCH, due_at=later
        )
        is None
    )
    with pytest.raises(ProvisioningError) as caught:
        await subject.record(subject.purchase())
    assert caught.value.code is ErrorCode.NUMBER_UNAVAILABLE


async def test_what_turns_up_is_not_given_back_while_the_number_is_bought_again(
    subject: Subject,
) -> None:
    first, _ = await subject.record(subject.purchase())
    doubtful = await subject.purchases.save(replace(first, state=PurchaseState.DOUBTFUL))
    assert doubtful is not None
    second, is_new = await subject.record(subject.purchase())
    assert is_new
    returned = replace(doubtful, state=PurchaseState.RELEASING)
    assert await subject.purchases.save(returned) is None
    assert await subject.purchases.find(first.id) == doubtful
    await subject.purchases.save(replace(second, state=PurchaseState.FAILED))
    assert await subject.purchases.save(returned) is not None


async def test_a_number_that_somebody_tries_to_buy_is_given_back_a_little_later(
    subject: Subject,
) -> None:
    ordered, _ = await subject.record(subject.purchase())
    await subject.purchases.save(replace(ordered, state=PurchaseState.ACTIVE))
    await subject.record(subject.purchase(workspace_id=subject.other))
    with pytest.raises(ProvisioningError) as caught:
        await subject.purchases.give_back(
            subject.workspace, ordered.number_id, now=EPOCH, due_at=EPOCH
        )
    assert caught.value.code is ErrorCode.PURCHASE_PENDING


async def test_a_number_is_sold_while_it_has_the_row_of_a_purchase(subject: Subject) -> None:
    await subject.numbers.add(subject.number(workspace_id=subject.other), None)
    assert not await subject.purchases.is_sold(NUMBER)
    await subject.active()
    assert await subject.purchases.is_sold(NUMBER)
    assert not await subject.purchases.is_sold("+12025550101")


async def test_what_is_due_is_leased_to_one_alone(subject: Subject) -> None:
    for n in range(3):
        due_at = EPOCH + n * MINUTE
        await subject.record(subject.purchase(f"+120255501{n:02}", due_at=due_at))
    finished, _ = await subject.record(subject.purchase("+12025550109", due_at=EPOCH))
    await subject.purchases.save(replace(finished, state=PurchaseState.FAILED))
    now, until = EPOCH + MINUTE, EPOCH + 10 * MINUTE
    first = await subject.purchases.lease(now=now, until=until, limit=1)
    second = await subject.purchases.lease(now=now, until=until, limit=5)
    assert [each.phone_number for each in first] == ["+12025550100"]
    assert [each.phone_number for each in second] == ["+12025550101"]
    assert {each.due_at for each in (*first, *second)} == {until}
    assert await subject.purchases.lease(now=now, until=until, limit=5) == []
