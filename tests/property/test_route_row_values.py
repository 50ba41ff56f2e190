"""Rows of routes: any JSON and any text make a record, with a problem if they must."""

from __future__ import annotations

import json

from hypothesis import given, settings
from hypothesis import strategies as st

from sip_edge.storage.rows import agent_from_row, number_from_row

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda children: (
        st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3)
    ),
    max_leaves=8,
)
routings = json_values | st.fixed_dictionaries(
    {},
    optional={
        "agent_id": json_values | st.uuids().map(str),
        "fallback": json_values | st.fixed_dictionaries({"agent_id": json_values}),
        "voicemail_message": json_values,
    },
)
options = json_values | st.fixed_dictionaries(
    {},
    optional={
        "accept_timeout_seconds": json_values,
        "first_audio_timeout_seconds": json_values,
        "abnormal_end": json_values,
        "bearer_token": json_values | st.just("env:TOKEN"),
        "signing_secret": json_values,
    },
)


@settings(max_examples=200)
@given(routing=routings, agent_id=st.none() | st.uuids().map(str))
def test_any_routing_makes_a_record(routing: object, agent_id: str | None) -> None:
    record = number_from_row(
        {
            "id": "33333333-3333-4333-8333-333333333333",
            "phone_number": "+12025550101",
            "provider": "twilio",
            "status": "active",
            "agent_id": agent_id,
            "inbound_routing": json.dumps(routing),
            "account_sid": None,
            "max_concurrent_calls": None,
            "workspace_id": None,
        }
    )

    assert record.has_routing == (routing not in (None, {}))
    assert record.problem is None or record.problem.startswith("inbound_routing")
    if record.has_routing and record.problem is None:
        assert isinstance(routing, dict)


@settings(max_examples=200)
@given(
    worker_options=options,
    worker_url=st.none() | st.text(max_size=40) | st.text(max_size=40).map("ws://{}".format),
    status=st.sampled_from(["active", "paused", "deleted", "other"]),
)
def test_any_agent_makes_a_record(
    worker_options: object, worker_url: str | None, status: str
) -> None:
    record = agent_from_row(
        {
            "id": "3c90c3cc-0d44-4b50-8888-8dd25736052a",
            "name": "A",
            "status": status,
            "worker_url": worker_url,
            "worker_options": json.dumps(worker_options),
            "voicemail_message": None,
            "language": None,
        }
    )

    seconds = record.options.accept_timeout_seconds
    assert seconds is None or 0.05 <= seconds <= 10
    if worker_url is None or status == "other":
        assert record.problem is not None
