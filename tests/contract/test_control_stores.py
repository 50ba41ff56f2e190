"""What any store of the control API promises: the same tests for doubles and for PostgreSQL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import asyncpg
import pytest
import pytest_asyncio
from support.control_doubles import (
    InMemoryAgents,
    InMemoryApiKeys,
    InMemoryIdempotency,
    InMemoryIntegrations,
    InMemoryRecords,
    InMemoryWorkspaces,
)
from support.control_rows import STARTED_AT, call_record, voicemail_record

from sip_edge.provisioning.ports import (
    AgentStore,
    ApiKeyStore,
    IdempotencyStore,
    IntegrationStore,
    RecordStore,
    WorkspaceStore,
)
from sip_edge.provisioning.values import (
    AgentDraft,
    CallFilter,
    CallRecord,
    Claim,
    IntegrationDraft,
    KeptAnswer,
    PageRequest,
    VoicemailFilter,
    VoicemailRecord,
)
from sip_edge.storage.agent_rows import PostgresAgents
from sip_edge.storage.api_key_rows import PostgresApiKeys, PostgresWorkspaces
from sip_edge.storage.control_database import ControlDatabase
from sip_edge.storage.idempotency_rows import PostgresIdempotency
from sip_edge.storage.integration_rows import PostgresIntegrations
from sip_edge.storage.pool import create_pool
from sip_edge.storage.record_rows import PostgresRecords

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

DRAFT = AgentDraft(
    name="Front desk",
    status="active",
    worker_url="ws://127.0.0.1:8090/",
    worker_options={"abnormal_end": "hangup", "x": [1]},
    voicemail_message="Please leave a message.",
    language="en",
)
FIRST = PageRequest(2, None)
ALL = PageRequest(100, None)


@dataclass
class Stores:
    agents: AgentStore
    integrations: IntegrationStore
    keys: ApiKeyStore
    workspaces: WorkspaceStore
    records: RecordStore
    idempotency: IdempotencyStore
    add_call: Callable[[UUID | None, CallRecord], Awaitable[None]]
    add_voicemail: Callable[[UUID | None, VoicemailRecord], Awaitable[None]]
    ours: UUID
    theirs: UUID


@pytest_asyncio.fixture(params=["double", "real"])
async def stores(request: pytest.FixtureRequest, database_dsn: str) -> AsyncIterator[Stores]:
    if request.param == "double":
        yield await _doubles()
        return
    async with create_pool(database_dsn) as pool:
        yield await _real(pool)


async def _doubles() -> Stores:
    records = InMemoryRecords()
    workspaces = InMemoryWorkspaces()

    async def add_call(owner: UUID | None, call: CallRecord) -> None:
        records.call_rows.append((owner, call))

    async def add_voicemail(owner: UUID | None, message: VoicemailRecord) -> None:
        records.voicemail_rows.append((owner, message))

    return Stores(
        InMemoryAgents(),
        InMemoryIntegrations(),
        InMemoryApiKeys(),
        workspaces,
        records,
        InMemoryIdempotency(),
        add_call,
        add_voicemail,
        (await workspaces.default()).id,
        (await workspaces.named_or_new("theirs")).id,
    )


async def _real(pool: asyncpg.Pool) -> Stores:
    database = ControlDatabase(pool)
    workspaces = PostgresWorkspaces(database)

    async def add_call(owner: UUID | None, call: CallRecord) -> None:
        await pool.execute(
            "INSERT INTO calls (id, state, instance_id, provider, call_sid, caller, caller_number,"
            " called_number, started_at, answered_at, ended_at, outcome, status, ended_by, role,"
            " codec, workspace_id) VALUES ($1, $2, gen_random_uuid(), $3, $4, $5, $6, $7, $8, $9,"
            " $10, $11, $12, $13, $14, $15, $16)",
            call.id, call.state, call.provider, call.call_sid, call.caller, call.caller_number,
            call.phone_number, call.started_at, call.answered_at, call.ended_at, call.outcome,
            call.status, call.ended_by, call.role, call.codec, owner,
        )  # fmt: skip

    async def add_voicemail(owner: UUID | None, message: VoicemailRecord) -> None:
        await pool.execute(
            "INSERT INTO voicemails (id, call_id, phone_number, caller_number, received_at,"
            " seconds, bytes, path, workspace_id) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
            message.id, message.call_id, message.phone_number, message.caller_number,
            message.received_at, message.seconds, message.size, message.path, owner,
        )  # fmt: skip

    return Stores(
        PostgresAgents(database),
        PostgresIntegrations(database),
        PostgresApiKeys(database),
        workspaces,
        PostgresRecords(database),
        PostgresIdempotency(database),
        add_call,
        add_voicemail,
        (await workspaces.default()).id,
        (await workspaces.named_or_new("theirs")).id,
    )


async def test_agent_is_what_was_written(stores: Stores) -> None:
    made = await stores.agents.insert(stores.ours, DRAFT)

    assert made.worker_options == {"abnormal_end": "hangup", "x": [1]}
    assert (made.name, made.language, made.status) == ("Front desk", "en", "active")
    assert made.created_at == made.updated_at
    assert await stores.agents.find(stores.ours, made.id) == made


async def test_only_the_columns_named_change(stores: Stores) -> None:
    made = await stores.agents.insert(stores.ours, DRAFT)

    changed = await stores.agents.update(
        stores.ours, made.id, {"status": "paused", "worker_url": None}
    )

    assert changed is not None
    assert (changed.status, changed.worker_url, changed.name) == ("paused", None, "Front desk")
    assert changed.updated_at > changed.created_at


async def test_deleted_agent_is_gone(stores: Stores) -> None:
    made = await stores.agents.insert(stores.ours, DRAFT)

    assert await stores.agents.delete(stores.ours, made.id)

    assert not await stores.agents.delete(stores.ours, made.id)
    assert await stores.agents.find(stores.ours, made.id) is None
    assert await stores.agents.update(stores.ours, made.id, {"name": "x"}) is None
    assert await stores.agents.existing(stores.ours, [made.id]) == set()
    assert (await stores.agents.page(stores.ours, ALL, status=None)).items == ()


async def test_agents_of_another_workspace_do_not_exist(stores: Stores) -> None:
    made = await stores.agents.insert(stores.ours, DRAFT)

    assert await stores.agents.find(stores.theirs, made.id) is None
    assert await stores.agents.update(stores.theirs, made.id, {"name": "x"}) is None
    assert not await stores.agents.delete(stores.theirs, made.id)
    assert await stores.agents.existing(stores.theirs, [made.id]) == set()
    assert await stores.agents.existing(stores.ours, [made.id, uuid4()]) == {made.id}
    assert (await stores.agents.page(stores.theirs, ALL, status=None)).items == ()


async def test_pages_show_each_agent_once_newest_first(stores: Stores) -> None:
    made = [await stores.agents.insert(stores.ours, DRAFT) for _ in range(5)]
    seen = []
    request = FIRST
    while True:
        page = await stores.agents.page(stores.ours, request, status=None)
        seen += [agent.id for agent in page.items]
        if page.next is None:
            break
        await stores.agents.insert(stores.ours, DRAFT)  # What comes meanwhile shifts nothing.
        request = PageRequest(2, page.next)

    assert seen == [agent.id for agent in reversed(made)]


async def test_agents_are_listed_by_status(stores: Stores) -> None:
    await stores.agents.insert(stores.ours, DRAFT)
    paused = await stores.agents.insert(stores.ours, DRAFT)
    await stores.agents.update(stores.ours, paused.id, {"status": "paused"})

    page = await stores.agents.page(stores.ours, ALL, status="paused")

    assert [agent.id for agent in page.items] == [paused.id]


async def test_integration_keeps_its_key_apart(stores: Stores) -> None:
    draft = IntegrationDraft(id=uuid4(), name="A", provider="twilio", metadata={"x": 1})

    made = await stores.integrations.insert(stores.ours, draft, b"sealed")

    assert (made.id, made.metadata) == (draft.id, {"x": 1})
    assert await stores.integrations.find(stores.ours, draft.id) == made
    assert await stores.integrations.sealed_key(stores.ours, draft.id) == b"sealed"
    assert await stores.integrations.find(stores.theirs, draft.id) is None
    assert await stores.integrations.sealed_key(stores.theirs, draft.id) is None
    assert not await stores.integrations.delete(stores.theirs, draft.id)
    assert (await stores.integrations.page(stores.ours, ALL, provider="telnyx")).items == ()
    assert (await stores.integrations.page(stores.ours, ALL, provider="twilio")).items == (made,)
    assert await stores.integrations.delete(stores.ours, draft.id)
    assert await stores.integrations.sealed_key(stores.ours, draft.id) is None


async def test_key_is_found_by_its_digest_until_it_is_revoked(stores: Stores) -> None:
    assert await stores.keys.is_empty()
    made = await stores.keys.insert(stores.ours, "ci", "oi_sk_abc", b"d" * 32)
    used_at = datetime(2026, 7, 1, tzinfo=UTC)

    await stores.keys.touch(made.id, used_at)

    found = await stores.keys.find_by_digest(b"d" * 32)
    assert found is not None
    assert (found[0].id, found[0].last_used_at, found[1]) == (made.id, used_at, b"d" * 32)
    assert await stores.keys.find_by_digest(b"e" * 32) is None
    assert not await stores.keys.is_empty()
    assert not await stores.keys.revoke(stores.theirs, made.id)
    assert [key.id for key in (await stores.keys.page(stores.ours, ALL)).items] == [made.id]
    assert (await stores.keys.page(stores.theirs, ALL)).items == ()
    assert await stores.keys.revoke(stores.ours, made.id)
    assert not await stores.keys.revoke(stores.ours, made.id)
    assert await stores.keys.find_by_digest(b"d" * 32) is None
    assert await stores.keys.is_empty()


async def test_workspaces_are_found_by_id_and_name(stores: Stores) -> None:
    default = await stores.workspaces.default()

    assert await stores.workspaces.find(default.id) == default
    assert await stores.workspaces.named("default") == default
    assert await stores.workspaces.named_or_new("default") == default
    assert await stores.workspaces.find(uuid4()) is None
    assert await stores.workspaces.named("nobody") is None
    made = await stores.workspaces.named_or_new("shop")
    assert await stores.workspaces.named_or_new("shop") == made != default


async def test_calls_are_filtered_and_belong_to_one_workspace(stores: Stores) -> None:
    await stores.add_call(stores.ours, call_record(1))
    await stores.add_call(stores.ours, call_record(2, outcome="voicemail"))
    await stores.add_call(stores.ours, call_record(3, phone_number="+12025550102"))
    await stores.add_call(stores.ours, call_record(4, caller_number=None))
    await stores.add_call(stores.theirs, call_record(5))
    await stores.add_call(None, call_record(6))

    async def minutes(which: CallFilter) -> list[int]:
        page = await stores.records.calls(stores.ours, ALL, which)
        return [call.started_at.minute for call in page.items]

    at_2 = STARTED_AT + timedelta(minutes=2)
    assert await minutes(CallFilter()) == [4, 3, 2, 1]
    assert await minutes(CallFilter(outcome="voicemail")) == [2]
    assert await minutes(CallFilter(number="+12025550102")) == [3]
    assert await minutes(CallFilter(caller="+12025550123")) == [3, 2, 1]
    assert await minutes(CallFilter(since=at_2)) == [4, 3, 2]
    assert await minutes(CallFilter(until=at_2)) == [1]
    assert await minutes(CallFilter(since=at_2, until=at_2 + timedelta(seconds=1))) == [2]
    assert await stores.records.call(stores.ours, call_record(1).id) == call_record(1)
    assert await stores.records.call(stores.theirs, call_record(1).id) is None
    assert await stores.records.call(stores.ours, call_record(6).id) is None


async def test_voicemails_are_filtered_and_belong_to_one_workspace(stores: Stores) -> None:
    await stores.add_voicemail(stores.ours, voicemail_record(1))
    await stores.add_voicemail(stores.ours, voicemail_record(2, phone_number="+12025550102"))
    await stores.add_voicemail(stores.ours, voicemail_record(3, caller_number=None))
    await stores.add_voicemail(stores.theirs, voicemail_record(4))
    await stores.add_voicemail(None, voicemail_record(5))

    async def minutes(which: VoicemailFilter) -> list[int]:
        page = await stores.records.voicemails(stores.ours, ALL, which)
        return [message.received_at.minute for message in page.items]

    at_2 = STARTED_AT + timedelta(minutes=2)
    assert await minutes(VoicemailFilter()) == [3, 2, 1]
    assert await minutes(VoicemailFilter(number="+12025550102")) == [2]
    assert await minutes(VoicemailFilter(caller="+12025550123")) == [2, 1]
    assert await minutes(VoicemailFilter(since=at_2)) == [3, 2]
    assert await minutes(VoicemailFilter(until=at_2)) == [1]
    found = await stores.records.voicemail(stores.ours, voicemail_record(1).id)
    assert found == voicemail_record(1)
    assert await stores.records.voicemail(stores.theirs, voicemail_record(1).id) is None


async def claim(
    stores: Stores, holder: UUID, *, request: bytes = b"r", hold: float = 60, keep: float = 86_400
) -> Claim | KeptAnswer:
    return await stores.idempotency.claim(
        stores.ours, "key", request=request, holder=holder, hold_seconds=hold, keep_seconds=keep
    )


async def test_key_is_claimed_once_and_its_answer_kept(stores: Stores) -> None:
    holder, other = uuid4(), uuid4()
    answer = KeptAnswer(201, b'{"id": 1}')

    assert await claim(stores, holder) is Claim.CLAIMED
    assert await claim(stores, other) is Claim.BUSY
    assert await claim(stores, other, request=b"other") is Claim.OTHER_REQUEST
    await stores.idempotency.keep(stores.ours, "key", holder=other, answer=KeptAnswer(500, b""))
    assert await claim(stores, other) is Claim.BUSY
    await stores.idempotency.keep(stores.ours, "key", holder=holder, answer=answer)
    assert await claim(stores, other) == answer
    assert await claim(stores, other, request=b"other") is Claim.OTHER_REQUEST
    await stores.idempotency.release(stores.ours, "key", holder=holder)
    assert await claim(stores, other) == answer


async def test_key_that_is_given_back_may_be_claimed_again(stores: Stores) -> None:
    holder, other = uuid4(), uuid4()
    await claim(stores, holder)

    await stores.idempotency.release(stores.ours, "key", holder=other)
    assert await claim(stores, other) is Claim.BUSY
    await stores.idempotency.release(stores.ours, "key", holder=holder)
    assert await claim(stores, other, request=b"other") is Claim.CLAIMED


async def test_claim_of_a_dead_holder_runs_out_for_the_same_request(stores: Stores) -> None:
    await claim(stores, uuid4(), hold=0)

    assert await claim(stores, uuid4(), request=b"other") is Claim.OTHER_REQUEST
    assert await claim(stores, uuid4()) is Claim.CLAIMED


async def test_key_that_has_expired_is_as_good_as_new(stores: Stores) -> None:
    holder = uuid4()
    await claim(stores, holder, keep=0)
    await stores.idempotency.keep(stores.ours, "key", holder=holder, answer=KeptAnswer(201, b""))

    assert await claim(stores, uuid4(), request=b"other", keep=0) is Claim.CLAIMED
    assert await stores.idempotency.forget_expired() == 1
    assert await stores.idempotency.forget_expired() == 0
