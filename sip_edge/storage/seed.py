"""Writing agents and numbers from a plain structure, such as a TOML file, into the database.

    [[agents]]
    id = "5f0c…"            # required: the same entry is the same row, however often it is loaded
    name = "Front desk"
    worker_url = "ws://127.0.0.1:8090/"

    [[phone_numbers]]
    phone_number = "+12025550101"
    inbound_routing = { agent_id = "5f0c…", fallback = { agent_id = "91ab…" } }

The keys are the columns' names. Only the columns that an entry names are written.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Final, Literal
from uuid import UUID

import asyncpg
from pydantic import BaseModel, ConfigDict, Field, ValidationError

_JSON_COLUMNS: Final = frozenset({"worker_options", "provider_config", "inbound_routing"})

_PhoneNumber = Annotated[str, Field(pattern=r"^\+[1-9][0-9]{1,14}$")]


class SeedError(ValueError):
    """The structure cannot be loaded; the message names every problem, one a line."""


class SeedAgent(BaseModel):
    """A row of `agents`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID
    name: str = ""
    status: Literal["active", "paused", "deleted"] = "active"
    worker_url: str | None = None
    worker_options: dict[str, Any] = Field(default_factory=dict)
    voicemail_message: str | None = None
    language: str | None = None


class SeedNumber(BaseModel):
    """A row of `phone_numbers`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    id: UUID | None = None
    phone_number: _PhoneNumber
    friendly_name: str | None = None
    provider: str = "twilio"
    agent_id: UUID | None = None
    status: str = "active"
    inbound_trunk_id: str | None = None
    outbound_trunk_id: str | None = None
    dispatch_rule_id: str | None = None
    credential_id: UUID | None = None
    provider_config: dict[str, Any] = Field(default_factory=dict)
    inbound_routing: dict[str, Any] | None = None
    sms_capable: bool | None = None


class SeedData(BaseModel):
    """What is to be in the database; rows that are not named here are left alone."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    agents: tuple[SeedAgent, ...] = ()
    phone_numbers: tuple[SeedNumber, ...] = ()


@dataclass(frozen=True, slots=True)
class SeedReport:
    """How many rows were written, new or not."""

    agents: int
    phone_numbers: int


def parse_seed(structure: Mapping[str, object]) -> SeedData:
    """Check a structure as read from TOML or JSON. Raises SeedError with all problems."""
    try:
        return SeedData.model_validate(structure)
    except ValidationError as error:
        problems = [
            f"{'.'.join(str(step) for step in each['loc'])}: {each['msg']}"
            for each in error.errors(include_url=False, include_input=False)
        ]
        raise SeedError("\n".join(problems)) from error


async def load_seed(connection: asyncpg.Connection, seed: SeedData) -> SeedReport:
    """Write all rows in one transaction: agents are found by id, numbers by phone_number.

    Raises one of DATABASE_ERRORS.
    """
    async with connection.transaction():
        for agent in seed.agents:
            await _upsert(connection, "agents", "id", agent)
        for number in seed.phone_numbers:
            await _upsert(connection, "phone_numbers", "phone_number", number)
    return SeedReport(len(seed.agents), len(seed.phone_numbers))


async def _upsert(
    connection: asyncpg.Connection, table: str, key: str, row: SeedAgent | SeedNumber
) -> None:
    columns = [name for name in type(row).model_fields if name in row.model_fields_set]
    values = [_value(name, getattr(row, name)) for name in columns]
    await connection.execute(_upsert_statement(table, key, columns), *values)


def _upsert_statement(table: str, key: str, columns: Sequence[str]) -> str:
    """The names come from the models above, never from outside."""
    places = ", ".join(f"${place}" for place in range(1, len(columns) + 1))
    changes = ", ".join(f"{name} = EXCLUDED.{name}" for name in columns if name != key)
    action = f"DO UPDATE SET {changes}" if changes else "DO NOTHING"
    return (
        f"INSERT INTO {table} ({', '.join(columns)}) VALUES ({places}) ON CONFLICT ({key}) {action}"
    )


def _value(column: str, value: object) -> object:
    """As asyncpg takes it: JSONB as text, None as SQL NULL."""
    return json.dumps(value) if column in _JSON_COLUMNS and value is not None else value
