"""Rows made into records: the border where JSONB is validated, once."""

from __future__ import annotations

import json

import pytest

from sip_edge.routing.plan import AbnormalEnd, AgentRecord, AgentStatus, NumberRecord, WorkerOptions
from sip_edge.storage.rows import Row, agent_from_row, agent_key, is_agent_id, number_from_row

AGENT = "3c90c3cc-0d44-4b50-8888-8dd25736052a"
OTHER = "7d1f4a11-93a6-4f0e-9b1a-0c2d3e4f5a6b"
WORKSPACE = "99999999-9999-4999-8999-999999999999"


def number(routing: object, *, agent_id: str | None = None, **columns: object) -> NumberRecord:
    row: Row = {
        "id": "33333333-3333-4333-8333-333333333333",
        "phone_number": "+12025550101",
        "provider": "twilio",
        "status": "active",
        "agent_id": agent_id,
        "inbound_routing": routing if routing is None else json.dumps(routing),
        "account_sid": None,
        "max_concurrent_calls": None,
        "workspace_id": WORKSPACE,
    }
    return number_from_row({**row, **columns})


def agent(**columns: object) -> AgentRecord:
    row: dict[str, object] = {
        "id": AGENT,
        "name": "Front desk",
        "status": "active",
        "worker_url": "ws://127.0.0.1:8090/",
        "worker_options": "{}",
        "voicemail_message": None,
        "language": None,
    }
    return agent_from_row(row | columns)


def test_inbound_routing_is_taken_apart() -> None:
    record = number(
        {
            "agent_id": AGENT,
            "fallback": {"agent_id": OTHER},
            "voicemail_message": "Sorry we missed you.",
        }
    )

    assert record == NumberRecord(
        number_id="33333333-3333-4333-8333-333333333333",
        phone_number="+12025550101",
        provider="twilio",
        status="active",
        has_routing=True,
        primary_id=AGENT,
        fallback_id=OTHER,
        voicemail_message="Sorry we missed you.",
        workspace_id=WORKSPACE,
    )


def test_limit_and_account_of_a_number_are_read() -> None:
    record = number({"agent_id": AGENT}, account_sid=" AC1 ", max_concurrent_calls=3)

    assert (record.account_sid, record.max_calls) == ("AC1", 3)
    assert number({"agent_id": AGENT}, account_sid="").account_sid is None


@pytest.mark.parametrize("text", [None, "null", "{}"])
def test_null_and_empty_routing_mean_outbound_only(text: str | None) -> None:
    row: Row = {
        "id": "3",
        "phone_number": "+12025550101",
        "provider": "twilio",
        "status": "active",
        "agent_id": AGENT,
        "inbound_routing": text,
        "account_sid": None,
        "max_concurrent_calls": None,
        "workspace_id": WORKSPACE,
    }

    record = number_from_row(row)

    assert (record.has_routing, record.primary_id, record.problem) == (False, None, None)


@pytest.mark.parametrize(
    ("routing", "primary_id"),
    [
        pytest.param({"agent_id": AGENT}, AGENT, id="routing wins over the column"),
        pytest.param({"voicemail_message": "Hello."}, OTHER, id="no agent_id"),
        pytest.param({"agent_id": None}, OTHER, id="agent_id is null"),
        pytest.param({"agent_id": " "}, OTHER, id="agent_id is blank"),
        pytest.param({"business_hours": {}}, OTHER, id="only what is not known yet"),
        pytest.param({"agent_id": "front-desk"}, "front-desk", id="junk is not replaced"),
    ],
)
def test_column_agent_is_used_only_when_the_routing_names_none(
    routing: object, primary_id: str
) -> None:
    assert number(routing, agent_id=OTHER).primary_id == primary_id


def test_unknown_keys_are_no_problem() -> None:
    record = number({"agent_id": AGENT, "fallback": {"agent_id": OTHER, "after": 5}, "hours": [1]})

    assert (record.primary_id, record.fallback_id, record.problem) == (AGENT, OTHER, None)


