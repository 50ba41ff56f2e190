"""What carriers answer, when it is not what it should be."""

from __future__ import annotations

import pytest

from sip_edge.carrier_accounts import fields


def test_values_of_the_right_kind_are_read() -> None:
    row = {"sid": "PN0123", "on": True, "in": {"a": 1}, "rows": [{"b": 2}, 3], "n": "+12025550100"}
    assert fields.identifier(row, "sid") == "PN0123"
    assert fields.flag(row, "on") is True
    assert fields.inner(row, "in") == {"a": 1}
    assert list(fields.items(row, "rows")) == [{"b": 2}]
    assert fields.e164(row, "n") == "+12025550100"


@pytest.mark.parametrize("value", [None, 5, "", [], {}, "x" * 300])
def test_anything_else_is_nothing(value: object) -> None:
    row = {"key": value}
    assert fields.text(row, "key") is None
    assert fields.flag(row, "key") is None
    assert list(fields.items(row, "key")) == []
    assert fields.inner({"key": 5}, "key") == {}


@pytest.mark.parametrize("text", ["../x", "a/b", "a?b", "a b", "ä", "x" * 65, "-"])
def test_an_id_that_would_change_a_url_is_none(text: str) -> None:
    assert fields.identifier({"id": text}, "id") is None


def test_a_trunks_name_says_where_it_leads_and_is_short_enough() -> None:
    assert fields.trunk_name("sip:Voice.example.com:5060") == "OneInbox-voice-example-com-5060"
    assert len(fields.trunk_name("sip:" + "a" * 253)) == 64


@pytest.mark.parametrize("text", ["12025550100", "+", "+1", "+1-202", "+1234567890123456", "+١٢٣"])
def test_a_number_is_e164_or_nothing(text: str) -> None:
    assert fields.e164({"n": text}, "n") is None
