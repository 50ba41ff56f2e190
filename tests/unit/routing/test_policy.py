"""The one table of routing: for every state of a number and its agents, which way a call goes."""

from __future__ import annotations

import itertools

import pytest
from support.directory import FALLBACK_ID, NUMBER, PRIMARY_ID, agent_record, number_record

from sip_edge.routing.plan import (
    AgentRecord,
    AgentStatus,
    AgentTarget,
    Connect,
    Reject,
    Role,
    Route,
    SkippedAgent,
    VoicemailMessage,
)
from sip_edge.routing.policy import plan_route
from sip_edge.routing.refusal import Refusal

AGENT_STATES = ["unnamed", "active", "paused", "deleted", "missing", "misconfigured", "no worker"]
"""What a number may say of an agent, and what that agent may be."""

WHY_SKIPPED = {
    "paused": "paused",
    "deleted": "deleted",
    "missing": "missing",
    "misconfigured": "misconfigured",
    "no worker": "misconfigured",
}


def agent_in(state: str, agent_id: str, message: str | None = None) -> AgentRecord | None:
    match state:
        case "unnamed" | "missing":
            return None
        case "misconfigured":
            return agent_record(agent_id, problem="nonsense", voicemail_message=message)
        case "no worker":
            return agent_record(agent_id, worker_url=None, voicemail_message=message)
        case status:
            return agent_record(agent_id, status=AgentStatus(status), voicemail_message=message)


def route_with(primary: str, fallback: str, message: str | None = None) -> Route:
    number = number_record(
        primary_id=None if primary == "unnamed" else PRIMARY_ID,
        fallback_id=None if fallback == "unnamed" else FALLBACK_ID,
        voicemail_message=message,
    )
    return Route(number, agent_in(primary, PRIMARY_ID), agent_in(fallback, FALLBACK_ID))


@pytest.mark.parametrize("message", [None, "Please leave a message."])
@pytest.mark.parametrize(
    ("primary", "fallback"), list(itertools.product(AGENT_STATES, AGENT_STATES))
)
def test_agents_in_service_are_tried_and_the_others_skipped(
    primary: str, fallback: str, message: str | None
) -> None:
    plan = plan_route(route_with(primary, fallback, message), number=NUMBER, provider="twilio")

    tried, skipped, existing = [], [], []
    for role, agent_id, state in (
        (Role.PRIMARY, PRIMARY_ID, primary),
        (Role.FALLBACK, FALLBACK_ID, fallback),
    ):
        if state == "active":
            tried.append(AgentTarget(role, agent_record(agent_id)))
        elif state != "unnamed":
            skipped.append(SkippedAgent(role, agent_id, WHY_SKIPPED[state]))
        if state not in ("unnamed", "missing"):
            existing.append(agent_id)
    meant_for = existing[0] if existing else None
    expected = VoicemailMessage("Please leave a message.", None, meant_for)
    assert plan == Connect(
        targets=tuple(tried),
        skipped=tuple(skipped),
        voicemail=None if message is None else expected,
        refusal_if_unanswered=(
            Refusal.AGENTS_FAILED
            if "active" in (primary, fallback)
            else Refusal.AGENTS_OUT_OF_SERVICE
        ),
    )


@pytest.mark.parametrize(
    ("number", "is_known", "provider", "status", "has_routing", "refusal"),
    [
        (None, False, "twilio", "active", True, Refusal.NO_NUMBER),
        (NUMBER, False, "twilio", "active", True, Refusal.UNKNOWN_NUMBER),
        (NUMBER, True, "telnyx", "active", True, Refusal.OTHER_PROVIDER),
        (NUMBER, True, "telnyx", "inactive", False, Refusal.OTHER_PROVIDER),
        (NUMBER, True, "twilio", "inactive", True, Refusal.INACTIVE_NUMBER),
        (NUMBER, True, "twilio", "released", True, Refusal.INACTIVE_NUMBER),
        (NUMBER, True, "twilio", "inactive", False, Refusal.INACTIVE_NUMBER),
        (NUMBER, True, None, "inactive", True, Refusal.INACTIVE_NUMBER),
        (NUMBER, True, "twilio", "active", False, Refusal.OUTBOUND_ONLY),
        (NUMBER, True, None, "active", False, Refusal.OUTBOUND_ONLY),
    ],
)
def test_calls_that_no_agent_shall_see_are_refused(
    number: str | None,
    is_known: bool,
    provider: str | None,
    status: str,
    has_routing: bool,
    refusal: Refusal,
) -> None:
    record = number_record(status=status, has_routing=has_routing, voicemail_message="Hello.")
    route = Route(record, agent_record(), None) if is_known else None

    assert plan_route(route, number=number, provider=provider) == Reject(refusal)


ACCOUNT = "AC" + "a" * 32
OTHER = "AC" + "b" * 32


@pytest.mark.parametrize(
    ("owner", "named", "refusal"),
    [
        (ACCOUNT, ACCOUNT, None),
        (ACCOUNT, OTHER, Refusal.OTHER_ACCOUNT),
        (ACCOUNT, None, None),
        (None, OTHER, None),
    ],
)
def test_number_answers_only_its_own_account_where_both_are_known(
    owner: str | None, named: str | None, refusal: Refusal | None
) -> None:
    route = Route(number_record(account_sid=owner), agent_record(), None)

    plan = plan_route(route, number=NUMBER, provider="twilio", account_sid=named)

    assert (plan.refusal if isinstance(plan, Reject) else None) == refusal


