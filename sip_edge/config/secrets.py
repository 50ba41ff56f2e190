"""Every secret of a configuration, for whoever must keep them out of what is written."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from pydantic import BaseModel, SecretStr

SHORTEST: Final = 12
"""A shorter one ("postgres") is a word that stands in many lines and keeps nobody out."""


def secrets_in(config: BaseModel) -> tuple[str, ...]:
    """The values of all its secret settings; of a URL the password alone, as written and decoded.

    The longest come first, so that none is found as a part of another.
    """
    found = {text for secret in _secrets(config) for text in _parts(secret.get_secret_value())}
    long = [text for text in found if len(text) >= SHORTEST]
    return tuple(sorted(long, key=lambda text: (-len(text), text)))


def _secrets(value: object) -> Iterator[SecretStr]:
    if isinstance(value, SecretStr):
        yield value
    elif isinstance(value, BaseModel):
        for _, item in value:
            yield from _secrets(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _secrets(item)
    elif isinstance(value, tuple):
        for item in value:
            yield from _secrets(item)


def _parts(text: str) -> tuple[str, ...]:
    """What must not be seen of a setting: a list of secrets, or the password of a URL."""
    if "://" not in text:
        return (text, *(part.strip() for part in text.split(",")))
    # Not `.password`: it would raise for a port that is none.
    login, at_sign, _ = urlsplit(text).netloc.rpartition("@")
    password = login.partition(":")[2] if at_sign else ""
    return (password, unquote(password))
