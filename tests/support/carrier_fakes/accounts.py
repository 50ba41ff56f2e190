"""Our clients, pointed at the fakes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from support.carrier_fakes import telnyx, twilio

from sip_edge.carrier_accounts.opening import CarrierDoor, CarrierUrls
from sip_edge.provisioning.carrier_port import CarrierAccount
from sip_edge.provisioning.values import CarrierCredentials

ORIGINATION_URI = "sip:voice.oneinbox.ai:5060"

SHORT_SECONDS = 0.6
"""How long an answer is waited for in tests of silence."""


def door(
    fake_twilio: twilio.FakeTwilio | None = None,
    fake_telnyx: telnyx.FakeTelnyx | None = None,
    *,
    answer_seconds: float = 10.0,
) -> CarrierDoor:
    """Opens accounts at the fakes; a carrier without a fake is at an address nobody listens at."""
    nowhere = "http://127.0.0.1:9"
    return CarrierDoor(
        CarrierUrls(
            twilio_api=fake_twilio.url if fake_twilio else nowhere,
            twilio_trunking=fake_twilio.url if fake_twilio else nowhere,
            telnyx=fake_telnyx.api_url if fake_telnyx else nowhere,
        ),
        answer_seconds=answer_seconds,
    )


def twilio_credentials(secret: str = twilio.AUTH_TOKEN) -> CarrierCredentials:
    return CarrierCredentials(
        provider="twilio", account_sid=twilio.ACCOUNT_SID, secret=secret, metadata={}
    )


def telnyx_credentials(secret: str = telnyx.API_KEY) -> CarrierCredentials:
    return CarrierCredentials(provider="telnyx", account_sid=None, secret=secret, metadata={})


@asynccontextmanager
async def opened(
    the_door: CarrierDoor, credentials: CarrierCredentials
) -> AsyncIterator[CarrierAccount]:
    account = the_door.open(credentials)
    try:
        yield account
    finally:
        await account.aclose()