@pytest.mark.parametrize(
    ("max_calls", "calls_ahead", "refusal"),
    [
        (None, 1000, None),
        (2, 0, None),
        (2, 1, None),
        (2, 2, Refusal.NUMBER_BUSY),
        (0, 0, Refusal.NUMBER_BUSY),
    ],
)
def test_number_takes_as_many_calls_at_once_as_it_may_whatever_its_voicemail(
    max_calls: int | None, calls_ahead: int, refusal: Refusal | None
) -> None:
    number = number_record(max_calls=max_calls, voicemail_message="Please leave a message.")

    plan = plan_route(
        Route(number, agent_record(), None),
        number=NUMBER,
        provider="twilio",
        calls_ahead=calls_ahead,
    )

    assert (plan.refusal if isinstance(plan, Reject) else None) == refusal


def test_busy_number_that_cannot_be_called_at_all_says_so() -> None:
    number = number_record(status="inactive", max_calls=1)

    plan = plan_route(
        Route(number, agent_record(), None), number=NUMBER, provider="twilio", calls_ahead=1
    )

    assert plan == Reject(Refusal.INACTIVE_NUMBER)


def test_carrier_without_provider_reaches_all_numbers() -> None:
    route = Route(number_record(provider="telnyx"), agent_record(), None)

    plan = plan_route(route, number=NUMBER, provider=None)

    assert isinstance(plan, Connect)
    assert plan.targets == (AgentTarget(Role.PRIMARY, agent_record()),)


def test_agent_that_is_primary_and_fallback_is_tried_once() -> None:
    number = number_record(primary_id=PRIMARY_ID, fallback_id=PRIMARY_ID)

    plan = plan_route(
        Route(number, agent_record(), agent_record()), number=NUMBER, provider="twilio"
    )

    assert isinstance(plan, Connect)
    assert plan.targets == (AgentTarget(Role.PRIMARY, agent_record()),)


def test_agent_that_is_primary_and_fallback_is_skipped_once() -> None:
    number = number_record(primary_id=PRIMARY_ID, fallback_id=PRIMARY_ID)

    plan = plan_route(Route(number, None, None), number=NUMBER, provider="twilio")

    assert isinstance(plan, Connect)
    assert plan.skipped == (SkippedAgent(Role.PRIMARY, PRIMARY_ID, "missing"),)


def test_routing_that_cannot_be_read_skips_the_primary_and_keeps_the_fallback() -> None:
    number = number_record(primary_id=None, fallback_id=FALLBACK_ID, problem="agent_id: no text")

    plan = plan_route(
        Route(number, None, agent_record(FALLBACK_ID)), number=NUMBER, provider="twilio"
    )

    assert isinstance(plan, Connect)
    assert plan.skipped == (SkippedAgent(Role.PRIMARY, "", "misconfigured"),)
    assert plan.targets == (AgentTarget(Role.FALLBACK, agent_record(FALLBACK_ID)),)


@pytest.mark.parametrize(
    ("of_number", "of_primary", "of_fallback", "expected"),
    [
        ("number", "primary", "fallback", VoicemailMessage("number", "en", PRIMARY_ID)),
        (None, "primary", "fallback", VoicemailMessage("primary", "en", PRIMARY_ID)),
        (None, None, "fallback", VoicemailMessage("fallback", "ja", FALLBACK_ID)),
        (None, None, None, None),
        ("", "  ", "\n", None),
        (" ", "primary", None, VoicemailMessage("primary", "en", PRIMARY_ID)),
        (" number\n", None, None, VoicemailMessage("number", "en", PRIMARY_ID)),
    ],
)
@pytest.mark.parametrize("status", list(AgentStatus))
def test_message_is_the_numbers_then_the_primarys_then_the_fallbacks(
    status: AgentStatus,
    of_number: str | None,
    of_primary: str | None,
    of_fallback: str | None,
    expected: VoicemailMessage | None,
) -> None:
    route = Route(
        number_record(fallback_id=FALLBACK_ID, voicemail_message=of_number),
        agent_record(status=status, voicemail_message=of_primary, language="en"),
        agent_record(FALLBACK_ID, status=status, voicemail_message=of_fallback, language="ja"),
    )

    plan = plan_route(route, number=NUMBER, provider="twilio")

    assert isinstance(plan, Connect)
    assert plan.voicemail == expected


def test_numbers_message_without_a_primary_agent_has_no_language() -> None:
    route = Route(
        number_record(fallback_id=FALLBACK_ID, voicemail_message="Hello."),
        None,
        agent_record(FALLBACK_ID, language="ja"),
    )

    plan = plan_route(route, number=NUMBER, provider="twilio")

    assert isinstance(plan, Connect)
    assert plan.voicemail == VoicemailMessage("Hello.", None, FALLBACK_ID)


def test_numbers_message_without_any_agent_is_for_nobody_in_particular() -> None:
    route = Route(number_record(voicemail_message="Hello."), None, None)

    plan = plan_route(route, number=NUMBER, provider="twilio")

    assert isinstance(plan, Connect)
    assert plan.voicemail == VoicemailMessage("Hello.", None, None)
