"""Agents and numbers for everything that can happen to a call, and the workers behind them."""

from __future__ import annotations

import asyncio
import json
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from uuid import UUID

import asyncpg
from support.free_ports import free_port
from support.line import SPEECH
from support.odd_worker import OddWorker
from support.stream_worker import StreamWorker, WorkerCall

OUTBOUND_ONLY = "+12025550190"
INACTIVE = "+12025550191"
PAUSED = "+12025550192"
OF_TELNYX = "+12025550193"
VOICEMAIL = "+12025550194"
VOICEMAIL_JAPANESE = "+12025550195"
VOICEMAIL_UNSPEAKABLE = "+12025550196"
VOICEMAIL_ROW_REFUSED = "+12025550197"
CALL_ROW_REFUSED = "+12025550198"
NUMBER_BUSY = "+12025550188"
UNKNOWN = "+12025550199"

RULES = f"""
ALTER TABLE voicemails ADD CHECK (phone_number <> '{VOICEMAIL_ROW_REFUSED}') NOT VALID;
ALTER TABLE calls ADD CHECK (called_number <> '{CALL_ROW_REFUSED}') NOT VALID;
"""
"""What somebody else has put into our tables: PostgreSQL then refuses these numbers' rows."""


@dataclass(frozen=True)
class Troubles:
    """One agent for each way in which a worker can fail; the names are those of the metrics."""

    well: int = field(default_factory=free_port)
    unwilling: int = field(default_factory=free_port)
    odd: int = field(default_factory=free_port)
    nobody: int = field(default_factory=free_port)

    @property
    def urls(self) -> dict[str, str]:
        """Each agent's worker."""
        well = [
            *("no_close_frame", "going_away", "error_code", "flood", "protocol_error"),
            *("no_first_audio", "hang_up", "listens", "paused"),
        ]
        return {name: f"ws://127.0.0.1:{self.well}/{name}" for name in well} | {
            "dns": "ws://worker.invalid:7860/",
            "refused": f"ws://127.0.0.1:{self.nobody}/",
            "unreachable": "ws://255.255.255.255:7860/",
            "tls": f"wss://127.0.0.1:{self.unwilling}/",
            "http_status": f"ws://127.0.0.1:{self.unwilling}/",
            "bad_handshake": f"ws://127.0.0.1:{self.odd}/garbage",
            "timeout": f"ws://127.0.0.1:{self.odd}/hang",
            "deadline": f"ws://127.0.0.1:{self.odd}/hang",
            "closed_early": f"ws://127.0.0.1:{self.odd}/closes",
            "ping_timeout": f"ws://127.0.0.1:{self.odd}/deaf",
            "forbidden_address": "ws://169.254.169.254/",
            "misconfigured": f"ws://127.0.0.1:{self.well}/listens",
        }

    def agent(self, name: str) -> UUID:
        """The id of an agent."""
        return UUID(int=0xB0000000_0000_4000_8000_000000000000 + list(self.urls).index(name))

    def number(self, name: str) -> str:
        """The number at which this agent is the only one."""
        return f"+120255501{list(self.urls).index(name):02}"

    def number_with_fallback(self, name: str) -> str:
        """The number at which one that listens stands behind this agent."""
        return f"+120255501{list(self.urls).index(name) + 40:02}"

    async def write(self, dsn: str) -> None:
        """Write all of it into an empty, migrated database."""
        options: dict[str, dict[str, object]] = {
            "no_first_audio": {"first_audio_timeout_seconds": 0.3},
            "misconfigured": {"bearer_token": "env:NOT_SET_ANYWHERE"},
            "timeout": {"accept_timeout_seconds": 0.9},
            "deadline": {"accept_timeout_seconds": 9},
        }
        agents = [
            (self.agent(name), name, "paused" if name == "paused" else "active", url,
             json.dumps(options.get(name, {})))
            for name, url in self.urls.items()
        ]  # fmt: skip
        connection = await asyncpg.connect(dsn)
        try:
            await connection.execute(RULES)
            await connection.executemany(
                "INSERT INTO agents (id, name, status, worker_url, worker_options)"
                " VALUES ($1, $2, $3, $4, $5)",
                agents,
            )
            await connection.executemany(
                "INSERT INTO phone_numbers (phone_number, provider, status, inbound_routing)"
                " VALUES ($1, $2, $3, $4)",
                self._numbers(),
            )
            await connection.execute(
                "UPDATE phone_numbers SET max_concurrent_calls = 0 WHERE phone_number = $1",
                NUMBER_BUSY,
            )
        finally:
            await connection.close()

    def _numbers(self) -> list[tuple[str, str, str, str | None]]:
        alone = [(self.number(name), self._routing(name)) for name in self.urls]
        backed = [
            (self.number_with_fallback(name), self._routing(name, fallback="listens"))
            for name in self.urls
            if name != "listens"
        ]
        messages = {
            VOICEMAIL: "Nobody is here.",
            VOICEMAIL_JAPANESE: "ただいま電話に出ることができません。",
            VOICEMAIL_UNSPEAKABLE: "!!!",
            # The cut text is only rendered, never played.
            VOICEMAIL_ROW_REFUSED: "Nobody is here.",
            "+12025550189": "Please leave a message. " * 100,
        }
        voicemail = [
            (number, self._routing("refused", message=text)) for number, text in messages.items()
        ]
        others = [
            (NUMBER_BUSY, self._routing("listens")),
            (CALL_ROW_REFUSED, self._routing("refused")),
            (PAUSED, self._routing("paused")),
        ]
        return [
            *((number, "twilio", "active", way) for number, way in alone + backed + voicemail),
            *((number, "twilio", "active", way) for number, way in others),
            (OUTBOUND_ONLY, "twilio", "active", None),
            (INACTIVE, "twilio", "inactive", self._routing("listens")),
            (OF_TELNYX, "telnyx", "active", self._routing("listens")),
        ]

    def _routing(
        self, primary: str, *, fallback: str | None = None, message: str | None = None
    ) -> str:
        routing: dict[str, object] = {"agent_id": str(self.agent(primary))}
        if fallback is not None:
            routing["fallback"] = {"agent_id": str(self.agent(fallback))}
        if message is not None:
            routing["voicemail_message"] = message
        return json.dumps(routing)

    async def start(self, stack: AsyncExitStack) -> None:
        """Start the workers, until the stack is closed."""
        for worker in (
            StreamWorker(self.well, behave),
            StreamWorker(self.unwilling, refuse_with=503),
            OddWorker(self.odd),
        ):
            await stack.enter_async_context(worker)


async def behave(call: WorkerCall) -> None:
    """What the agent behind this path does with its caller."""
    await call.heard_at_least(0.1)  # Who closes sooner has not taken the call.
    match call.path.removeprefix("/"):
        case "no_close_frame":
            call.vanish()
        case "going_away":
            await call.hang_up(1001)
        case "error_code":
            await call.hang_up(1011)
        case "flood":
            for _ in range(5):  # 400 seconds of sound, in messages of less than 1 MiB
                await call.say(SPEECH * 50 * 80)
        case "protocol_error":
            for _ in range(60):
                await call.send_text("rubbish")
        case "hang_up":
            await call.say(SPEECH * 25)
            await asyncio.sleep(0.2)
            await call.hang_up()
        case "listens":
            await call.say(SPEECH * 25)
        case _:
            pass
