"""Says in one line what is wrong with a setting and what it may be instead.

A value is shown only where it belongs to a known setting that holds no secret: what stands under a
mistyped key, or in place of a whole table, may be a password.
"""

from __future__ import annotations

import difflib
import json
from collections.abc import Iterable, Sequence
from typing import Any, Final, get_args

from annotated_types import Ge, Gt, Le
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails

from sip_edge.config.carriers import CarrierSettings
from sip_edge.config.settings import Config
from sip_edge.routing.refusal import Refusal

LONGEST_VALUE: Final = 80
"""As much of a bad value as helps to find it."""

_SENTENCES: Final = {
    "missing": "is required",
    "bool_parsing": "must be true or false",
    "bool_type": "must be true or false",
    "string_type": "must be text",
    "path_type": "must be a path",
    "tuple_type": 'must be a list such as ["a", "b"]',
    "model_type": "must be a table",
    "model_attributes_type": "must be a table",
    "dict_type": "must be a table",
    "too_short": "must not be empty",
}
_CONSEQUENCE: Final = "default_factory_not_called"
"""A setting follows another one, which is wrong and has a line of its own."""
_NUMBER_KINDS: Final = (("int", "a whole number"), ("float", "a number"))


def describe(errors: Sequence[ErrorDetails]) -> list[str]:
    """One line for each error that pydantic found."""
    return [_line(error) for error in errors if error["type"] != _CONSEQUENCE]


def unknown_name(path: str, name: str, known: Iterable[str]) -> str:
    """The line for a key that no setting has."""
    close = difflib.get_close_matches(name, list(known), n=1)
    hint = f"; did you mean {close[0]!r}?" if close else f"; known are {', '.join(known)}"
    return f"{path}: unknown setting{hint}"


def _line(error: ErrorDetails) -> str:
    location = tuple(error["loc"])
    path = ".".join(str(part) for part in location if part != "[key]")
    if error["type"] == "extra_forbidden":
        return unknown_name(path, str(location[-1]), _known_at(location[:-1]))
    if location[-1] == "[key]" and "responses" in location:
        return unknown_name(path, str(location[-2]), [refusal.value for refusal in Refusal])
    field = _field_at(location)
    return f"{path}{_shown(field, error)}: {_sentence(field, error)}"


def _sentence(field: FieldInfo | None, error: ErrorDetails) -> str:
    kind = error["type"]
    if kind in _SENTENCES:
        return _SENTENCES[kind]
    if kind == "literal_error":
        return f"must be one of {error['ctx']['expected']}"
    if kind == "value_error" and "must be a number" not in error["msg"]:
        return str(error["ctx"]["error"])
    limits = "" if field is None else _number_and_limits(field)
    if limits:
        return f"must be {limits}"
    return error["msg"].replace("Input should", "must").replace("Value error, ", "")


def _shown(field: FieldInfo | None, error: ErrorDetails) -> str:
    if field is None or error["type"] == "missing" or _is_secret(field):
        return ""
    text = json.dumps(error["input"], default=str)
    return f" = {text if len(text) <= LONGEST_VALUE else text[:LONGEST_VALUE] + '...'}"


def _field_at(location: tuple[int | str, ...]) -> FieldInfo | None:
    """The setting that a location lies at or in; None for a table or an unknown key."""
    depth = 2 if location[0] == "carriers" else 1
    if len(location) <= depth:
        return None
    return _fields(location[:depth]).get(str(location[depth]))


def _known_at(table: tuple[int | str, ...]) -> Iterable[str]:
    return Config.model_fields if not table else _fields(table)


def _fields(table: tuple[int | str, ...]) -> dict[str, FieldInfo]:
    if table[0] == "carriers":
        return CarrierSettings.model_fields
    section = Config.model_fields[str(table[0])].annotation
    if isinstance(section, type) and issubclass(section, BaseModel):
        return section.model_fields
    return {}


def _is_secret(field: FieldInfo) -> bool:
    return "SecretStr" in str(field.annotation)


def _number_and_limits(field: FieldInfo) -> str:
    """`a whole number from 0 to 65535`; empty if the setting is no number."""
    annotations = str(field.annotation)
    noun = next((noun for name, noun in _NUMBER_KINDS if name in annotations), "")
    if not noun or "tuple" in annotations or "dict" in annotations:
        return ""
    text = noun
    for limit in _constraints(field.annotation, field.metadata):
        match limit:
            case Ge(ge=value):
                text += f" from {value:g}"
            case Gt(gt=value):
                text += f" above {value:g}"
            case Le(le=value):
                text += f" to {value:.0f}" if " from " in text else f" and at most {value:.0f}"
            case _:
                pass
    return text


def _constraints(annotation: Any, metadata: Sequence[Any]) -> list[Any]:
    """What pydantic keeps of `Field(ge=..., le=...)`, in or outside of `... | None`."""
    found = list(metadata)
    for argument in get_args(annotation):
        for extra in getattr(argument, "__metadata__", ()):
            found += extra.metadata if isinstance(extra, FieldInfo) else [extra]
    return found
