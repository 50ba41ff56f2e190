"""A Telnyx account, against a Telnyx of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.carrier_fakes import FakeTelnyx, Fault, FaultKind
from support.carrier_fakes.accounts import (
    ORIGINATION_URI,
    SHORT_SECONDS,
    door,
    opened,
    telnyx_credentials,
)

from sip_edge.provisioning.carrier_port import (
    CarrierAccount,
    CarrierError,
    CarrierFault,
    Order,
    OrderState,
    SearchQuery,
    TrunkHint,
)

pytestmark = pytest.mark.asyncio

NUMBER = "+12025550111"
REFERENCE = "oneinbox-0123"


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeTelnyx]:
    with FakeTelnyx() as telnyx:
        yield telnyx


@pytest_asyncio.fixture
async def account(fake: FakeTelnyx) -> AsyncIterator[CarrierAccount]:
    async with opened(door(None, fake, answer_seconds=SHORT_SECONDS), telnyx_credentials()) as it:
        await it.search(SearchQuery(country="US", limit=10))
        yield it


async def order(account: CarrierAccount, number: str = NUMBER) -> Order:
    trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    return await account.buy(number, reference=REFERENCE, trunk_id=trunk_id)


async def test_numbers_for_sale_are_asked_for_by_filters(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    found = await account.search(
        SearchQuery(country="us", area_code="202", contains="0112", limit=5)
    )
    assert [each.phone_number for each in found] == ["+12025550112"]
    assert (found[0].monthly_cost, found[0].currency, found[0].region) == ("1.10", "USD", "DC")
    assert fake.requests[-1].query == (
        ("filter[country_code]", "US"),
        ("filter[phone_number_type]", "local"),
        ("filter[features][]", "voice"),
        ("filter[limit]", "5"),
        ("filter[national_destination_code]", "202"),
        ("filter[phone_number][contains]", "0112"),
    )


async def test_an_order_is_pending_until_the_number_is_there(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    fake.asked_before_success = 2
    placed = await order(account)
    sent = next(each.body for each in fake.requests if each.line == "POST /v2/number_orders")
    assert sent == {
        "phone_numbers": [{"phone_number": NUMBER}],
        "connection_id": next(iter(fake.connections)),
        "customer_reference": REFERENCE,
    }
    assert placed == Order(state=OrderState.PENDING)
    assert await account.find_order(NUMBER, reference=REFERENCE) == placed
    settled = await account.find_order(NUMBER, reference=REFERENCE)
    assert settled is not None
    assert settled.state is OrderState.BOUGHT
    assert settled.number is not None
    assert settled.number.carrier_number_id == fake.owned[NUMBER]["id"]


async def test_a_number_that_is_not_active_yet_is_still_pending(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    await order(account)
    fake.own(NUMBER)
    fake.owned[NUMBER]["status"] = "purchase-pending"
    fake.orders[next(iter(fake.orders))]["status"] = "success"
    found = await account.find_order(NUMBER, reference=REFERENCE)
    assert found == Order(state=OrderState.PENDING)


async def test_an_order_that_fails_later_is_refused(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    fake.failing.add(NUMBER)
    await order(account)
    assert await account.find_order(NUMBER, reference=REFERENCE) == Order(
        state=OrderState.REFUSED, fault=CarrierFault.NUMBER_GONE
    )


async def test_an_order_that_waits_for_papers_is_withdrawn(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    fake.regulated.add(NUMBER)
    assert await order(account) == Order(state=OrderState.REFUSED, fault=CarrierFault.REGULATORY)
    assert fake.cancelled == [NUMBER]


async def test_an_order_that_cannot_be_withdrawn_stays_pending(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    fake.regulated.add(NUMBER)
    fake.fail(Fault(method="PATCH", path="/cancel", kind=FaultKind.STATUS, status=500))
    assert await order(account) == Order(state=OrderState.PENDING)
    assert await account.find_order(NUMBER, reference=REFERENCE) == Order(
        state=OrderState.REFUSED, fault=CarrierFault.REGULATORY
    )


async def test_an_order_that_timed_out_is_found_by_its_reference_alone(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    fake.fail(Fault(method="POST", path="/number_orders", kind=FaultKind.SILENCE_AFTER))
    with pytest.raises(CarrierError) as caught:
        await account.buy(NUMBER, reference=REFERENCE, trunk_id=trunk_id)
    assert caught.value.may_have_happened
    found = await account.find_order(NUMBER, reference=REFERENCE)
    assert found is not None
    assert found.state is OrderState.BOUGHT
    assert await account.find_order(NUMBER, reference="oneinbox-9999") is None


async def test_a_number_that_was_not_searched_for_is_gone(account: CarrierAccount) -> None:
    with pytest.raises(CarrierError) as caught:
        await order(account, "+12025550199")
    assert (caught.value.fault, caught.value.message) == (
        CarrierFault.NUMBER_GONE,
        "Telnyx answered 400, code 85000",
    )


@pytest.mark.parametrize(
    ("status", "code", "title", "fault"),
    [
        (401, "10009", "Authentication failed", CarrierFault.BAD_CREDENTIALS),
        (422, "10011", "Too many requests", CarrierFault.RATE_LIMITED),
        (422, "10015", "Regulatory requirements not met", CarrierFault.REGULATORY),
        (422, "10015", "Bad Request", CarrierFault.UNKNOWN),
    ],
)
async def test_telnyxs_codes_become_faults(
    fake: FakeTelnyx,
    account: CarrierAccount,
    status: int,
    code: str,
    title: str,
    fault: CarrierFault,
) -> None:
    body = {"errors": [{"code": code, "title": title, "detail": ""}]}
    fake.fail(
        Fault(method="POST", path="/number_orders", kind=FaultKind.STATUS, status=status, body=body)
    )
    with pytest.raises(CarrierError) as caught:
        await order(account)
    assert caught.value.fault is fault


async def test_a_number_is_looked_for_by_digits_and_matched_exactly(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    fake.own("+912025550111")
    assert await account.find_number("+12025550111") is None
    assert fake.requests[-1].query[0] == ("filter[phone_number]", "12025550111")


@pytest.mark.parametrize("status", ["deleted", "ported-out", "purchase-failed"])
async def test_a_number_of_the_past_is_not_owned(
    fake: FakeTelnyx, account: CarrierAccount, status: str
) -> None:
    fake.own(NUMBER)
    fake.owned[NUMBER]["status"] = status
    assert await account.find_number(NUMBER) is None


async def test_a_number_that_is_on_its_way_is_not_ready(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    fake.own(NUMBER)
    fake.owned[NUMBER]["status"] = "port-pending"
    number = await account.find_number(NUMBER)
    assert number is not None
    assert not number.is_ready


async def test_attach_detach_and_release(fake: FakeTelnyx, account: CarrierAccount) -> None:
    trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    fake.own(NUMBER)
    number = await account.find_number(NUMBER)
    assert number is not None
    await account.attach(number, trunk_id)
    assert fake.owned[NUMBER]["connection_id"] == trunk_id
    await account.detach(number, trunk_id)
    assert fake.owned[NUMBER]["connection_id"] is None
    await account.release(number.carrier_number_id)
    await account.release(number.carrier_number_id)
    assert fake.released == [NUMBER]
