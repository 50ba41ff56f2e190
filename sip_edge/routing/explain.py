"""What would happen to a call to a number, in words: the answer of `sip-edge route explain`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from sip_edge.routing.plan import (
    AgentTarget,
    Connect,
    Reject,
    Role,
    Route,
    RoutePlan,
    SkippedAgent,
)
from sip_edge.routing.refusal import Refusal, response_to

_WHY_REFUSED: Final[dict[Refusal, str]] = {
    Refusal.NO_NUMBER: "this is not a telephone number",
    Refusal.UNKNOWN_NUMBER: "there is no such number in phone_numbers",
    Refusal.INACTIVE_NUMBER: "the number's status is not 'active'",
    Refusal.OTHER_PROVIDER: "the number belongs to another provider than the carrier's",
    Refusal.OTHER_ACCOUNT: "the number belongs to another account than the call's",
    Refusal.NUMBER_BUSY: "the number takes no more calls at once (max_concurrent_calls)",
    Refusal.OUTBOUND_ONLY: "the number has no inbound_routing: it is outbound-only",
    Refusal.AGENTS_OUT_OF_SERVICE: "no agent is in service, and there is no voicemail message",
    Refusal.AGENTS_FAILED: "no agent took the call, and there is no voicemail message",
}

_WHY_SKIPPED: Final[dict[str, str]] = {
    "missing": "there is no such agent",
    "paused": "it is paused",
    "deleted": "it is deleted",
    "misconfigured": "it is misconfigured",
}

_MAX_MESSAGE_CHARACTERS: Final = 60
"""A line of the explanation shows the beginning of the message only."""


@dataclass(frozen=True, slots=True)
class Explanation:
    """The same answer twice: `lines` for a person, `facts` for a script (JSON types only)."""

    lines: tuple[str, ...]
    facts: dict[str, object]


def explain_route(
    number: str, route: Route | None, plan: RoutePlan, overrides: Mapping[Refusal, int]
) -> Explanation:
    """Explain `plan`, made from `route`, for a call to `number` (E.164, or what was typed).

    `overrides` are the carrier's own status codes, as for `response_to`.
    """
    number_facts = _number_facts(route)
    lines = [_number_line(number, route)]
    if route is not None and route.number.problem is not None:
        lines.append(f"  note: {route.number.problem}")
    facts: dict[str, object] = {"phone_number": number, "number": number_facts}
    match plan:
        case Reject(refusal=refusal):
            response = _response(refusal, overrides)
            facts |= {"decision": "refuse", "agents": [], "voicemail": None, "response": response}
            lines.append(f"  refused with {_response_text(response)}: {_WHY_REFUSED[refusal]}")
        case Connect():
            agents = _agents(route, plan)
            response = _response(plan.refusal_if_unanswered, overrides)
            message = plan.voicemail
            voicemail = message and {"text": message.text, "language": message.language}
            facts |= {
                "decision": _decision(plan),
                "agents": agents,
                "voicemail": voicemail,
                "response": None if message else response,
            }
            lines += [_agent_line(agent) for agent in agents] or ["  no agent is named"]
            lines.append(_last_line(plan, response))
    return Explanation(tuple(lines), facts)


def _decision(plan: Connect) -> str:
    if plan.targets:
        return "connect"
    return "voicemail" if plan.voicemail else "refuse"


def _number_facts(route: Route | None) -> dict[str, object] | None:
    if route is None:
        return None
    number = route.number
    return {
        "id": number.number_id,
        "provider": number.provider,
        "status": number.status,
        "has_routing": number.has_routing,
        "problem": number.problem,
        "is_stale": route.is_stale,
    }


def _number_line(number: str, route: Route | None) -> str:
    if route is None:
        return number
    stale = ", from memory: PostgreSQL is away" if route.is_stale else ""
    return f"{number} ({route.number.provider}, {route.number.status}{stale})"


def _agents(route: Route | None, plan: Connect) -> list[dict[str, object]]:
    """The agents in the order in which they are looked at: the primary, then the fallback."""
    offered = {target.role: _offered(target) for target in plan.targets}
    passed = {skipped.role: _passed_over(skipped, route) for skipped in plan.skipped}
    found = offered | passed
    return [found[role] for role in Role if role in found]


def _offered(target: AgentTarget) -> dict[str, object]:
    return {
        "role": target.role.value,
        "agent_id": target.agent.agent_id,
        "name": target.agent.name,
        "action": "offer",
        "worker": _without_secrets(target.agent.worker_url or ""),
    }


def _passed_over(skipped: SkippedAgent, route: Route | None) -> dict[str, object]:
    record = None
    if route is not None:
        record = route.primary if skipped.role is Role.PRIMARY else route.fallback
    return {
        "role": skipped.role.value,
        "agent_id": skipped.agent_id,
        "name": None if record is None else record.name,
        "action": "skip",
        "why": skipped.why,
        "problem": None if record is None else record.problem,
    }


def _agent_line(agent: Mapping[str, object]) -> str:
    name = " ".join(str(part) for part in (agent["name"], agent["agent_id"]) if part)
    head = f"  {agent['role']}: {name}".rstrip()
    if agent["action"] == "offer":
        return f"{head} is offered the call at {agent['worker']}"
    detail = f" ({agent['problem']})" if agent["problem"] else ""
    return f"{head} is skipped: {_WHY_SKIPPED[str(agent['why'])]}{detail}"


def _last_line(plan: Connect, response: Mapping[str, object]) -> str:
    when = "if none takes it" if plan.targets else "no agent is left"
    if plan.voicemail is None:
        why = _WHY_REFUSED[plan.refusal_if_unanswered]
        return f"  {when}: refused with {_response_text(response)}: {why}"
    text = plan.voicemail.text
    if len(text) > _MAX_MESSAGE_CHARACTERS:
        text = text[:_MAX_MESSAGE_CHARACTERS] + "…"
    language = f" ({plan.voicemail.language})" if plan.voicemail.language else ""
    return f'  {when}: voicemail{language}: "{text}"'


def _response(refusal: Refusal, overrides: Mapping[Refusal, int]) -> dict[str, object]:
    final = response_to(refusal, overrides)
    return {"status": final.status, "refusal": refusal.value, "reason": final.reason_header}


def _response_text(response: Mapping[str, object]) -> str:
    return f"{response['status']} ({response['refusal']})"


def _without_secrets(url: str) -> str:
    """A worker's address without user, password and query: they may hold tokens."""
    parts = urlsplit(url)
    host = parts.netloc.rpartition("@")[2]
    return f"{parts.scheme}://{host}{parts.path}"
