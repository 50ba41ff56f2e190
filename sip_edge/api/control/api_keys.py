"""`/v1/api-keys`: keys of this API."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

from fastapi import APIRouter
from pydantic import BaseModel, Field

from sip_edge.api.control.errors import WRITES, documented
from sip_edge.api.control.ids import ApiKeyId
from sip_edge.api.control.paging import PageQuery, encode_cursor
from sip_edge.api.control.services import Caller, UseCases
from sip_edge.provisioning.errors import ErrorCode
from sip_edge.provisioning.values import ApiKey

router = APIRouter(prefix="/v1/api-keys", tags=["api-keys"])


class ApiKeyCreate(BaseModel):
    """A new key, of the workspace that asks."""

    name: Annotated[str, Field(max_length=200, description="For people.")] = ""


class ApiKeyResponse(BaseModel):
    """A key without its secret; `last_used_at` is right to within minutes."""

    id: str
    name: str
    prefix: str
    created_at: datetime
    last_used_at: datetime | None


class NewApiKeyResponse(ApiKeyResponse):
    """A new key: `key` is shown this once."""

    key: str


class ApiKeyPage(BaseModel):
    """A page of keys, newest first."""

    items: list[ApiKeyResponse]
    next_cursor: str | None


@router.post("", status_code=201, responses=documented(*WRITES))
async def create_api_key(
    body: ApiKeyCreate, caller: Caller, use_cases: UseCases
) -> NewApiKeyResponse:
    """Make a key. Keep it: it cannot be shown again."""
    made = await use_cases.api_keys.create(caller.workspace_id, body.name)
    return NewApiKeyResponse(**_shown(made.key).model_dump(), key=made.secret)


@router.get("", responses=documented())
async def list_api_keys(page: PageQuery, caller: Caller, use_cases: UseCases) -> ApiKeyPage:
    """All keys that are not revoked, newest first."""
    found = await use_cases.api_keys.page(caller.workspace_id, page)
    return ApiKeyPage(
        items=[_shown(key) for key in found.items], next_cursor=encode_cursor(found.next)
    )


@router.delete("/{api_key_id}", status_code=204, responses=documented(ErrorCode.NOT_FOUND))
async def revoke_api_key(api_key_id: ApiKeyId, caller: Caller, use_cases: UseCases) -> None:
    """Revoke a key, also the one that asks; it opens nothing any more."""
    await use_cases.api_keys.revoke(caller.workspace_id, api_key_id)


def _shown(key: ApiKey) -> ApiKeyResponse:
    return ApiKeyResponse(
        id=str(key.id),
        name=key.name,
        prefix=key.prefix,
        created_at=key.created_at,
        last_used_at=key.last_used_at,
    )
