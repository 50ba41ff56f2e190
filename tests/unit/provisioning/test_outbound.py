"""Which SIP credentials go with a number."""

from __future__ import annotations

import itertools

import pytest

from sip_edge.provisioning.errors import ErrorCode, ProvisioningError
from sip_edge.provisioning.outbound import (
    SIP_FIELDS,
    OutboundCredentials,
    outbound_credentials,
    without_password,
)

THEIRS = dict(zip(SIP_FIELDS, ("theirs.example", "them", "their-password"), strict=True))
OURS = {
    "TELNYX_TRUNK_ADDRESS": "ours.example",
    "TELNYX_SIP_USERNAME": "us",
    "TELNYX_SIP_PASSWORD": "our-password",
}


def test_all_three_of_the_customer_win() -> None:
    assert outbound_credentials("telnyx", THEIRS, OURS) == OutboundCredentials(
        trunk_address="theirs.example", auth_username="them", password="their-password"
    )


@pytest.mark.parametrize(
    "kept",
    [kept for size in range(3) for kept in itertools.combinations(SIP_FIELDS, size)],
)
def test_ours_are_taken_whole_and_never_mixed_with_a_customers(kept: tuple[str, ...]) -> None:
    given = {name: THEIRS[name] for name in kept}
    assert outbound_credentials("telnyx", given, OURS) == OutboundCredentials(
        trunk_address="ours.example", auth_username="us", password=None
    )


@pytest.mark.parametrize("missing", list(OURS))
def test_neither_whole_is_refused(missing: str) -> None:
    environment = {name: value for name, value in OURS.items() if name != missing}
    for config in (None, {}, THEIRS | {"auth_password": " "}, THEIRS | {"trunk_address": 5}):
        with pytest.raises(ProvisioningError) as caught:
            outbound_credentials("telnyx", config, environment)
        assert caught.value.code is ErrorCode.SIP_TRUNK_PROVISION_FAILED
        assert "their-password" not in caught.value.message
        assert "our-password" not in caught.value.message


def test_another_providers_variables_do_not_count() -> None:
    with pytest.raises(ProvisioningError):
        outbound_credentials("twilio", None, OURS)


def test_the_password_is_the_only_thing_that_is_not_kept() -> None:
    assert without_password(THEIRS | {"knob": {"a": 1}}) == {
        "trunk_address": "theirs.example",
        "auth_username": "them",
        "knob": {"a": 1},
    }
    assert without_password(None) == {}
