"""A Twilio account, against a Twilio of our own."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.carrier_fakes import FakeTwilio, Fault, FaultKind
from support.carrier_fakes.accounts import (
    ORIGINATION_URI,
    SHORT_SECONDS,
    door,
    opened,
    twilio_credentials,
)

from sip_edge.provisioning.carrier_port import (
    CarrierAccount,
    CarrierError,
    CarrierFault,
    OrderState,
    OwnedNumber,
    SearchQuery,
    TrunkHint,
)

pytestmark = pytest.mark.asyncio

NUMBER = "+12025550101"
REFERENCE = "oneinbox-0123"


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeTwilio]:
    with FakeTwilio() as twilio:
        yield twilio


@pytest_asyncio.fixture
async def account(fake: FakeTwilio) -> AsyncIterator[CarrierAccount]:
    async with opened(door(fake, answer_seconds=SHORT_SECONDS), twilio_credentials()) as account:
        yield account


async def buy(account: CarrierAccount, number: str = NUMBER) -> OwnedNumber:
    trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    order = await account.buy(number, reference=REFERENCE, trunk_id=trunk_id)
    assert order.state is OrderState.BOUGHT
    assert order.number is not None
    return order.number


async def test_numbers_for_sale_are_found_by_area_and_digits(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    found = await account.search(
        SearchQuery(country="us", area_code="202", contains="0102", limit=3)
    )
    assert [each.phone_number for each in found] == ["+12025550102"]
    assert (found[0].country, found[0].region, found[0].sms_capable) == ("US", "DC", True)
    assert fake.requests[0].query == (
        ("VoiceEnabled", "true"),
        ("PageSize", "3"),
        ("ExcludeAllAddressRequired", "true"),
        ("AreaCode", "202"),
        ("Contains", "0102"),
    )


async def test_a_country_without_local_numbers_has_none_for_sale(account: CarrierAccount) -> None:
    assert list(await account.search(SearchQuery(country="-", limit=3))) == []


async def test_a_number_is_bought_and_attached_in_one_request(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    number = await buy(account)
    sent = fake.requests[-1]
    assert sent.headers["content-type"] == "application/x-www-form-urlencoded"
    assert sent.body == {
        "PhoneNumber": NUMBER,
        "FriendlyName": REFERENCE,
        "TrunkSid": number.trunk_id,
    }
    assert await account.find_number(NUMBER) == number
    assert number.sms_capable is True


async def test_an_order_is_found_by_its_reference_alone(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    fake.own("+12025550109", name="bought by hand")
    await buy(account)
    found = await account.find_order(NUMBER, reference=REFERENCE)
    assert found is not None
    assert found.state is OrderState.BOUGHT
    assert await account.find_order(NUMBER, reference="oneinbox-9999") is None
    assert await account.find_order("+12025550109", reference=REFERENCE) is None


async def test_an_order_that_timed_out_can_be_looked_up(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    fake.fail(Fault(method="POST", path="IncomingPhoneNumbers", kind=FaultKind.SILENCE_AFTER))
    with pytest.raises(CarrierError) as caught:
        await account.buy(NUMBER, reference=REFERENCE, trunk_id=trunk_id)
    assert caught.value.may_have_happened
    assert fake.bought == [NUMBER]
    found = await account.find_order(NUMBER, reference=REFERENCE)
    assert found is not None
    assert found.number is not None
    assert found.number.trunk_id == trunk_id


@pytest.mark.parametrize(
    ("code", "fault"),
    [
        (21422, CarrierFault.NUMBER_GONE),
        (21631, CarrierFault.REGULATORY),
        (21649, CarrierFault.REGULATORY),
        (20003, CarrierFault.BAD_CREDENTIALS),
        (20429, CarrierFault.RATE_LIMITED),
        (29999, CarrierFault.UNKNOWN),
    ],
)
async def test_twilios_codes_become_faults(
    fake: FakeTwilio, account: CarrierAccount, code: int, fault: CarrierFault
) -> None:
    trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    body = {"code": code, "message": "no", "status": 400}
    fake.fail(Fault(method="POST", path="/", kind=FaultKind.STATUS, status=400, body=body))
    with pytest.raises(CarrierError) as caught:
        await account.buy(NUMBER, reference=REFERENCE, trunk_id=trunk_id)
    assert (caught.value.fault, caught.value.may_have_happened) == (fault, False)


async def test_a_wrong_token_is_bad_credentials(fake: FakeTwilio) -> None:
    async with opened(door(fake), twilio_credentials("wrong")) as stranger:
        with pytest.raises(CarrierError) as caught:
            await stranger.find_number(NUMBER)
    assert caught.value.fault is CarrierFault.BAD_CREDENTIALS


async def test_releasing_and_detaching_twice_changes_nothing(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    number = await buy(account)
    assert number.trunk_id is not None
    await account.detach(number, number.trunk_id)
    await account.detach(number, number.trunk_id)
    assert fake.owned[NUMBER]["trunk_sid"] is None
    await account.release(number.carrier_number_id)
    await account.release(number.carrier_number_id)
    assert fake.released == [NUMBER]
