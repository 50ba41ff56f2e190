"""Which trunk of a Twilio account brings calls here, and what is changed to make it so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.carrier_fakes import FakeTwilio
from support.carrier_fakes.accounts import ORIGINATION_URI, door, opened, twilio_credentials

from sip_edge.provisioning.carrier_port import CarrierAccount, TrunkHint

pytestmark = pytest.mark.asyncio

ELSEWHERE = "sip:pbx.example.com:5060"


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeTwilio]:
    with FakeTwilio() as twilio:
        yield twilio


@pytest_asyncio.fixture
async def account(fake: FakeTwilio) -> AsyncIterator[CarrierAccount]:
    async with opened(door(fake), twilio_credentials()) as account:
        yield account


def writes(fake: FakeTwilio) -> list[str]:
    return [line for line in fake.lines() if not line.startswith("GET")]


async def test_a_trunk_is_made_once_and_leads_here_with_priority_and_weight_ten(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    assert await account.ensure_trunk(ORIGINATION_URI, TrunkHint()) == trunk_id
    assert fake.trunks[trunk_id]["friendly_name"] == "OneInbox-voice-oneinbox-ai-5060"
    sent = [each.body for each in fake.requests if each.path.endswith("OriginationUrls")]
    assert [each for each in sent if each] == [
        {
            "FriendlyName": "OneInbox",
            "SipUrl": "sip:voice.oneinbox.ai:5060",
            "Priority": "10",
            "Weight": "10",
            "Enabled": "true",
        }
    ]


async def test_two_installations_on_one_account_do_not_share_a_trunk(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    first = await account.ensure_trunk("sip:staging.example.com:5060", TrunkHint())
    second = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    assert [len(fake.urls[trunk]) for trunk in (first, second)] == [1, 1]


async def test_the_customers_trunk_is_known_by_its_domain(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    theirs = fake.add_trunk("Theirs", "yourtrunk.pstn.twilio.com", ORIGINATION_URI)
    hint = TrunkHint(domain="YourTrunk.pstn.twilio.com")
    assert await account.ensure_trunk(ORIGINATION_URI, hint) == theirs
    assert writes(fake) == []


async def test_a_trunk_that_leads_nowhere_is_led_here(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    theirs = fake.add_trunk("Theirs")
    assert await account.ensure_trunk(ORIGINATION_URI, TrunkHint(trunk_id=theirs)) == theirs
    assert [url["sip_url"] for url in fake.urls[theirs]] == [ORIGINATION_URI]


async def test_a_trunk_that_leads_elsewhere_is_left_alone(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    theirs = fake.add_trunk("Theirs", "their.pstn.twilio.com", ELSEWHERE)
    hint = TrunkHint(domain="their.pstn.twilio.com", trunk_id=theirs)
    ours = await account.ensure_trunk(ORIGINATION_URI, hint)
    assert ours != theirs
    assert [url["sip_url"] for url in fake.urls[theirs]] == [ELSEWHERE]


async def test_our_uri_stays_switched_off_on_a_trunk_that_leads_elsewhere(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    theirs = fake.add_trunk("Theirs", "their.pstn.twilio.com", ORIGINATION_URI, ELSEWHERE)
    fake.urls[theirs][0]["enabled"] = False
    hint = TrunkHint(domain="their.pstn.twilio.com", trunk_id=theirs)
    assert await account.ensure_trunk(ORIGINATION_URI, hint) != theirs
    assert [url["enabled"] for url in fake.urls[theirs]] == [False, True]


async def test_an_origination_uri_that_was_switched_off_is_switched_on(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    theirs = fake.add_trunk("Theirs", None, ORIGINATION_URI)
    fake.urls[theirs][0]["enabled"] = False
    assert await account.ensure_trunk(ORIGINATION_URI, TrunkHint(trunk_id=theirs)) == theirs
    assert [url["enabled"] for url in fake.urls[theirs]] == [True]


async def test_attaching_moves_a_number_and_does_nothing_if_it_is_there(
    fake: FakeTwilio, account: CarrierAccount
) -> None:
    first, second = fake.add_trunk("First"), fake.add_trunk("Second")
    fake.own("+12025550101", trunk_sid=first)
    number = await account.find_number("+12025550101")
    assert number is not None
    await account.attach(number, first)
    assert writes(fake) == []
    await account.attach(number, second)
    assert fake.owned["+12025550101"]["trunk_sid"] == second
