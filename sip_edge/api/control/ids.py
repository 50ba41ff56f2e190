"""Ids as clients write them: a UUID, or the guide's prefix before one (`agt_`, `phn_`, `crd_`)."""

from __future__ import annotations

from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import Depends, Path
from pydantic import BeforeValidator

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

LONGEST_ID: Final = 100
_PREFIXES: Final = ("agt_", "phn_", "crd_", "int_", "key_", "call_", "vm_")


def parse_id(text: str) -> UUID | None:
    """The UUID in `text`: 36 characters or 32 hexadecimal digits, with or without a prefix."""
    for prefix in _PREFIXES:
        if text.startswith(prefix):
            text = text[len(prefix) :]
            break
    if len(text) not in (32, 36) or not text.isascii():
        return None
    try:
        value = UUID(text)
    except ValueError:
        return None
    # UUID() is lenient about where the dashes are.
    return value if text.lower() in (str(value), value.hex) else None


def _without_prefix(value: Any) -> Any:
    """Let pydantic say what is wrong with everything else."""
    found = parse_id(value) if isinstance(value, str) else None
    return value if found is None else found


def _from_path(text: str, what: str) -> UUID:
    """An id that cannot be one is nobody's: 404, as for any other that does not exist."""
    found = parse_id(text)
    if found is None:
        raise ProvisioningError(ErrorCode.NOT_FOUND, f"There is no such {what}.")
    return found


BodyId = Annotated[UUID, BeforeValidator(_without_prefix)]
"""An id in a body: `format: uuid` in the OpenAPI."""

_Text = Annotated[str, Path(max_length=LONGEST_ID)]


async def _agent_id(agent_id: _Text) -> UUID:
    return _from_path(agent_id, "agent")


async def _integration_id(integration_id: _Text) -> UUID:
    return _from_path(integration_id, "integration")


async def _api_key_id(api_key_id: _Text) -> UUID:
    return _from_path(api_key_id, "API key")


async def _call_id(call_id: _Text) -> UUID:
    return _from_path(call_id, "call")


async def _voicemail_id(voicemail_id: _Text) -> UUID:
    return _from_path(voicemail_id, "voicemail")


async def _phone_number_id(phone_number_id: _Text) -> UUID:
    return _from_path(phone_number_id, "phone number")


AgentId = Annotated[UUID, Depends(_agent_id)]
IntegrationId = Annotated[UUID, Depends(_integration_id)]
ApiKeyId = Annotated[UUID, Depends(_api_key_id)]
CallId = Annotated[UUID, Depends(_call_id)]
VoicemailId = Annotated[UUID, Depends(_voicemail_id)]
PhoneNumberId = Annotated[UUID, Depends(_phone_number_id)]
