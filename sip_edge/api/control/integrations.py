"""`/v1/integrations`: customers' accounts at carriers. Keys go in and never come out."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final

from fastapi import APIRouter, Query
from pydantic import BaseModel, ConfigDict, Field, SecretStr

from sip_edge.api.control.errors import WRITES, documented
from sip_edge.api.control.ids import IntegrationId
from sip_edge.api.control.paging import PageQuery, encode_cursor
from sip_edge.api.control.services import Caller, UseCases
from sip_edge.provisioning.errors import ErrorCode
from sip_edge.provisioning.values import Integration

LONGEST_KEY: Final = 4_096
_PROVIDER: Final = r"^[a-z][a-z0-9_]*$"

router = APIRouter(prefix="/v1/integrations", tags=["integrations"])

_Short = Annotated[str, Field(max_length=500)]


class IntegrationMetadata(BaseModel):
    """What belongs to the account. Other keys are kept."""

    model_config = ConfigDict(extra="allow")

    account_sid: _Short | None = None
    phone_number: _Short | None = None
    sip_trunk: _Short | None = None


class IntegrationCreate(BaseModel):
    """A new integration."""

    name: Annotated[str, Field(min_length=1, max_length=200)]
    provider: Annotated[str, Field(pattern=_PROVIDER, max_length=32, examples=["twilio", "telnyx"])]
    api_key: Annotated[
        SecretStr,
        Field(
            min_length=1,
            max_length=LONGEST_KEY,
            description="Twilio's Auth Token, or Telnyx's API key. Encrypted, and never returned.",
        ),
    ]
    metadata: IntegrationMetadata = Field(default_factory=IntegrationMetadata)


class IntegrationResponse(BaseModel):
    """An integration, without its key."""

    id: str
    provider: str
    name: str
    metadata: dict[str, Any]
    created_at: datetime
    updated_at: datetime


class IntegrationPage(BaseModel):
    """A page of integrations, newest first."""

    items: list[IntegrationResponse]
    next_cursor: str | None


@router.post(
    "", status_code=201, responses=documented(*WRITES, ErrorCode.ENCRYPTION_NOT_CONFIGURED)
)
async def create_integration(
    body: IntegrationCreate, caller: Caller, use_cases: UseCases
) -> IntegrationResponse:
    """Store an account at a carrier; its `id` is the `credential_id` of numbers."""
    integration = await use_cases.integrations.create(
        caller.workspace_id,
        name=body.name,
        provider=body.provider,
        api_key=body.api_key.get_secret_value(),
        metadata=body.metadata.model_dump(mode="json", exclude_unset=True),
    )
    return _shown(integration)


@router.get("", responses=documented())
async def list_integrations(
    page: PageQuery,
    caller: Caller,
    use_cases: UseCases,
    provider: Annotated[str | None, Query(pattern=_PROVIDER, max_length=32)] = None,
) -> IntegrationPage:
    """All integrations, newest first."""
    found = await use_cases.integrations.page(caller.workspace_id, page, provider=provider)
    return IntegrationPage(
        items=[_shown(each) for each in found.items], next_cursor=encode_cursor(found.next)
    )


@router.get("/{integration_id}", responses=documented(ErrorCode.NOT_FOUND))
async def get_integration(
    integration_id: IntegrationId, caller: Caller, use_cases: UseCases
) -> IntegrationResponse:
    """One integration."""
    return _shown(await use_cases.integrations.get(caller.workspace_id, integration_id))


@router.delete("/{integration_id}", status_code=204, responses=documented(ErrorCode.NOT_FOUND))
async def delete_integration(
    integration_id: IntegrationId, caller: Caller, use_cases: UseCases
) -> None:
    """Forget an account and its key. Numbers that were registered with it go on working."""
    await use_cases.integrations.delete(caller.workspace_id, integration_id)


def _shown(integration: Integration) -> IntegrationResponse:
    return IntegrationResponse(
        id=str(integration.id),
        provider=integration.provider,
        name=integration.name,
        metadata=dict(integration.metadata),
        created_at=integration.created_at,
        updated_at=integration.updated_at,
    )
