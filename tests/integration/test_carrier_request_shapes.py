"""Every request that our clients make, held against the carriers' own OpenAPI documents."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import pytest
from support.carrier_fakes import FakeTelnyx, FakeTwilio, Recorded
from support.carrier_fakes.accounts import (
    ORIGINATION_URI,
    door,
    opened,
    telnyx_credentials,
    twilio_credentials,
)
from support.prism import Prism, running_prism, why_not

from sip_edge.provisioning.carrier_port import CarrierAccount, SearchQuery, TrunkHint

API = "twilio_api_v2010.json"
TRUNKING = "twilio_trunking_v1.json"
TELNYX = "telnyx_spec3_2026-02-26.json"

ACCOUNT = "/2010-04-01/Accounts/{AccountSid}"
PATHS = {
    API: [f"{ACCOUNT}/AvailablePhoneNumbers", f"{ACCOUNT}/IncomingPhoneNumbers"],
    TRUNKING: ["/"],
    TELNYX: [
        "/available_phone_numbers",
        "/number_orders",
        "/sub_number_orders",
        "/phone_numbers",
        "/fqdn",
    ],
}

pytestmark = [
    pytest.mark.peer,
    pytest.mark.skipif(why_not() is not None, reason=why_not() or ""),
    pytest.mark.timeout(240),
]


@pytest.fixture(scope="module")
def prism(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prism]:
    with running_prism(tmp_path_factory.mktemp("specs"), PATHS) as running:
        yield running


async def everything(account: CarrierAccount, number: str, own: str) -> None:
    """All that is ever asked of a carrier, in an order that works."""
    await account.search(SearchQuery(country="US", limit=5))
    await account.search(SearchQuery(country="US", area_code="202", contains="555", limit=5))
    trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    await account.ensure_trunk(ORIGINATION_URI, TrunkHint(trunk_id=trunk_id))
    await account.buy(number, reference="oneinbox-0123", trunk_id=trunk_id)
    order = await account.find_order(number, reference="oneinbox-0123")
    assert order is not None
    assert order.number is not None
    theirs = await account.find_number(own)
    assert theirs is not None
    await account.attach(theirs, trunk_id)
    await account.detach(theirs, trunk_id)
    await account.release(order.number.carrier_number_id)


@pytest.mark.asyncio
async def test_twilios_documents_accept_every_request(prism: Prism) -> None:
    with FakeTwilio() as fake:
        sleeping = fake.add_trunk("Theirs", "their.pstn.twilio.com", ORIGINATION_URI)
        fake.urls[sleeping][0]["enabled"] = False
        fake.own("+12025550109")
        async with opened(door(fake), twilio_credentials()) as account:
            await everything(account, "+12025550101", "+12025550109")
            await account.ensure_trunk(ORIGINATION_URI, TrunkHint(trunk_id=sleeping))
    complaints = [prism.complaint(twilio_document(each), each) for each in fake.requests]
    assert [each for each in complaints if each] == []
    assert len({operation(each) for each in fake.requests}) == 11


@pytest.mark.asyncio
async def test_telnyxs_document_accepts_every_request(prism: Prism) -> None:
    with FakeTelnyx() as fake:
        fake.own("+12025550119")
        fake.regulated.add("+12025550112")
        async with opened(door(None, fake), telnyx_credentials()) as account:
            await everything(account, "+12025550111", "+12025550119")
            trunk_id = await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
            await account.buy("+12025550112", reference="oneinbox-0456", trunk_id=trunk_id)
    complaints = [prism.complaint(TELNYX, each, strip="/v2") for each in fake.requests]
    assert [each for each in complaints if each] == []
    assert len({operation(each) for each in fake.requests}) == 13


@pytest.mark.asyncio
async def test_a_request_with_a_field_too_few_would_have_been_noticed(prism: Prism) -> None:
    with FakeTwilio() as twilio, FakeTelnyx() as telnyx:
        async with opened(door(twilio, telnyx), twilio_credentials()) as account:
            await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
        async with opened(door(twilio, telnyx), telnyx_credentials()) as account:
            await account.ensure_trunk(ORIGINATION_URI, TrunkHint())
    url = next(each for each in twilio.requests if b"Weight" in each.raw)
    fqdn = next(each for each in telnyx.requests if each.line == "POST /v2/fqdns")
    assert prism.complaint(TRUNKING, url) is None
    assert prism.complaint(TRUNKING, replace(url, raw=url.raw.replace(b"Weight", b"Wait")))
    assert prism.complaint(TRUNKING, replace(url, headers={}))
    broken = replace(fqdn, raw=fqdn.raw.replace(b'"fqdn"', b'"name"'))
    assert prism.complaint(TELNYX, broken, strip="/v2")


def twilio_document(request: Recorded) -> str:
    return TRUNKING if request.path.startswith("/v1/") else API


def operation(request: Recorded) -> str:
    """The request's method and path without ids."""
    parts = [
        "*" if any(c.isdigit() for c in part[1:]) else part for part in request.path.split("/")
    ]
    return f"{request.method} {'/'.join(parts)}"
