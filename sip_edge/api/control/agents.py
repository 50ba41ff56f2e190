"""`/v1/agents`: who may be offered calls, and where their workers are."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final, Literal

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field

from sip_edge.api.control.errors import WRITES, documented
from sip_edge.api.control.fields import VoicemailText
from sip_edge.api.control.ids import AgentId
from sip_edge.api.control.paging import PageQuery, encode_cursor
from sip_edge.api.control.services import Caller, UseCases
from sip_edge.provisioning.errors import ErrorCode
from sip_edge.provisioning.values import Agent, AgentDraft

LONGEST_NAME: Final = 200
LONGEST_URL: Final = 2_048

router = APIRouter(prefix="/v1/agents", tags=["agents"])

_CODES = (*WRITES, ErrorCode.WORKER_URL_REFUSED, ErrorCode.WORKER_SECRET_REFUSED)

_Name = Annotated[str, Field(min_length=1, max_length=LONGEST_NAME)]
_Status = Annotated[
    Literal["active", "paused"], Field(description="Only active agents are offered calls.")
]
_WorkerUrl = Annotated[
    str | None,
    Field(
        max_length=LONGEST_URL,
        description="Where calls are brought to: `ws://` or `wss://`. Without it, nowhere.",
        examples=["wss://worker.example.com/call"],
    ),
]
_Language = Annotated[
    str | None,
    Field(
        max_length=35,
        pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{1,8})*$",
        description="The language of `voicemail_message`, as in BCP 47.",
        examples=["en", "ja"],
    ),
]
_EnvironmentName = Annotated[str, Field(pattern=r"^env:[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]


class WorkerOptions(BaseModel):
    """How the worker is spoken with. Other keys are kept and ignored."""

    model_config = ConfigDict(extra="allow")

    accept_timeout_seconds: Annotated[float, Field(ge=0.05, le=10)] | None = None
    first_audio_timeout_seconds: Annotated[float, Field(ge=0.05, le=60)] | None = None
    abnormal_end: Literal["failover", "hangup"] = "failover"
    bearer_token: _EnvironmentName | None = None
    signing_secret: _EnvironmentName | None = None


class AgentCreate(BaseModel):
    """A new agent."""

    name: _Name
    status: _Status = "active"
    worker_url: _WorkerUrl = None
    worker_options: WorkerOptions = Field(default_factory=WorkerOptions)
    voicemail_message: VoicemailText | None = None
    language: _Language = None


def _without_default(schema: dict[str, Any]) -> None:
    """What is not sent is not set to anything."""
    schema.pop("default", None)


def _unsent() -> Any:
    """A field that may be left out: `model_fields_set` says whether it was."""
    return Field(default=None, json_schema_extra=_without_default)


class AgentUpdate(BaseModel):
    """What is to change; what is not sent stays as it is."""

    name: _Name = _unsent()
    status: _Status = _unsent()
    worker_url: _WorkerUrl = _unsent()
    worker_options: WorkerOptions | None = _unsent()
    voicemail_message: VoicemailText | None = _unsent()
    language: _Language = _unsent()


class AgentResponse(BaseModel):
    """An agent."""

    id: str
    name: str
    status: str
    worker_url: str | None
    worker_options: dict[str, Any]
    voicemail_message: str | None
    language: str | None
    created_at: datetime
    updated_at: datetime


class AgentPage(BaseModel):
    """A page of agents, newest first."""

    items: list[AgentResponse]
    next_cursor: str | None


@router.post("", status_code=201, responses=documented(*_CODES))
async def create_agent(body: AgentCreate, caller: Caller, use_cases: UseCases) -> AgentResponse:
    """Make an agent. Numbers can name it at once."""
    draft = AgentDraft(
        name=body.name,
        status=body.status,
        worker_url=body.worker_url,
        worker_options=_options(body.worker_options),
        voicemail_message=body.voicemail_message,
        language=body.language,
    )
    return _shown(await use_cases.agents.create(caller.workspace_id, draft))


@router.get("", responses=documented())
async def list_agents(
    page: PageQuery,
    caller: Caller,
    use_cases: UseCases,
    status: Annotated[Literal["active", "paused"] | None, Query()] = None,
) -> AgentPage:
    """All agents that are not deleted, newest first."""
    found = await use_cases.agents.page(caller.workspace_id, page, status=status)
    return AgentPage(
        items=[_shown(agent) for agent in found.items], next_cursor=encode_cursor(found.next)
    )


@router.get("/{agent_id}", responses=documented(ErrorCode.NOT_FOUND))
async def get_agent(agent_id: AgentId, caller: Caller, use_cases: UseCases) -> AgentResponse:
    """One agent."""
    return _shown(await use_cases.agents.get(caller.workspace_id, agent_id))


@router.patch("/{agent_id}", responses=documented(ErrorCode.NOT_FOUND, *_CODES))
async def update_agent(
    agent_id: AgentId, body: AgentUpdate, caller: Caller, use_cases: UseCases
) -> AgentResponse:
    """Change what is sent and nothing else. The next call sees it."""
    changes: dict[str, Any] = {name: getattr(body, name) for name in body.model_fields_set}
    if "worker_options" in changes:
        changes["worker_options"] = _options(body.worker_options)
    return _shown(await use_cases.agents.change(caller.workspace_id, agent_id, changes))


@router.delete("/{agent_id}", status_code=204, responses=documented(ErrorCode.NOT_FOUND))
async def delete_agent(agent_id: AgentId, caller: Caller, use_cases: UseCases) -> None:
    """Delete an agent. Its numbers stay, and fall to their fallback or voicemail."""
    await use_cases.agents.delete(caller.workspace_id, agent_id)


def _options(options: WorkerOptions | None) -> dict[str, Any]:
    """As they are kept: only what was said."""
    return {} if options is None else options.model_dump(mode="json", exclude_unset=True)


def _shown(agent: Agent) -> AgentResponse:
    return AgentResponse(
        id=str(agent.id),
        name=agent.name,
        status=agent.status,
        worker_url=agent.worker_url,
        worker_options=dict(agent.worker_options),
        voicemail_message=agent.voicemail_message,
        language=agent.language,
        created_at=agent.created_at,
        updated_at=agent.updated_at,
    )