@pytest.mark.parametrize(
    ("fallback", "fallback_id"),
    [(None, None), ({}, None), ({"agent_id": None}, None), ({"agent_id": OTHER}, OTHER)],
)
def test_fallback_may_be_left_out_at_every_level(fallback: object, fallback_id: str | None) -> None:
    record = number({"agent_id": AGENT, "fallback": fallback})

    assert (record.fallback_id, record.problem) == (fallback_id, None)


@pytest.mark.parametrize("routing", ["front-desk", 5, [], [AGENT], True])
def test_routing_that_is_no_object_is_a_problem_and_names_nobody(routing: object) -> None:
    record = number(routing, agent_id=OTHER)

    assert record.has_routing
    assert record.primary_id is None
    assert record.problem is not None
    assert record.problem.startswith("inbound_routing: ")


@pytest.mark.parametrize(
    ("routing", "primary_id", "fallback_id", "message", "problem"),
    [
        pytest.param(
            {"agent_id": 5, "fallback": {"agent_id": OTHER}, "voicemail_message": "Hello."},
            None,
            OTHER,
            "Hello.",
            "inbound_routing.agent_id: input should be a valid string",
            id="agent_id",
        ),
        pytest.param(
            {"agent_id": AGENT, "fallback": OTHER},
            AGENT,
            None,
            None,
            "inbound_routing.fallback: input should be an object",
            id="fallback",
        ),
        pytest.param(
            {"agent_id": AGENT, "fallback": {"agent_id": [OTHER]}},
            AGENT,
            None,
            None,
            "inbound_routing.fallback.agent_id: input should be a valid string",
            id="fallback.agent_id",
        ),
        pytest.param(
            {"agent_id": AGENT, "voicemail_message": {"en": "Hello."}},
            AGENT,
            None,
            None,
            "inbound_routing.voicemail_message: input should be a valid string",
            id="voicemail_message",
        ),
    ],
)
def test_what_makes_sense_of_a_bad_routing_is_used(
    routing: object,
    primary_id: str | None,
    fallback_id: str | None,
    message: str | None,
    problem: str,
) -> None:
    record = number(routing, agent_id=AGENT)

    assert record.primary_id == primary_id
    assert record.fallback_id == fallback_id
    assert record.voicemail_message == message
    assert record.problem == problem


def test_routing_that_is_too_deep_to_read_is_a_problem() -> None:
    row: Row = {
        "id": "3",
        "phone_number": "+12025550101",
        "provider": "twilio",
        "status": "active",
        "agent_id": None,
        "inbound_routing": '{"agent_id": ' + "[" * 5000 + "]" * 5000 + "}",
        "account_sid": None,
        "max_concurrent_calls": None,
        "workspace_id": WORKSPACE,
    }

    record = number_from_row(row)

    assert record.primary_id is None
    assert record.problem is not None


@pytest.mark.parametrize(
    "written",
    [
        "3C90C3CC-0D44-4B50-8888-8DD25736052A",
        "3c90c3cc0d444b5088888dd25736052a",
        "{3c90c3cc-0d44-4b50-8888-8dd25736052a}",
        " 3c90c3cc-0d44-4b50-8888-8dd25736052a\n",
    ],
)
def test_agent_ids_are_compared_as_uuids(written: str) -> None:
    assert agent_key(written) == AGENT


def test_junk_ids_are_kept_up_to_a_length() -> None:
    assert agent_key("x" * 1000) == "x" * 64
    assert not is_agent_id("x" * 64)
    assert is_agent_id(AGENT)


def test_blank_texts_count_as_none() -> None:
    record = agent(voicemail_message=" \n", language="")

    assert (record.voicemail_message, record.language) == (None, None)
    assert number({"agent_id": AGENT, "voicemail_message": "  "}).voicemail_message is None


