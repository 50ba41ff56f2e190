"""What may be said of the carriers' accounts and APIs."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from sip_edge.config.api import ApiSettings
from sip_edge.config.platform import CarrierUrlSettings, PlatformSettings


def test_nothing_is_sold_unless_somebody_says_where_it_is_bought() -> None:
    assert PlatformSettings().provider is None
    assert PlatformSettings(provider="telnyx").provider == "telnyx"
    with pytest.raises(ValidationError):
        PlatformSettings.model_validate({"provider": "other"})


def test_what_a_workspace_may_buy_is_bounded_by_default() -> None:
    assert PlatformSettings().max_numbers_per_workspace == 100
    with pytest.raises(ValidationError):
        PlatformSettings.model_validate({"max_numbers_per_workspace": 0})


@pytest.mark.parametrize("url", ["https://proxy.example.com/twilio", "http://127.0.0.1:4010"])
def test_an_api_may_be_somewhere_else(url: str) -> None:
    assert CarrierUrlSettings(twilio=url).twilio == url


@pytest.mark.parametrize(
    "url",
    [
        "http://api.twilio.com",
        "https://user:password@api.twilio.com",
        "https://api.twilio.com/?x=1",
        "ftp://127.0.0.1",
        "https://",
    ],
)
def test_keys_are_not_sent_where_others_can_read_them(url: str) -> None:
    with pytest.raises(ValidationError, match="must begin with https://"):
        CarrierUrlSettings(twilio=url)


@pytest.mark.parametrize("uri", ["sip:voice.example.com:5060", "sip:203.0.113.9;transport=tcp"])
def test_an_origination_uri_names_a_host(uri: str) -> None:
    assert ApiSettings(origination_uri=uri).origination_uri == uri


@pytest.mark.parametrize(
    "uri", ["voice.example.com", "sips:a", "sip:", "sip:a:0", "sip:a:x", "sip:user@a", "sip:a b"]
)
def test_an_origination_uri_that_no_carrier_takes_is_refused(uri: str) -> None:
    with pytest.raises(ValidationError, match="must be a URI"):
        ApiSettings(origination_uri=uri)
