"""Reading what carriers answer: whatever is missing or of another type is None, never an error."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

MAX_TEXT: Final = 256
"""Ids, names and numbers are shorter; what is longer is none of them."""

MAX_ID: Final = 64
"""Twilio's ids have 34 characters, Telnyx's are numbers of 19 digits or UUIDs."""


MAX_NAME: Final = 64
"""What Twilio keeps of a friendly name."""


def trunk_name(origination_uri: str) -> str:
    """The name of the trunk that is made where there is none: `OneInbox-voice-oneinbox-ai-5060`.

    It is how the trunk is found again, and another one for each address: two installations that
    share an account must not share a trunk, or each would get some of the other's calls.
    """
    address = origination_uri.partition(":")[2].lower()
    words = "".join(letter if letter.isalnum() else "-" for letter in address)
    return f"OneInbox-{words}"[:MAX_NAME]


def text(value: Mapping[str, Any], key: str) -> str | None:
    """A text of sensible length that is not empty."""
    found = value.get(key)
    return found if isinstance(found, str) and 0 < len(found) <= MAX_TEXT else None


def identifier(value: Mapping[str, Any], key: str) -> str | None:
    """An id that can stand in a URL's path as it is."""
    found = text(value, key)
    return found if found is not None and is_identifier(found) else None


def is_identifier(found: str) -> bool:
    """True if a text from outside can stand in a URL's path as it is."""
    letters = found.replace("-", "")
    return found.isascii() and letters.isalnum() and len(found) <= MAX_ID


def flag(value: Mapping[str, Any], key: str) -> bool | None:
    """True or false, None for anything else."""
    found = value.get(key)
    return found if isinstance(found, bool) else None


def inner(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """An object inside, empty if there is none."""
    found = value.get(key)
    return found if isinstance(found, dict) else {}


def items(value: Mapping[str, Any], key: str) -> Iterator[Mapping[str, Any]]:
    """The objects of a list inside."""
    found = value.get(key)
    if isinstance(found, list):
        for each in found:
            if isinstance(each, dict):
                yield each


def e164(value: Mapping[str, Any], key: str) -> str | None:
    """A telephone number with its plus."""
    found = text(value, key)
    if found is None or not found.startswith("+"):
        return None
    digits = found[1:]
    return found if digits.isascii() and digits.isdigit() and 2 <= len(digits) <= 15 else None