def test_worker_options_are_read() -> None:
    record = agent(
        worker_options=json.dumps(
            {
                "accept_timeout_seconds": 2,
                "first_audio_timeout_seconds": 4.5,
                "abnormal_end": "hangup",
                "bearer_token": "env:FRONT_DESK_TOKEN",
                "signing_secret": "env:_SECRET2",
                "not_known_yet": True,
            }
        )
    )

    assert record.problem is None
    assert record.options == WorkerOptions(
        accept_timeout_seconds=2,
        first_audio_timeout_seconds=4.5,
        abnormal_end=AbnormalEnd.HANG_UP,
        bearer_token="FRONT_DESK_TOKEN",
        signing_secret="_SECRET2",
    )


@pytest.mark.parametrize("options", [None, "null", "{}"])
def test_no_options_are_the_standard_options(options: str | None) -> None:
    record = agent(worker_options=options)

    assert (record.options, record.problem) == (WorkerOptions(), None)


@pytest.mark.parametrize(
    "options",
    [
        [],
        "fast",
        {"accept_timeout_seconds": 0},
        {"accept_timeout_seconds": 0.01},
        {"accept_timeout_seconds": 11},
        {"accept_timeout_seconds": "1"},
        {"accept_timeout_seconds": True},
        {"first_audio_timeout_seconds": -1},
        {"first_audio_timeout_seconds": 1e300},
        {"abnormal_end": "retry"},
        {"bearer_token": "env:"},
        {"bearer_token": "env:A B"},
        {"signing_secret": 5},
    ],
)
def test_agent_with_bad_options_has_a_problem_and_standard_options(options: object) -> None:
    record = agent(worker_options=json.dumps(options))

    assert record.options == WorkerOptions()
    assert record.problem is not None
    assert record.problem.startswith("worker_options")


@pytest.mark.parametrize("key", ["bearer_token", "signing_secret"])
def test_secret_written_into_the_row_is_refused_and_not_repeated(key: str) -> None:
    record = agent(worker_options=json.dumps({key: "hunter2"}))

    assert record.problem is not None
    assert "hunter2" not in record.problem
    assert key in record.problem


@pytest.mark.parametrize(
    "url",
    [
        "ws://127.0.0.1:8090/",
        "wss://worker.example.com/twilio?agent=1",
        "ws://[::1]:8090",
        "WSS://worker.example.com",
    ],
)
def test_websocket_addresses_are_no_problem(url: str) -> None:
    assert agent(worker_url=url).problem is None


@pytest.mark.parametrize(
    "url",
    [
        "http://127.0.0.1:8090/",
        "127.0.0.1:8090",
        "ws://",
        "ws:///path",
        "ws://host:0/",
        "ws://host:99999/",
        "ws://host:port/",
        "ws://[::1/",
        "ws://ho st/",
        "ws://host/\r\nX: 1",
        "ws://h\u00f6st/",
    ],
)
def test_agent_whose_address_is_no_websocket_has_a_problem(url: str) -> None:
    assert (agent(worker_url=url).problem or "").startswith("worker_url ")


@pytest.mark.parametrize("url", [None, ""])
def test_agent_without_an_address_has_a_problem(url: str | None) -> None:
    assert agent(worker_url=url).problem == "the agent has no worker_url"


def test_address_with_a_password_is_a_problem_before_any_call_comes() -> None:
    problem = agent(worker_url="ws://user:secret@worker.example.com/").problem

    assert problem == "worker_url must not hold a user or a password"


def test_status_of_a_later_version_is_no_active_one() -> None:
    record = agent(status="training")

    assert record.status is AgentStatus.PAUSED
    assert record.problem == "status is a word that this version does not know"


def test_all_problems_of_a_row_are_named() -> None:
    record = agent(worker_url=None, worker_options='{"abnormal_end": "retry"}')

    assert record.problem == (
        "the agent has no worker_url;"
        " worker_options.abnormal_end: input should be 'failover' or 'hangup'"
    )
