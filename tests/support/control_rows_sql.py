"""One workspace's rows in PostgreSQL, of every kind that the control API shows."""

from __future__ import annotations

import json
import uuid
from datetime import UTC, datetime, timedelta
from pathlib import Path

import asyncpg

STARTED_AT = datetime(2026, 7, 1, 12, 0, tzinfo=UTC)
SOUND = b"RIFF" + bytes(4_000)
FIRST_NUMBER = 2_025_550_140
MOST_ROWS = 40
"""More would be real numbers."""


async def write_rows(
    dsn: str, workspace: str, count: int, recordings: Path
) -> dict[str, list[str]]:
    """`count` rows of each kind for the workspace of this name; their ids as paths name them.

    Integrations are not among them: their keys are sealed. Recordings get their files.
    """
    assert count <= MOST_ROWS
    (recordings / "test").mkdir(parents=True, exist_ok=True)
    (recordings / "test" / "sound.wav").write_bytes(SOUND)
    ids = {name: [uuid.uuid4() for _ in range(count)] for name in _NAMES}
    connection = await asyncpg.connect(dsn)
    try:
        owner = await connection.fetchval("SELECT id FROM workspaces WHERE name = $1", workspace)
        await connection.executemany(
            "INSERT INTO agents (id, workspace_id, name) VALUES ($1, $2, 'Ada')",
            [(each, owner) for each in ids["agent_id"]],
        )
        await connection.executemany(
            "INSERT INTO phone_numbers (id, workspace_id, phone_number, agent_id, inbound_routing)"
            " VALUES ($1, $2, $3, $4, $5)",
            [
                (each, owner, f"+1{FIRST_NUMBER + at}", agent, json.dumps({"agent_id": str(agent)}))
                for at, (each, agent) in enumerate(
                    zip(ids["phone_number_id"], ids["agent_id"], strict=True)
                )
            ],
        )
        await connection.executemany(
            "INSERT INTO calls (id, state, instance_id, workspace_id, started_at, ended_at,"
            " outcome, called_number) VALUES ($1, 'ended', $1, $2, $3, $3, 'voicemail', $4)",
            [
                (each, owner, STARTED_AT + timedelta(minutes=at), f"+1{FIRST_NUMBER + at}")
                for at, each in enumerate(ids["call_id"])
            ],
        )
        await connection.executemany(
            "INSERT INTO voicemails (id, call_id, workspace_id, phone_number, received_at, seconds,"
            " bytes, path) VALUES ($1, $2, $3, $4, $5, 1, $6, 'test/sound.wav')",
            [
                (each, call, owner, f"+1{FIRST_NUMBER + at}", STARTED_AT, len(SOUND))
                for at, (each, call) in enumerate(
                    zip(ids["voicemail_id"], ids["call_id"], strict=True)
                )
            ],
        )
        await connection.executemany(
            "INSERT INTO api_keys (id, workspace_id, name, prefix, digest)"
            " VALUES ($1, $2, 'test', 'oi_sk_', $3)",
            [(each, owner, each.bytes + each.bytes) for each in ids["api_key_id"]],
        )
    finally:
        await connection.close()
    return {name: [str(each) for each in values] for name, values in ids.items()}


_NAMES = ("agent_id", "phone_number_id", "call_id", "voicemail_id", "api_key_id")
