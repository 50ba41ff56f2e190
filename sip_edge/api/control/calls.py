"""`/v1/calls`: what became of each call to the workspace's numbers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

from fastapi import APIRouter, Query
from pydantic import BaseModel

from sip_edge.api.control.errors import documented
from sip_edge.api.control.fields import Instant, QueryNumber
from sip_edge.api.control.ids import CallId
from sip_edge.api.control.paging import PageQuery, encode_cursor
from sip_edge.api.control.services import Caller, UseCases
from sip_edge.provisioning.errors import ErrorCode
from sip_edge.provisioning.values import CallFilter, CallRecord

router = APIRouter(prefix="/v1/calls", tags=["calls"])


class CallResponse(BaseModel):
    """A call that has ended. `attempts` are the agents that were offered it; `timeline` holds the
    milliseconds from the call's arrival to each stage that it reached."""

    id: str
    state: str
    provider: str | None
    call_sid: str
    carrier_call_id: str | None
    phone_number: str | None
    caller_number: str | None
    caller: str
    started_at: datetime
    answered_at: datetime | None
    ended_at: datetime | None
    outcome: str | None
    refusal: str | None
    status: int | None
    ended_by: str | None
    agent_id: str | None
    role: str | None
    agent_end: str | None
    codec: str | None
    attempts: list[dict[str, Any]]
    timeline: dict[str, Any]


class CallPage(BaseModel):
    """A page of calls, newest first."""

    items: list[CallResponse]
    next_cursor: str | None


@router.get("", responses=documented())
async def list_calls(
    page: PageQuery,
    caller: Caller,
    use_cases: UseCases,
    phone_number: Annotated[QueryNumber | None, Query(description="The number called.")] = None,
    caller_number: Annotated[QueryNumber | None, Query(description="Who called.")] = None,
    outcome: Annotated[
        str | None, Query(pattern=r"^[a-z_]+$", max_length=40, examples=["agent", "voicemail"])
    ] = None,
    started_from: Annotated[Instant | None, Query(description="Not before this.")] = None,
    started_before: Annotated[Instant | None, Query(description="Before this.")] = None,
) -> CallPage:
    """Calls that have ended, newest first."""
    which = CallFilter(
        number=phone_number,
        caller=caller_number,
        outcome=outcome,
        since=started_from,
        until=started_before,
    )
    found = await use_cases.records.calls(caller.workspace_id, page, which)
    return CallPage(
        items=[_shown(call) for call in found.items], next_cursor=encode_cursor(found.next)
    )


@router.get("/{call_id}", responses=documented(ErrorCode.NOT_FOUND))
async def get_call(call_id: CallId, caller: Caller, use_cases: UseCases) -> CallResponse:
    """One call."""
    return _shown(await use_cases.records.call(caller.workspace_id, call_id))


def _shown(call: CallRecord) -> CallResponse:
    return CallResponse(
        id=str(call.id),
        state=call.state,
        provider=call.provider,
        call_sid=call.call_sid,
        carrier_call_id=call.carrier_call_id,
        phone_number=call.phone_number,
        caller_number=call.caller_number,
        caller=call.caller,
        started_at=call.started_at,
        answered_at=call.answered_at,
        ended_at=call.ended_at,
        outcome=call.outcome,
        refusal=call.refusal,
        status=call.status,
        ended_by=call.ended_by,
        agent_id=None if call.agent_id is None else str(call.agent_id),
        role=call.role,
        agent_end=call.agent_end,
        codec=call.codec,
        attempts=[dict(attempt) for attempt in call.attempts],
        timeline=dict(call.timeline),
    )
