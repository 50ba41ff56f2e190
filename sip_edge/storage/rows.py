"""Rows of `agents` and `phone_numbers` made into records: the border where JSONB is validated.

A row that makes no sense never raises: its record carries a `problem` in words, and what can be
used of it is used. The words never repeat a value, which may be a secret.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from functools import lru_cache
from sys import intern
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import from_json

from sip_edge.routing.plan import AbnormalEnd, AgentRecord, AgentStatus, NumberRecord, WorkerOptions
from sip_edge.routing.worker_url import WorkerUrlError, parse_worker_url

Row = Mapping[str, Any]
"""A row as `queries/agents.sql` or `queries/numbers.sql` gives it; JSONB as text."""

MAX_JUNK_ID_CHARACTERS: Final = 64
"""An agent id that is no UUID is kept for the operator's eyes, up to this length."""

_CACHED_TEXTS: Final = 8192
"""Ids and options repeat from row to row: each is decoded once, and its text is kept once."""

_NO_ROUTING: Final = frozenset({None, "null", "{}"})
_NO_OPTIONS: Final = WorkerOptions()

_EnvironmentName = Annotated[str, Field(pattern=r"^env:[A-Za-z_][A-Za-z0-9_]*$", max_length=200)]


class _Options(BaseModel):
    """`agents.worker_options`. Unknown keys are left for later versions."""

    model_config = ConfigDict(extra="ignore", strict=True)

    # Two attempts and the look-up fit into what the longest-suffering carrier grants.
    accept_timeout_seconds: float | None = Field(None, ge=0.05, le=10)
    first_audio_timeout_seconds: float | None = Field(None, ge=0.05, le=60)
    abnormal_end: AbnormalEnd = AbnormalEnd.FAILOVER
    bearer_token: _EnvironmentName | None = None
    signing_secret: _EnvironmentName | None = None


class _Fallback(BaseModel):
    model_config = ConfigDict(extra="ignore", strict=True)

    agent_id: str | None = None


class _InboundRouting(BaseModel):
    """`phone_numbers.inbound_routing`. Unknown keys are left for later versions."""

    model_config = ConfigDict(extra="ignore", strict=True)

    agent_id: str | None = None
    fallback: _Fallback | None = None
    voicemail_message: str | None = None


def agent_from_row(row: Row) -> AgentRecord:
    """The record of a row of `agents`."""
    options, options_problem = _options(row["worker_options"])
    status, status_problem = _status(row["status"])
    problems = (status_problem, _worker_url_problem(row["worker_url"]), options_problem)
    return AgentRecord(
        agent_id=row["id"],
        name=row["name"],
        status=status,
        worker_url=row["worker_url"],
        options=options,
        voicemail_message=_text(row["voicemail_message"]),
        language=_text(row["language"]),
        problem="; ".join(problem for problem in problems if problem) or None,
    )


def number_from_row(row: Row) -> NumberRecord:
    """The record of a row of `phone_numbers`.

    `inbound_routing.agent_id` wins over the column `agent_id`. What is not an object, or has a
    wrong type inside, is a problem; nobody is called in the place of the agent that was meant.
    """
    text = row["inbound_routing"]
    has_routing = text not in _NO_ROUTING
    routing, problem = _routing(text) if has_routing else (_InboundRouting(), None)
    primary_id = agent_key(routing.agent_id)
    if has_routing and primary_id is None and problem is None:
        primary_id = agent_key(row["agent_id"])
    return NumberRecord(
        number_id=row["id"],
        phone_number=row["phone_number"],
        provider=row["provider"],
        status=row["status"],
        has_routing=has_routing,
        primary_id=primary_id,
        fallback_id=agent_key(routing.fallback.agent_id) if routing.fallback else None,
        voicemail_message=_text(routing.voicemail_message),
        account_sid=_account_sid(row["account_sid"]),
        max_calls=row["max_concurrent_calls"],
        problem=problem,
        # Many numbers, few workspaces: each text is kept once.
        workspace_id=None if row["workspace_id"] is None else intern(row["workspace_id"]),
    )


@lru_cache(maxsize=_CACHED_TEXTS)
def _account_sid(text: str | None) -> str | None:
    """The account as it was written; thousands of numbers share one text."""
    return _text(text)


@lru_cache(maxsize=_CACHED_TEXTS)
def agent_key(text: str | None) -> str | None:
    """An agent's id as PostgreSQL writes it, however it was written; None if there is none.

    What is no UUID is kept, cut short: no agent has such an id, so it will be found missing.
    """
    stripped = (text or "").strip()
    if not stripped:
        return None
    try:
        return str(uuid.UUID(stripped))
    except ValueError:
        return stripped[:MAX_JUNK_ID_CHARACTERS]


def is_agent_id(text: str) -> bool:
    """True if `text` is a UUID: what the column `agents.id` can hold."""
    try:
        uuid.UUID(text)
    except ValueError:
        return False
    return True


def _text(value: str | None) -> str | None:
    """Blank text counts as none."""
    return (value or "").strip() or None


def _status(text: str) -> tuple[AgentStatus, str | None]:
    try:
        return AgentStatus(text), None
    except ValueError:
        return AgentStatus.PAUSED, "status is a word that this version does not know"


def _worker_url_problem(url: str | None) -> str | None:
    try:
        parse_worker_url(url or "")
    except WorkerUrlError as error:
        return str(error)
    return None


@lru_cache(maxsize=_CACHED_TEXTS)
def _options(text: str | None) -> tuple[WorkerOptions, str | None]:
    if text in _NO_ROUTING:
        return _NO_OPTIONS, None
    try:
        options = _Options.model_validate_json(text or "")
    except ValidationError as error:
        return _NO_OPTIONS, _describe("worker_options", error)
    return (
        WorkerOptions(
            accept_timeout_seconds=options.accept_timeout_seconds,
            first_audio_timeout_seconds=options.first_audio_timeout_seconds,
            abnormal_end=options.abnormal_end,
            bearer_token=_environment_name(options.bearer_token),
            signing_secret=_environment_name(options.signing_secret),
        ),
        None,
    )


def _environment_name(text: str | None) -> str | None:
    return None if text is None else text.removeprefix("env:")


def _routing(text: str) -> tuple[_InboundRouting, str | None]:
    """What can be used of an `inbound_routing`, and what is wrong with the rest."""
    try:
        return _InboundRouting.model_validate_json(text), None
    except ValidationError as error:
        problem = _describe("inbound_routing", error)
        wrong = {each["loc"][0] for each in error.errors(include_url=False) if each["loc"]}
    try:
        value = from_json(text)
    except ValueError:
        value = None
    if not isinstance(value, dict) or not wrong:
        return _InboundRouting(), problem
    kept = {key: part for key, part in value.items() if key not in wrong}
    return _InboundRouting.model_validate(kept), problem


def _describe(column: str, error: ValidationError) -> str:
    """Where and what, without the value."""
    parts = []
    for each in error.errors(include_url=False, include_context=False, include_input=False):
        where = ".".join(str(step) for step in (column, *each["loc"]))
        parts.append(f"{where}: {each['msg'].lower()}")
    return "; ".join(parts)
