"""From credentials, which a customer has typed, to an account."""

from __future__ import annotations

import pytest

from sip_edge.carrier_accounts.opening import CarrierDoor, is_account_sid, is_header_text
from sip_edge.provisioning.carrier_port import CarrierError, CarrierFault
from sip_edge.provisioning.values import CarrierCredentials

SID = "AC" + "0123456789abcdefABCDEF0123456789"


def credentials(provider: str, sid: str | None, secret: str = "secret") -> CarrierCredentials:
    return CarrierCredentials(provider=provider, account_sid=sid, secret=secret, metadata={})


def test_an_account_says_whose_it_is() -> None:
    assert CarrierDoor().open(credentials("twilio", SID)).account_id == SID
    assert CarrierDoor().open(credentials("telnyx", None)).account_id is None


@pytest.mark.parametrize(
    ("given", "fault"),
    [
        (credentials("twilio", None), CarrierFault.BAD_CREDENTIALS),
        (credentials("twilio", SID[:-1]), CarrierFault.BAD_CREDENTIALS),
        (credentials("twilio", "AC" + "../" * 10 + "xx"), CarrierFault.BAD_CREDENTIALS),
        (credentials("twilio", SID, "line\r\nX-Evil: 1"), CarrierFault.BAD_CREDENTIALS),
        (credentials("telnyx", None, ""), CarrierFault.BAD_CREDENTIALS),
        (credentials("telnyx", None, "naïve"), CarrierFault.BAD_CREDENTIALS),
        (credentials("vonage", None), CarrierFault.UNKNOWN),
    ],
)
def test_what_cannot_stand_in_a_url_or_a_header_is_refused_before_anything_is_sent(
    given: CarrierCredentials, fault: CarrierFault
) -> None:
    with pytest.raises(CarrierError) as caught:
        CarrierDoor().open(given)
    assert caught.value.fault is fault
    assert given.secret not in str(caught.value) or not given.secret


def test_account_sids_and_secrets() -> None:
    assert is_account_sid(SID)
    assert not is_account_sid("AP" + SID[2:])
    assert is_header_text("abc/+=")
    assert not is_header_text("a b")
