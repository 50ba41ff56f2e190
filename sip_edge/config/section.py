"""What every table of the configuration has in common."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict


class Section(BaseModel):
    """A table of the configuration: frozen, defaults checked too, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
