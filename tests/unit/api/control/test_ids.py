"""Ids as clients write them."""

from __future__ import annotations

from uuid import UUID

import pytest

from sip_edge.api.control.ids import parse_id

ID = UUID("3c90c3cc-0d44-4b50-8888-8dd25736052a")


@pytest.mark.parametrize(
    "text",
    [
        "3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "3C90C3CC-0D44-4B50-8888-8DD25736052A",
        "3c90c3cc0d444b5088888dd25736052a",
        "agt_3c90c3cc-0d44-4b50-8888-8dd25736052a",
        "phn_3c90c3cc0d444b5088888dd25736052a",
        "crd_3c90c3cc-0d44-4b50-8888-8dd25736052a",
    ],
)
def test_uuid_is_read_with_and_without_the_guides_prefix(text: str) -> None:
    assert parse_id(text) == ID


@pytest.mark.parametrize(
    "text",
    [
        "", "agt_abc123", "agt_", "agt_agt_3c90c3cc0d444b5088888dd25736052a",
        "{3c90c3cc-0d44-4b50-8888-8dd25736}", "3c90c3cc-0d444b50-8888-8dd25736052a-",
        "3c90c3cc-0d44-4b50-8888-8dd25736052g", "urn:uuid:3c90c3cc0d444b5088888dd25",
    ],
)  # fmt: skip
def test_what_is_no_uuid_is_no_id(text: str) -> None:
    assert parse_id(text) is None
