"""JSON as RFC 8259 has it, and as PostgreSQL can keep it: checked before anything looks at it.

The standard library's parser takes NaN, halves of surrogate pairs and any depth; PostgreSQL refuses
the character NUL in text. Each would be an error of ours somewhere further in.
"""

from __future__ import annotations

from typing import Any, Final

import orjson

DEEPEST: Final = 32
"""What clients keep in `metadata` and `provider_config` is flat."""
LONGEST_INTEGER_BITS: Final = 63
"""What PostgreSQL's bigint and every JSON reader hold."""


def problem_of(body: bytes) -> dict[str, Any] | None:
    """What is wrong with a body, as pydantic would say it; None if it can be read."""
    try:
        value = orjson.loads(body)
    except orjson.JSONDecodeError as error:
        return {
            "type": "json_invalid",
            "loc": ("body", error.pos),
            "msg": "JSON decode error",
            "input": {},
            "ctx": {"error": error.msg[:100]},
        }
    return _problem_in(value)


def _problem_in(root: object) -> dict[str, Any] | None:
    """A walk over the whole value; a stack of our own, as Python's is not made for this."""
    stack: list[tuple[object, tuple[int | str, ...]]] = [(root, ("body",))]
    while stack:
        value, location = stack.pop()
        if len(location) > DEEPEST:
            return _problem("too_deep", location[:DEEPEST], f"is nested more than {DEEPEST} deep")
        if isinstance(value, str):
            if "\0" in value:
                return _problem("value_error", location, "must not contain the character NUL")
        elif isinstance(value, dict):
            for key, item in value.items():
                if "\0" in key:
                    return _problem("value_error", location, "must not contain the character NUL")
                stack.append((item, (*location, key)))
        elif isinstance(value, list):
            stack.extend((item, (*location, index)) for index, item in enumerate(value))
        elif isinstance(value, int) and value.bit_length() > LONGEST_INTEGER_BITS:
            return _problem("value_error", location, "is too large a number")
    return None


def _problem(kind: str, location: tuple[int | str, ...], message: str) -> dict[str, Any]:
    return {"type": kind, "loc": location, "msg": message}
