"""The agents and numbers of the edge that the process tests share.

They are in the database before the edge starts, so that no test depends on how soon a change is
seen. A test decides what happens by starting a worker, or none, on an agent's port.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from support.free_ports import free_port

ADA = "+12025550110"
ADA_THEN_BOB = "+12025550111"
NOBODY_THEN_BOB = "+12025550112"
NOBODY = "+12025550113"
NOBODY_TWICE = "+12025550114"
PAUSED = "+12025550115"
PAUSED_THEN_BOB = "+12025550116"
OUTBOUND_ONLY = "+12025550117"
INACTIVE = "+12025550118"
PATIENT = "+12025550119"
PIPECAT = "+12025550120"
PIPECAT_EXPLICIT = "+12025550121"
VOICEMAIL = "+12025550122"
GREETING = "Nobody can take your call. Please leave a message."
TELNYX = "+12025550198"
TWILIO = "+12025550199"
UNKNOWN = "+12025550160"


@dataclass(frozen=True)
class WorkerPorts:
    """Where the agents' workers would listen. Nobody ever listens on the port of `nobody`."""

    ada: int = field(default_factory=free_port)
    bob: int = field(default_factory=free_port)
    nobody: int = field(default_factory=free_port)
    pipecat: int = field(default_factory=free_port)
    pipecat_explicit: int = field(default_factory=free_port)


def agent_id(number: int) -> UUID:
    """A fixed id for each agent of the plan."""
    return UUID(int=0xA0000000_0000_4000_8000_000000000000 + number)


async def write_plan(dsn: str, ports: WorkerPorts) -> None:
    """Write agents and numbers into an empty, migrated database."""
    ada, bob, nobody, paused, patient, pipecat, explicit = (agent_id(n) for n in range(1, 8))
    patience = json.dumps({"accept_timeout_seconds": 9})
    agents = [
        (ada, "Ada", "active", ports.ada, "/ada?for=tests", "{}"),
        (bob, "Bob", "active", ports.bob, "/bob", "{}"),
        (nobody, "Nobody", "active", ports.nobody, "/", "{}"),
        (paused, "Paused", "paused", ports.ada, "/paused", "{}"),
        (patient, "Patient", "active", ports.ada, "/patient", patience),
        (pipecat, "Pipecat", "active", ports.pipecat, "/ws", "{}"),
        (explicit, "Pipecat, explicit", "active", ports.pipecat_explicit, "/ws", "{}"),
    ]
    numbers = [
        (ADA, "twilio", "active", _routing(ada)),
        (ADA_THEN_BOB, "twilio", "active", _routing(ada, bob)),
        (NOBODY_THEN_BOB, "twilio", "active", _routing(nobody, bob)),
        (NOBODY, "twilio", "active", _routing(nobody)),
        (NOBODY_TWICE, "twilio", "active", _routing(nobody, nobody)),
        (PAUSED, "twilio", "active", _routing(paused)),
        (PAUSED_THEN_BOB, "twilio", "active", _routing(paused, bob)),
        (OUTBOUND_ONLY, "twilio", "active", None),
        (INACTIVE, "twilio", "inactive", _routing(ada)),
        (PATIENT, "twilio", "active", _routing(patient)),
        (PIPECAT, "twilio", "active", _routing(pipecat)),
        (PIPECAT_EXPLICIT, "twilio", "active", _routing(explicit)),
        (VOICEMAIL, "twilio", "active", _routing(nobody, voicemail_message=GREETING)),
        (TELNYX, "telnyx", "active", _routing(ada)),
        (TWILIO, "twilio", "active", _routing(ada)),
    ]
    connection = await asyncpg.connect(dsn)
    try:
        await connection.executemany(
            "INSERT INTO agents (id, name, status, worker_url, worker_options)"
            " VALUES ($1, $2, $3, $4, $5)",
            [
                (identity, name, status, f"ws://127.0.0.1:{port}{path}", options)
                for identity, name, status, port, path, options in agents
            ],
        )
        await connection.executemany(
            "INSERT INTO phone_numbers (phone_number, provider, status, inbound_routing)"
            " VALUES ($1, $2, $3, $4)",
            numbers,
        )
    finally:
        await connection.close()


def _routing(
    primary: UUID, fallback: UUID | None = None, *, voicemail_message: str | None = None
) -> str:
    routing: dict[str, object] = {"agent_id": str(primary)}
    if voicemail_message is not None:
        routing["voicemail_message"] = voicemail_message
    if fallback is not None:
        routing["fallback"] = {"agent_id": str(fallback)}
    return json.dumps(routing)
