"""The kinds of values that settings have."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

import pytest
from pydantic import TypeAdapter, ValidationError

from sip_edge.config.fields import (
    CarrierName,
    HeaderName,
    NetworkList,
    NumericAddress,
    Port,
    Seconds,
    Status,
    VisibleText,
    without_password,
)


@pytest.mark.parametrize(
    ("kind", "given", "kept"),
    [
        (Port, 0, 0),
        (Port, "65535", 65535),
        (Seconds, "0.9", 0.9),
        (Status, 400, 400),
        (Status, 699, 699),
        (NumericAddress, "localhost", "127.0.0.1"),
        (NumericAddress, "[2001:DB8::1]", "2001:db8::1"),
        (HeaderName, "x-twilio-callsid", "x-twilio-callsid"),
        (VisibleText, "sip-edge/1.0 (lab)", "sip-edge/1.0 (lab)"),
        (CarrierName, "twilio-us_1", "twilio-us_1"),
        (NetworkList, ["192.0.2.7"], (IPv4Network("192.0.2.7/32"),)),
        (NetworkList, "192.0.2.0/24, ::1", (IPv4Network("192.0.2.0/24"), IPv6Network("::1/128"))),
        (NetworkList, '["192.0.2.0/24"]', (IPv4Network("192.0.2.0/24"),)),
        (NetworkList, "", ()),
    ],
)
def test_value_is_kept_in_its_plainest_form(kind: object, given: object, kept: object) -> None:
    assert TypeAdapter(kind).validate_python(given) == kept


@pytest.mark.parametrize(
    ("kind", "given"),
    [
        (Port, -1),
        (Port, 65536),
        (Port, True),
        (Seconds, 0),
        (Seconds, "nan"),
        (Seconds, 86401),
        (Status, 302),
        (Status, 700),
        (NumericAddress, "edge.example.com"),
        (NumericAddress, "192.0.2.256"),
        (HeaderName, "Via"),
        (HeaderName, "X-"),
        (HeaderName, "X-Case: 1\r\nEvil"),
        (VisibleText, "two\nlines"),
        (VisibleText, ""),
        (VisibleText, "ü"),
        (CarrierName, "Twilio"),
        (CarrierName, "a.b"),
        (CarrierName, ""),
        (NetworkList, ["10.0.0.1/8"]),
        (NetworkList, [7]),
    ],
)
def test_value_that_makes_no_sense_is_refused(kind: object, given: object) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(given)


@pytest.mark.parametrize(
    ("dsn", "shown"),
    [
        ("postgresql://u:p@db:5432/edge", "postgresql://u:***@db:5432/edge"),
        ("postgresql://u:p@a:1,b:2/edge", "postgresql://u:***@a:1,b:2/edge"),
        ("postgresql://u:p:q@r@db/edge", "postgresql://u:***@db/edge"),
        ("postgres://u@db/edge?password=p", "postgres://u@db/edge"),
        ("postgresql:///edge?host=/run/postgresql", "postgresql:///edge"),
        ("mysql://u:p@db/edge", None),
        ("postgresql://[::1", None),
        ("host=db password=p", None),
    ],
)
def test_url_of_a_database_is_shown_without_its_password(dsn: str, shown: str | None) -> None:
    assert without_password(dsn) == shown
