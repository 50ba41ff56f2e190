"""Keys of the control API."""

from __future__ import annotations

from datetime import timedelta
from hashlib import sha256

import pytest
from support.control_doubles import DEFAULT_WORKSPACE, Clock, InMemoryApiKeys

from sip_edge.provisioning.api_keys import ApiKeys
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.values import Principal

pytestmark = pytest.mark.asyncio

OURS = DEFAULT_WORKSPACE.id
TOKEN = "abcdefghijklmnopqrstuvwxyz"


def make(store: InMemoryApiKeys, clock: Clock | None = None) -> ApiKeys:
    return ApiKeys(store=store, clock=clock or Clock(), new_token=lambda: TOKEN)


async def test_key_is_shown_once_and_stored_as_a_digest() -> None:
    store = InMemoryApiKeys()

    made = await make(store).create(OURS, "ci")

    assert made.secret == "oi_sk_abcdefghijklmnopqrstuvwxyz"
    assert made.key.prefix == "oi_sk_abcdef"
    assert "mnop" not in repr(made)
    [(_, digest)] = store.rows.values()
    assert digest == sha256(b"oi_sk_abcdefghijklmnopqrstuvwxyz").digest()


async def test_key_speaks_for_its_workspace_until_it_is_revoked() -> None:
    keys = make(InMemoryApiKeys())
    made = await keys.create(OURS, "ci")

    assert await keys.authenticate(made.secret) == Principal(OURS, made.key.id)
    await keys.revoke(OURS, made.key.id)
    assert await keys.authenticate(made.secret) is None
    with pytest.raises(ProvisioningError) as caught:
        await keys.revoke(OURS, made.key.id)
    assert caught.value.code is ErrorCode.NOT_FOUND


@pytest.mark.parametrize(
    "secret",
    ["", "oi_sk_", "oi_sk_nobody", TOKEN, f"OI_SK_{TOKEN}", "oi_sk_" + "a" * 200, "oi_sk_ü"],
)
async def test_what_is_no_key_speaks_for_nobody(secret: str) -> None:
    keys = make(InMemoryApiKeys())
    await keys.create(OURS, "ci")

    assert await keys.authenticate(secret) is None


async def test_use_is_noted_now_and_then() -> None:
    store, clock = InMemoryApiKeys(), Clock()
    keys = make(store, clock)
    made = await keys.create(OURS, "ci")

    for _ in range(3):
        await keys.authenticate(made.secret)
    assert len(store.touched) == 1
    clock.at += timedelta(minutes=5)
    await keys.authenticate(made.secret)
    assert len(store.touched) == 2


async def test_first_key_is_looked_for() -> None:
    keys = make(InMemoryApiKeys())

    assert await keys.is_empty()
    await keys.create(OURS, "ci")
    assert not await keys.is_empty()
