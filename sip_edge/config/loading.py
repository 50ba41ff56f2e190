"""Reads the configuration: a TOML file, overridden by the environment; all problems at once."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from sip_edge.config.settings import Config, SipSettings


class ConfigError(Exception):
    """The configuration cannot be used. `problems` has one line for each thing to put right."""

    def __init__(self, problems: tuple[str, ...]) -> None:
        super().__init__("\n".join(problems))
        self.problems = problems


def load_config(path: Path | None, environ: Mapping[str, str]) -> Config:
    """The configuration in `path` (None: no file), overridden by `SIP_EDGE__...` in `environ`.

    Raises ConfigError with all problems.
    """
    raise NotImplementedError


def public_address(settings: SipSettings) -> str:
    """The address that Contact and SDP advertise. Raises ConfigError if it cannot be known."""
    raise NotImplementedError
