"""What may be done with agents."""

from __future__ import annotations

from uuid import uuid4

import pytest
from support.control_doubles import DEFAULT_WORKSPACE, InMemoryAgents, Places

from sip_edge.provisioning.agents import Agents
from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.values import AgentDraft

pytestmark = pytest.mark.asyncio

OURS = DEFAULT_WORKSPACE.id
METADATA_SERVICE = "ws://169.254.169.254/"
DRAFT = AgentDraft(
    name="A",
    status="active",
    worker_url="ws://127.0.0.1:1/",
    worker_options={},
    voicemail_message=None,
    language=None,
)


def make_agents() -> Agents:
    places = Places({METADATA_SERVICE: "No worker is there."})
    return Agents(store=InMemoryAgents(), places=places, worker_secrets=["WORKER_TOKEN"])


def draft(**changes: object) -> AgentDraft:
    values = {name: getattr(DRAFT, name) for name in DRAFT.__slots__}
    return AgentDraft(**{**values, **changes})


async def test_worker_in_a_forbidden_place_is_not_saved() -> None:
    agents = make_agents()
    with pytest.raises(ProvisioningError) as caught:
        await agents.create(OURS, draft(worker_url=METADATA_SERVICE))
    assert caught.value.code is ErrorCode.WORKER_URL_REFUSED

    agent = await agents.create(OURS, DRAFT)
    with pytest.raises(ProvisioningError) as caught:
        await agents.change(OURS, agent.id, {"worker_url": METADATA_SERVICE})
    assert caught.value.code is ErrorCode.WORKER_URL_REFUSED
    assert (await agents.get(OURS, agent.id)).worker_url == "ws://127.0.0.1:1/"


@pytest.mark.parametrize("name", ["bearer_token", "signing_secret"])
async def test_agent_may_not_have_any_variable_of_the_environment_sent_to_it(name: str) -> None:
    agents = make_agents()
    with pytest.raises(ProvisioningError) as caught:
        await agents.create(OURS, draft(worker_options={name: "env:SIP_EDGE__DATABASE__DSN"}))
    assert caught.value.code is ErrorCode.WORKER_SECRET_REFUSED

    agent = await agents.create(OURS, draft(worker_options={name: "env:WORKER_TOKEN"}))
    with pytest.raises(ProvisioningError) as caught:
        await agents.change(OURS, agent.id, {"worker_options": {name: "env:HOME"}})
    assert caught.value.code is ErrorCode.WORKER_SECRET_REFUSED


async def test_agent_without_a_worker_may_be_saved() -> None:
    agents = make_agents()

    agent = await agents.create(OURS, draft(worker_url=None))

    assert agent.worker_url is None


async def test_change_of_nothing_is_a_look() -> None:
    agents = make_agents()
    agent = await agents.create(OURS, DRAFT)

    assert await agents.change(OURS, agent.id, {}) == agent


async def test_agent_that_is_not_there_is_not_found() -> None:
    agents, nobody = make_agents(), uuid4()

    for deed in (
        agents.get(OURS, nobody),
        agents.change(OURS, nobody, {"name": "x"}),
        agents.change(OURS, nobody, {}),
        agents.delete(OURS, nobody),
    ):
        with pytest.raises(ProvisioningError) as caught:
            await deed
        assert caught.value.code is ErrorCode.NOT_FOUND


async def test_numbers_may_name_agents_of_their_own_workspace_alone() -> None:
    agents = make_agents()
    ours = await agents.create(OURS, DRAFT)
    theirs = await agents.create(uuid4(), DRAFT)

    await agents.require(OURS, [])
    await agents.require(OURS, [ours.id, ours.id])
    with pytest.raises(ProvisioningError) as caught:
        await agents.require(OURS, [ours.id, theirs.id])

    assert caught.value.code is ErrorCode.AGENT_NOT_FOUND
    assert str(theirs.id) in caught.value.message
