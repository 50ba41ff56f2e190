from __future__ import annotations

from typing import Any
from uuid import uuid4

import pytest
from pydantic import ValidationError

from sip_edge.api.control.number_schemas import PhoneNumberRegister

AGENT = str(uuid4())
TRUNK = {"trunk_address": "t.example.com", "auth_username": "user", "auth_password": "secret"}


def body(**changes: Any) -> dict[str, Any]:
    registered = {"phone_number": "+12025550100", "provider": "twilio", "agent_id": AGENT}
    return {**registered, "provider_config": TRUNK, **changes}


@pytest.mark.parametrize(
    ("changes", "where"),
    [
        ({"friendly_name": "x" * 201}, "friendly_name"),
        ({"provider_config": {**TRUNK, "trunk_address": "a\r\nX-Evil: 1"}}, "trunk_address"),
        ({"provider_config": {**TRUNK, "auth_username": "a\tb"}}, "auth_username"),
        ({"provider_config": {**TRUNK, "auth_password": "x" * 256}}, "auth_password"),
        (
            {"inbound_routing": {"agent_id": AGENT, "voicemail_message": "x" * 2_001}},
            "voicemail_message",
        ),
        ({"phone_number": "+1\u0662025550100"}, "phone_number"),
    ],
)
def test_what_nobody_could_use_is_refused_where_it_stands(
    changes: dict[str, Any], where: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        PhoneNumberRegister.model_validate(body(**changes))

    assert [problem["loc"][-1] for problem in caught.value.errors()] == [where]
    assert "secret" not in str(caught.value)


def test_longest_values_are_taken() -> None:
    message = {"agent_id": AGENT, "voicemail_message": "x" * 2_000}
    taken = PhoneNumberRegister.model_validate(
        body(friendly_name="x" * 200, inbound_routing=message)
    )

    assert taken.inbound_routing is not None
    assert taken.inbound_routing.voicemail_message == "x" * 2_000
