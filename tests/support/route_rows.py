"""Rows as the route queries give them."""

from __future__ import annotations

import json

AGENT_A = "aaaaaaaa-aaaa-4aaa-8aaa-aaaaaaaaaaaa"
AGENT_B = "bbbbbbbb-bbbb-4bbb-8bbb-bbbbbbbbbbbb"
WORKSPACE = "99999999-9999-4999-8999-999999999999"


def agent_row(
    agent_id: str = AGENT_A,
    *,
    name: str = "Front desk",
    worker_url: str | None = "ws://127.0.0.1:8090/",
    row_hash: int = 1,
) -> dict[str, object]:
    return {
        "id": agent_id,
        "name": name,
        "status": "active",
        "worker_url": worker_url,
        "worker_options": "{}",
        "voicemail_message": None,
        "language": None,
        "row_hash": row_hash,
    }


def number_row(
    phone_number: str,
    *,
    agent: str = AGENT_A,
    fallback: str | None = None,
    message: str | None = None,
    row_hash: int = 1,
) -> dict[str, object]:
    routing: dict[str, object] = {"agent_id": agent, "voicemail_message": message}
    if fallback is not None:
        routing["fallback"] = {"agent_id": fallback}
    return {
        "id": "33333333-3333-4333-8333-333333333333",
        "phone_number": phone_number,
        "provider": "twilio",
        "status": "active",
        "agent_id": None,
        "inbound_routing": json.dumps(routing),
        "account_sid": None,
        "max_concurrent_calls": None,
        "workspace_id": WORKSPACE,
        "row_hash": row_hash,
    }
