"""Numbers that customers bring: who may register, what is asked at the carrier, what is kept."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from support.carrier_account import TRUNK
from support.number_world import (
    AGENT,
    CREDENTIAL,
    DOWN,
    FALLBACK,
    NUMBER,
    OTHER_WORKSPACE,
    WORKSPACE,
    NumberWorld,
)

from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault, TrunkHint
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.number_values import NumberFilter, PhoneNumber, Registration
from sip_edge.provisioning.values import PageRequest

pytestmark = pytest.mark.asyncio

OWN_TRUNK = {
    "trunk_address": "yourtrunk.pstn.twilio.com",
    "auth_username": "oneinbox",
    "auth_password": "hunter2",
    "messaging_service_sid": "MG1",
}
ROUTING = {"agent_id": str(AGENT), "fallback": {"agent_id": str(FALLBACK)}}


def wish(credential_id: UUID | None = None, **changes: object) -> Registration:
    plain: dict[str, object] = {
        "phone_number": NUMBER,
        "provider": "twilio",
        "agent_id": AGENT,
        "friendly_name": "Sales",
        "provider_config": OWN_TRUNK,
        "inbound_routing": ROUTING,
        "credential_id": credential_id,
    }
    return Registration(**(plain | changes))  # type: ignore[arg-type]


async def refusal(
    world: NumberWorld, registration: Registration, workspace_id: UUID = WORKSPACE
) -> ErrorCode:
    with pytest.raises(ProvisioningError) as caught:
        await world.numbers.register(workspace_id, registration)
    return caught.value.code


async def test_without_credentials_only_our_side_is_written() -> None:
    world = NumberWorld()
    number = await world.numbers.register(WORKSPACE, wish())
    assert (number.status, number.is_verified, number.inbound_trunk_id) == ("active", False, None)
    assert (number.inbound_routing, number.friendly_name) == (ROUTING, "Sales")
    assert number.outbound_trunk_id is not None
    trunk = world.tables.trunks[UUID(number.outbound_trunk_id)]
    assert (trunk.trunk_address, trunk.auth_username) == ("yourtrunk.pstn.twilio.com", "oneinbox")
    assert trunk.sealed_password == b"sealed:2retnuh"


async def test_unknown_keys_are_kept_and_the_password_is_not() -> None:
    world = NumberWorld()
    number = await world.numbers.register(WORKSPACE, wish())
    assert world.tables.configs[number.id] == {
        "trunk_address": "yourtrunk.pstn.twilio.com",
        "auth_username": "oneinbox",
        "messaging_service_sid": "MG1",
    }
    assert "hunter2" not in f"{world.tables.numbers} {world.tables.trunks} {wish()!r}"


async def test_without_a_key_no_password_can_be_kept_and_our_own_trunk_still_works() -> None:
    ours = {
        "TWILIO_TRUNK_ADDRESS": "ours.example",
        "TWILIO_SIP_USERNAME": "us",
        "TWILIO_SIP_PASSWORD": "secret",
    }
    world = NumberWorld(has_key=False, environment=ours)
    assert await refusal(world, wish()) is ErrorCode.ENCRYPTION_NOT_CONFIGURED
    number = await world.numbers.register(WORKSPACE, wish(provider_config=None))
    trunk = world.tables.trunks[UUID(number.outbound_trunk_id or "")]
    assert (trunk.trunk_address, trunk.sealed_password) == ("ours.example", None)


async def test_without_a_trunk_from_anywhere_nothing_is_registered() -> None:
    world = NumberWorld()
    assert await refusal(world, wish(provider_config=None)) is ErrorCode.SIP_TRUNK_PROVISION_FAILED
    assert world.tables.numbers == {}


async def test_a_number_is_registered_once() -> None:
    world = NumberWorld()
    await world.numbers.register(WORKSPACE, wish())
    assert await refusal(world, wish()) is ErrorCode.NUMBER_TAKEN
    other = wish(inbound_routing=None)
    assert await refusal(world, other, OTHER_WORKSPACE) is ErrorCode.NUMBER_TAKEN


@pytest.mark.parametrize(
    "changes",
    [
        {"agent_id": uuid4()},
        {"inbound_routing": {"agent_id": str(uuid4())}},
        {"inbound_routing": {"agent_id": str(AGENT), "fallback": {"agent_id": str(uuid4())}}},
    ],
)
async def test_all_agents_that_are_named_must_exist(changes: dict[str, object]) -> None:
    assert await refusal(NumberWorld(), wish(**changes)) is ErrorCode.AGENT_NOT_FOUND


async def test_with_credentials_the_number_is_proved_and_its_calls_are_brought_here() -> None:
    world = NumberWorld()
    account = world.vault.put(WORKSPACE, "s", sip_trunk="their.pstn.twilio.com")
    account.own(NUMBER, "TK-old")
    number = await world.numbers.register(WORKSPACE, wish(CREDENTIAL, provider_config=OWN_TRUNK))
    assert (number.is_verified, number.inbound_trunk_id) == (True, TRUNK)
    assert (number.sms_capable, number.credential_id) == (True, CREDENTIAL)
    assert account.owned[NUMBER].trunk_id == TRUNK
    assert account.hints == [TrunkHint(domain="yourtrunk.pstn.twilio.com", trunk_id="TK-old")]
    assert world.tables.configs[number.id]["account_sid"] == "AC9"
    assert account.closed == 1


async def test_the_integrations_trunk_is_the_hint_when_the_number_brings_none() -> None:
    world = NumberWorld(
        environment={
            "TWILIO_TRUNK_ADDRESS": "ours.example",
            "TWILIO_SIP_USERNAME": "us",
            "TWILIO_SIP_PASSWORD": "secret",
        }
    )
    account = world.vault.put(WORKSPACE, "s", sip_trunk="their.pstn.twilio.com")
    account.own(NUMBER)
    await world.numbers.register(WORKSPACE, wish(CREDENTIAL, provider_config=None))
    assert account.hints == [TrunkHint(domain="their.pstn.twilio.com", trunk_id=None)]


async def test_an_account_that_does_not_own_the_number_is_refused_and_not_touched() -> None:
    world = NumberWorld()
    account = world.vault.put(WORKSPACE, "s")
    assert await refusal(world, wish(CREDENTIAL)) is ErrorCode.NUMBER_NOT_OWNED
    assert account.calls == ["find_number"]
    assert (account.closed, world.tables.numbers) == (1, {})


async def test_credentials_must_exist_and_be_of_the_numbers_provider() -> None:
    world = NumberWorld()
    assert await refusal(world, wish(CREDENTIAL)) is ErrorCode.CREDENTIAL_NOT_FOUND
    world.vault.put(WORKSPACE, "s", provider="telnyx")
    assert await refusal(world, wish(CREDENTIAL)) is ErrorCode.PROVIDER_NOT_SUPPORTED


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (CarrierFault.BAD_CREDENTIALS, ErrorCode.CARRIER_REJECTED_CREDENTIALS),
        (CarrierFault.DOWN, ErrorCode.CARRIER_UNAVAILABLE),
        (CarrierFault.RATE_LIMITED, ErrorCode.CARRIER_RATE_LIMITED),
        (CarrierFault.UNKNOWN, ErrorCode.CARRIER_REFUSED),
    ],
)
async def test_a_carrier_that_does_not_play_along_leaves_nothing_behind(
    fault: CarrierFault, code: ErrorCode
) -> None:
    world = NumberWorld()
    account = world.vault.put(WORKSPACE, "s")
    account.own(NUMBER)
    account.fail("attach", CarrierError(fault, "no"))
    assert await refusal(world, wish(CREDENTIAL)) is code
    assert (world.tables.numbers, account.closed) == ({}, 1)


async def test_who_proves_a_number_takes_it_from_who_has_not() -> None:
    world = NumberWorld()
    squatter = await world.numbers.register(OTHER_WORKSPACE, wish(inbound_routing=None))
    world.vault.put(WORKSPACE, "s").own(NUMBER)
    number = await world.numbers.register(WORKSPACE, wish(CREDENTIAL))
    assert number.id != squatter.id
    with pytest.raises(ProvisioningError) as caught:
        await world.numbers.get(OTHER_WORKSPACE, squatter.id)
    assert caught.value.code is ErrorCode.NOT_FOUND
    assert world.observed.claims == [(NUMBER, OTHER_WORKSPACE)]
    assert list(world.tables.trunks) == [UUID(number.outbound_trunk_id or "")]


async def test_who_proves_a_number_of_its_own_keeps_its_id() -> None:
    world = NumberWorld()
    unproved = await world.numbers.register(WORKSPACE, wish())
    world.vault.put(WORKSPACE, "s").own(NUMBER)
    proved = await world.numbers.register(WORKSPACE, wish(CREDENTIAL))
    assert (proved.id, proved.is_verified) == (unproved.id, True)
    assert world.observed.claims == []


async def registered(world: NumberWorld) -> PhoneNumber:
    return await world.numbers.register(WORKSPACE, wish())


async def test_only_what_is_sent_changes_and_its_agents_must_exist() -> None:
    world = NumberWorld()
    number = await registered(world)
    changed = await world.numbers.change(WORKSPACE, number.id, {"inbound_routing": None})
    assert (changed.inbound_routing, changed.agent_id) == (None, AGENT)
    assert await world.numbers.change(WORKSPACE, number.id, {}) == changed
    for changes in ({"agent_id": uuid4()}, {"inbound_routing": {"agent_id": str(uuid4())}}):
        with pytest.raises(ProvisioningError) as caught:
            await world.numbers.change(WORKSPACE, number.id, changes)
        assert caught.value.code is ErrorCode.AGENT_NOT_FOUND


async def test_what_belongs_to_another_workspace_does_not_exist() -> None:
    world = NumberWorld()
    number = await registered(world)
    for attempt in (
        world.numbers.get(OTHER_WORKSPACE, number.id),
        world.numbers.change(OTHER_WORKSPACE, number.id, {"friendly_name": "x"}),
        world.numbers.delete(OTHER_WORKSPACE, number.id),
    ):
        with pytest.raises(ProvisioningError) as caught:
            await attempt
        assert caught.value.code is ErrorCode.NOT_FOUND
    page = await world.numbers.page(OTHER_WORKSPACE, PageRequest(10, None), NumberFilter())
    assert page.items == ()


async def test_deleting_puts_the_number_back_where_it_was_and_keeps_it_with_its_owner() -> None:
    world = NumberWorld()
    account = world.vault.put(WORKSPACE, "s")
    account.own(NUMBER, "TK-old")
    number = await world.numbers.register(WORKSPACE, wish(CREDENTIAL))
    await world.numbers.delete(WORKSPACE, number.id)
    assert account.owned[NUMBER].trunk_id == "TK-old"
    assert (world.tables.numbers, world.tables.trunks, account.returned) == ({}, {}, [])


async def test_deleting_detaches_a_number_that_was_nowhere_before() -> None:
    world = NumberWorld()
    account = world.vault.put(WORKSPACE, "s")
    account.own(NUMBER)
    number = await world.numbers.register(WORKSPACE, wish(CREDENTIAL))
    await world.numbers.delete(WORKSPACE, number.id)
    assert account.owned[NUMBER].trunk_id is None


async def test_deleting_leaves_alone_what_the_customer_has_set_up() -> None:
    world = NumberWorld()
    account = world.vault.put(WORKSPACE, "s")
    account.trunks.append("TK-theirs")
    account.own(NUMBER, "TK-theirs")
    number = await world.numbers.register(WORKSPACE, wish(CREDENTIAL))
    await world.numbers.delete(WORKSPACE, number.id)
    assert account.owned[NUMBER].trunk_id == "TK-theirs"


async def test_a_carrier_that_is_down_does_not_keep_a_number_from_being_deleted() -> None:
    world = NumberWorld()
    account = world.vault.put(WORKSPACE, "s")
    account.own(NUMBER)
    number = await world.numbers.register(WORKSPACE, wish(CREDENTIAL))
    account.fail("detach", DOWN)
    await world.numbers.delete(WORKSPACE, number.id)
    assert world.tables.numbers == {}
    assert world.observed.left_attached == [NUMBER]


async def test_a_number_whose_credentials_are_gone_can_be_deleted() -> None:
    world = NumberWorld()
    world.vault.put(WORKSPACE, "s").own(NUMBER)
    number = await world.numbers.register(WORKSPACE, wish(CREDENTIAL))
    world.vault.credentials_of.clear()
    await world.numbers.delete(WORKSPACE, number.id)
    assert world.observed.left_attached == [NUMBER]
