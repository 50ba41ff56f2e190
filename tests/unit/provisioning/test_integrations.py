"""Accounts at carriers: their keys go in and come out for use cases alone."""

from __future__ import annotations

from uuid import UUID, uuid4

import pytest
from support.control_doubles import DEFAULT_WORKSPACE, InMemoryIntegrations

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.integrations import Integrations
from sip_edge.storage.secret_box import AesGcmBox

pytestmark = pytest.mark.asyncio

OURS = DEFAULT_WORKSPACE.id
KEY = bytes(32)
OTHER_KEY = bytes(range(32))


def integrations_over(store: InMemoryIntegrations, *keys: bytes) -> Integrations:
    return Integrations(store=store, box=AesGcmBox(list(keys)), new_id=uuid4)


async def create(integrations: Integrations, **metadata: object) -> UUID:
    made = await integrations.create(
        OURS, name="A", provider="twilio", api_key="hunter2", metadata=metadata
    )
    return made.id


async def test_credentials_are_what_was_stored() -> None:
    integrations = integrations_over(InMemoryIntegrations(), KEY)
    integration_id = await create(integrations, account_sid="AC1", sip_trunk="t")

    found = await integrations.credentials(OURS, integration_id)

    assert (found.provider, found.account_sid, found.secret) == ("twilio", "AC1", "hunter2")
    assert found.metadata == {"account_sid": "AC1", "sip_trunk": "t"}
    assert "hunter2" not in repr(found)


async def test_stored_key_is_not_readable() -> None:
    store = InMemoryIntegrations()
    integration_id = await create(integrations_over(store, KEY))

    sealed = await store.sealed_key(OURS, integration_id)

    assert sealed is not None
    assert b"hunter2" not in sealed


async def test_credentials_of_another_workspace_do_not_exist() -> None:
    integrations = integrations_over(InMemoryIntegrations(), KEY)
    integration_id = await create(integrations)

    with pytest.raises(ProvisioningError) as caught:
        await integrations.credentials(uuid4(), integration_id)

    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_key_copied_to_another_row_cannot_be_read() -> None:
    store = InMemoryIntegrations()
    integrations = integrations_over(store, KEY)
    one, other = await create(integrations), await create(integrations)
    owner, integration, _ = store.rows[other]
    store.rows[other] = (owner, integration, store.rows[one][2])

    with pytest.raises(ProvisioningError) as caught:
        await integrations.credentials(OURS, other)

    assert caught.value.code is ErrorCode.CREDENTIAL_UNREADABLE


async def test_keys_can_be_exchanged() -> None:
    store = InMemoryIntegrations()
    integration_id = await create(integrations_over(store, KEY))

    both = integrations_over(store, OTHER_KEY, KEY)
    assert (await both.credentials(OURS, integration_id)).secret == "hunter2"
    with pytest.raises(ProvisioningError) as caught:
        await integrations_over(store, OTHER_KEY).credentials(OURS, integration_id)
    assert caught.value.code is ErrorCode.CREDENTIAL_UNREADABLE


async def test_nothing_is_stored_without_an_encryption_key() -> None:
    store = InMemoryIntegrations()

    with pytest.raises(ProvisioningError) as caught:
        await create(integrations_over(store))

    assert caught.value.code is ErrorCode.ENCRYPTION_NOT_CONFIGURED
    assert store.rows == {}


async def test_account_that_is_no_text_is_as_good_as_none() -> None:
    integrations = integrations_over(InMemoryIntegrations(), KEY)
    integration_id = await create(integrations, account_sid=5)

    assert (await integrations.credentials(OURS, integration_id)).account_sid is None


async def test_deleted_integration_is_gone() -> None:
    integrations = integrations_over(InMemoryIntegrations(), KEY)
    integration_id = await create(integrations)

    await integrations.delete(OURS, integration_id)

    for deed in (
        integrations.get(OURS, integration_id),
        integrations.delete(OURS, integration_id),
        integrations.credentials(OURS, integration_id),
    ):
        with pytest.raises(ProvisioningError) as caught:
            await deed
        assert caught.value.code is ErrorCode.NOT_FOUND
