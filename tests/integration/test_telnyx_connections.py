"""Which connection of a Telnyx account brings calls here, and what is changed to make it so."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
import pytest_asyncio
from support.carrier_fakes import FakeTelnyx
from support.carrier_fakes.accounts import ORIGINATION_URI, door, opened, telnyx_credentials

from sip_edge.carrier_accounts.telnyx_connections import host_and_port
from sip_edge.provisioning.carrier_port import CarrierAccount, CarrierError, TrunkHint

pytestmark = pytest.mark.asyncio


@pytest_asyncio.fixture
async def fake() -> AsyncIterator[FakeTelnyx]:
    with FakeTelnyx() as telnyx:
        yield telnyx


@pytest_asyncio.fixture
async def account(fake: FakeTelnyx) -> AsyncIterator[CarrierAccount]:
    async with opened(door(None, fake), telnyx_credentials()) as account:
        yield account


def writes(fake: FakeTelnyx) -> list[str]:
    return [line for line in fake.lines() if not line.startswith("GET")]


async def test_a_connection_is_made_once_and_leads_here(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    made = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    assert await account.ensure_trunk(ORIGINATION_URI, TrunkHint()) == made
    assert fake.leads_to(made) == "voice.oneinbox.ai:5060"
    assert writes(fake) == [
        "POST /v2/fqdn_connections",
        "POST /v2/fqdns",
        f"PATCH /v2/fqdn_connections/{made}",
    ]
    assert fake.connections[made]["inbound"]["dnis_number_format"] == "+e164"


async def test_two_installations_on_one_account_do_not_share_a_connection(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    first = await account.ensure_trunk("sip:staging.example.com:5060", TrunkHint())
    second = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    assert fake.leads_to(first) == "staging.example.com:5060"
    assert fake.leads_to(second) == "voice.oneinbox.ai:5060"


async def test_the_connection_of_the_number_is_used_if_it_leads_here(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    theirs = fake.add_connection("Theirs", "voice.oneinbox.ai:5060")
    assert await account.ensure_trunk(ORIGINATION_URI, TrunkHint(trunk_id=theirs)) == theirs
    assert writes(fake) == []


async def test_a_connection_that_leads_nowhere_is_led_here(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    theirs = fake.add_connection("Theirs")
    assert await account.ensure_trunk(ORIGINATION_URI, TrunkHint(trunk_id=theirs)) == theirs
    assert fake.leads_to(theirs) == "voice.oneinbox.ai:5060"


async def test_a_connection_that_leads_elsewhere_is_left_alone(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    theirs = fake.add_connection("Theirs", "pbx.example.com:5060")
    ours = await account.ensure_trunk(ORIGINATION_URI, TrunkHint(trunk_id=theirs))
    assert ours != theirs
    assert fake.leads_to(theirs) == "pbx.example.com:5060"


async def test_a_connection_of_another_kind_is_left_alone(
    fake: FakeTelnyx, account: CarrierAccount
) -> None:
    ours = await account.ensure_trunk(ORIGINATION_URI, TrunkHint(trunk_id="1234567890"))
    assert fake.connections[ours]["connection_name"] == "OneInbox-voice-oneinbox-ai-5060"


async def test_the_origination_uri_is_taken_apart() -> None:
    assert host_and_port("sip:Voice.example.com:5061;transport=tls") == ("voice.example.com", 5061)
    assert host_and_port("sip:voice.example.com") == ("voice.example.com", 5060)
    for text in ("voice", "sip:", "sip:a:b", "sip:a:123456"):
        with pytest.raises(CarrierError):
            host_and_port(text)
