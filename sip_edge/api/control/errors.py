"""Errors as clients see them: one status for each code, one shape for all but 422.

422 has FastAPI's own shape, as published. What a client sent is not repeated where it may be a
secret.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, Final

import orjson
from fastapi.encoders import jsonable_encoder
from pydantic import BaseModel, Field
from starlette.responses import Response

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

STATUSES: Final[dict[ErrorCode, int]] = {
    ErrorCode.UNAUTHORIZED: 401,
    ErrorCode.FORBIDDEN: 403,
    ErrorCode.NOT_FOUND: 404,
    ErrorCode.METHOD_NOT_ALLOWED: 405,
    ErrorCode.INVALID_REQUEST: 400,
    ErrorCode.BODY_TOO_LARGE: 413,
    ErrorCode.RATE_LIMITED: 429,
    ErrorCode.IDEMPOTENCY_KEY_REUSED: 409,
    ErrorCode.IDEMPOTENCY_IN_PROGRESS: 409,
    ErrorCode.DATABASE_UNAVAILABLE: 503,
    ErrorCode.TIMED_OUT: 504,
    ErrorCode.INTERNAL: 500,
    ErrorCode.AGENT_NOT_FOUND: 400,
    ErrorCode.WORKER_URL_REFUSED: 400,
    ErrorCode.WORKER_SECRET_REFUSED: 400,
    ErrorCode.CREDENTIAL_NOT_FOUND: 400,
    ErrorCode.CREDENTIAL_UNREADABLE: 409,
    ErrorCode.ENCRYPTION_NOT_CONFIGURED: 503,
    ErrorCode.AUDIO_NOT_FOUND: 404,
    ErrorCode.AUDIO_NOT_HERE: 501,
    ErrorCode.RANGE_NOT_SATISFIABLE: 416,
    ErrorCode.NUMBER_TAKEN: 409,
    ErrorCode.NUMBER_NOT_OWNED: 403,
    ErrorCode.NUMBER_UNAVAILABLE: 409,
    ErrorCode.NO_NUMBER_FOUND: 404,
    ErrorCode.NUMBER_LIMIT_REACHED: 403,
    ErrorCode.SIP_TRUNK_PROVISION_FAILED: 400,
    ErrorCode.PROVIDER_NOT_SUPPORTED: 400,
    ErrorCode.REGULATORY_BUNDLE_REQUIRED: 400,
    ErrorCode.PURCHASE_PENDING: 409,
    ErrorCode.PURCHASING_DISABLED: 503,
    ErrorCode.CARRIER_REJECTED_CREDENTIALS: 400,
    ErrorCode.CARRIER_REFUSED: 400,
    ErrorCode.CARRIER_RATE_LIMITED: 429,
    ErrorCode.CARRIER_UNAVAILABLE: 502,
}
"""Each code's status."""

EVERYWHERE: Final = (
    ErrorCode.UNAUTHORIZED,
    ErrorCode.FORBIDDEN,
    ErrorCode.RATE_LIMITED,
    ErrorCode.DATABASE_UNAVAILABLE,
    ErrorCode.TIMED_OUT,
)
"""What any operation may answer."""
WRITES: Final = (ErrorCode.INVALID_REQUEST, ErrorCode.BODY_TOO_LARGE)
"""What any operation with a body may answer as well."""

MOST_PROBLEMS: Final = 50
"""Of a body with thousands of mistakes the first ones are enough."""
LONGEST_INPUT: Final = 1_000
"""Bytes of what was sent that are repeated, for each mistake."""

_SECRET_PATHS: Final = ("/v1/integrations", "/v1/phone-numbers")
"""Bodies of these hold carriers' keys and SIP passwords."""


class ErrorDetail(BaseModel):
    """What went wrong: a code to act on, and a sentence for people."""

    code: ErrorCode
    message: str


class ErrorResponse(BaseModel):
    """The body of every error but 422."""

    error: ErrorDetail = Field(description="What went wrong.")


def documented(*codes: ErrorCode) -> dict[int | str, dict[str, Any]]:
    """The `responses` of an operation that may answer with these codes."""
    by_status: dict[int, list[str]] = {}
    for code in (*EVERYWHERE, *codes):
        names = by_status.setdefault(STATUSES[code], [])
        if code.value not in names:
            names.append(code.value)
    responses: dict[int | str, dict[str, Any]] = {}
    for status, names in sorted(by_status.items()):
        listed = ", ".join(f"`{name}`" for name in names)
        responses[status] = {"model": ErrorResponse, "description": f"Error: {listed}"}
    return responses


def error_response(error: ProvisioningError, headers: Mapping[str, str] | None = None) -> Response:
    """The answer for a request that was refused."""
    return json_response(
        STATUSES[error.code],
        {"error": {"code": error.code.value, "message": error.message}},
        {**retry_after(error), **(headers or {})},
    )


def retry_after(error: ProvisioningError) -> dict[str, str]:
    """The header, in whole seconds (RFC 9110 section 10.2.3)."""
    seconds = error.retry_after_seconds
    return {} if seconds is None else {"Retry-After": str(max(1, math.ceil(seconds)))}


def json_response(status: int, body: object, headers: Mapping[str, str] | None = None) -> Response:
    """A JSON answer."""
    return Response(
        orjson.dumps(body, default=str), status, dict(headers or {}), "application/json"
    )


def invalid(problems: Sequence[Mapping[str, Any]], path: str) -> Response:
    """422 in FastAPI's shape. `problems` as pydantic gives them."""
    keeps_input = not path.startswith(_SECRET_PATHS)
    return json_response(
        422, {"detail": [_shown(each, keeps_input) for each in problems[:MOST_PROBLEMS]]}
    )


def _shown(problem: Mapping[str, Any], keeps_input: bool) -> dict[str, Any]:
    location = problem.get("loc", ())
    shown: dict[str, Any] = {
        "loc": [step if isinstance(step, int) else str(step) for step in location],
        "msg": str(problem.get("msg", "")),
        "type": str(problem.get("type", "")),
    }
    if not keeps_input and location and location[0] == "body":
        return shown
    for name in ("input", "ctx"):
        if name in problem and (value := _repeatable(problem[name])) is not None:
            shown[name] = value
    return shown


def _repeatable(value: object) -> object:
    """What JSON can hold and is short enough; None if it is not."""
    if isinstance(value, bytes):
        return None
    try:
        plain = jsonable_encoder(value, custom_encoder={Exception: str, ValueError: str})
        return plain if len(orjson.dumps(plain)) <= LONGEST_INPUT else None
    except (TypeError, ValueError, RecursionError):
        return None
