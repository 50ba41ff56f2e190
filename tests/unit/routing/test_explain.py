"""What `sip-edge route explain` says."""

from __future__ import annotations

import json

from support.directory import FALLBACK_ID, NUMBER, agent_record, number_record

from sip_edge.routing.explain import Explanation, explain_route
from sip_edge.routing.plan import AgentStatus, Route
from sip_edge.routing.policy import plan_route
from sip_edge.routing.refusal import Refusal


def explain(route: Route | None, *, overrides: dict[Refusal, int] | None = None) -> Explanation:
    plan = plan_route(route, number=NUMBER, provider="twilio")
    return explain_route(NUMBER, route, plan, overrides or {})


def test_agents_are_listed_in_the_order_in_which_they_are_tried() -> None:
    route = Route(
        number_record(fallback_id=FALLBACK_ID, voicemail_message="We are closed."),
        agent_record(language="en"),
        agent_record(FALLBACK_ID),
    )

    assert explain(route).lines == (
        "+12025550101 (twilio, active)",
        "  primary: Front desk 11111111-1111-4111-8111-111111111111"
        " is offered the call at ws://127.0.0.1:8090/worker",
        "  fallback: Front desk 22222222-2222-4222-8222-222222222222"
        " is offered the call at ws://127.0.0.1:8090/worker",
        '  if none takes it: voicemail (en): "We are closed."',
    )


def test_skipped_agents_are_listed_with_the_reason() -> None:
    route = Route(
        number_record(fallback_id=FALLBACK_ID),
        agent_record(problem="worker_url is not a ws:// or wss:// address"),
        agent_record(FALLBACK_ID, status=AgentStatus.PAUSED),
    )

    assert explain(route).lines[1:] == (
        "  primary: Front desk 11111111-1111-4111-8111-111111111111"
        " is skipped: it is misconfigured (worker_url is not a ws:// or wss:// address)",
        "  fallback: Front desk 22222222-2222-4222-8222-222222222222 is skipped: it is paused",
        "  no agent is left: refused with 486 (agents_out_of_service):"
        " no agent is in service, and there is no voicemail message",
    )


def test_skipped_primary_still_comes_before_the_fallback_that_is_tried() -> None:
    route = Route(number_record(fallback_id=FALLBACK_ID), None, agent_record(FALLBACK_ID))

    assert explain(route).facts["agents"] == [
        {
            "role": "primary",
            "agent_id": "11111111-1111-4111-8111-111111111111",
            "name": None,
            "action": "skip",
            "why": "missing",
            "problem": None,
        },
        {
            "role": "fallback",
            "agent_id": "22222222-2222-4222-8222-222222222222",
            "name": "Front desk",
            "action": "offer",
            "worker": "ws://127.0.0.1:8090/worker",
        },
    ]


def test_refused_call_is_explained_with_its_response() -> None:
    assert explain(None).lines == (
        "+12025550101",
        "  refused with 404 (unknown_number): there is no such number in phone_numbers",
    )


def test_carriers_own_status_code_is_shown() -> None:
    route = Route(number_record(), agent_record(), None)

    assert explain(route, overrides={Refusal.AGENTS_FAILED: 503}).facts["response"] == {
        "status": 503,
        "refusal": "agents_failed",
        "reason": 'Q.850;cause=18;text="No user responding"',
    }


def test_decision_is_what_the_caller_meets_first() -> None:
    active = Route(number_record(), agent_record(), None)
    paused = Route(
        number_record(voicemail_message="Hello."), agent_record(status=AgentStatus.PAUSED), None
    )
    out_of_service = Route(number_record(), agent_record(status=AgentStatus.PAUSED), None)
    outbound_only = Route(number_record(has_routing=False), None, None)

    decisions = [
        explain(route).facts["decision"]
        for route in (active, paused, out_of_service, outbound_only, None)
    ]

    assert decisions == ["connect", "voicemail", "refuse", "refuse", "refuse"]


def test_number_without_any_agent_says_so() -> None:
    route = Route(number_record(primary_id=None), None, None)

    assert "  no agent is named" in explain(route).lines


def test_stale_route_and_a_rows_problem_are_mentioned() -> None:
    route = Route(
        number_record(primary_id=None, problem="inbound_routing: no object"), None, None, True
    )

    assert explain(route).lines[:2] == (
        "+12025550101 (twilio, active, from memory: PostgreSQL is away)",
        "  note: inbound_routing: no object",
    )


def test_secrets_in_a_workers_address_are_not_shown() -> None:
    agent = agent_record(worker_url="wss://user:secret@worker.example.com/a?token=secret")

    explanation = explain(Route(number_record(), agent, None))

    assert "wss://worker.example.com/a" in explanation.lines[1]
    assert "secret" not in json.dumps(explanation.facts) + "".join(explanation.lines)


def test_long_message_is_cut_in_the_lines_and_whole_in_the_facts() -> None:
    route = Route(number_record(voicemail_message="a" * 100), agent_record(), None)

    explanation = explain(route)

    assert explanation.lines[-1] == f'  if none takes it: voicemail: "{"a" * 60}…"'
    assert explanation.facts["voicemail"] == {"text": "a" * 100, "language": None}


def test_facts_are_json() -> None:
    route = Route(number_record(), agent_record(), None)

    facts = explain(route).facts

    assert json.loads(json.dumps(facts)) == facts
    assert facts["number"] == {
        "id": "33333333-3333-4333-8333-333333333333",
        "provider": "twilio",
        "status": "active",
        "has_routing": True,
        "problem": None,
        "is_stale": False,
    }
