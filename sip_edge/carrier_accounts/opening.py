"""Which client speaks with which carrier: from credentials to an account."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from sip_edge.carrier_accounts import telnyx, twilio
from sip_edge.carrier_accounts.http import ANSWER_SECONDS, CarrierHttp
from sip_edge.provisioning.carrier_port import CarrierAccount, CarrierError, CarrierFault
from sip_edge.provisioning.values import CarrierCredentials

_SID_CHARACTERS: Final = 34
"""`AC` and 32 hexadecimal digits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CarrierUrls:
    """Where the carriers' APIs are. Only a configuration may say something else than the truth."""

    twilio_api: str = twilio.API_URL
    twilio_trunking: str = twilio.TRUNKING_URL
    telnyx: str = telnyx.API_URL


class CarrierDoor:
    """Opens accounts: the port `number_ports.CarrierAccounts`."""

    def __init__(
        self, urls: CarrierUrls | None = None, *, answer_seconds: float = ANSWER_SECONDS
    ) -> None:
        self._urls = urls or CarrierUrls()
        self._answer_seconds = answer_seconds

    def open(self, credentials: CarrierCredentials) -> CarrierAccount:
        """The account of these credentials, which are not tried. Raises CarrierError.

        To be closed with `aclose` by whoever opened it.
        """
        if not is_header_text(credentials.secret):
            raise CarrierError(CarrierFault.BAD_CREDENTIALS, "the secret cannot stand in a header")
        match credentials.provider:
            case "twilio":
                return self._twilio(credentials)
            case "telnyx":
                return self._telnyx(credentials)
            case _:
                raise CarrierError(CarrierFault.UNKNOWN, "there is no client for this provider")

    def _twilio(self, credentials: CarrierCredentials) -> CarrierAccount:
        sid = credentials.account_sid or ""
        # It becomes a part of a URL, and comes from a customer.
        if not is_account_sid(sid):
            raise CarrierError(CarrierFault.BAD_CREDENTIALS, "this is no account SID of Twilio's")
        http = CarrierHttp(
            name="Twilio",
            explain=twilio.explain,
            login=(sid, credentials.secret),
            answer_seconds=self._answer_seconds,
        )
        return twilio.TwilioAccount(
            http,
            account_sid=sid,
            api_url=self._urls.twilio_api,
            trunking_url=self._urls.twilio_trunking,
        )

    def _telnyx(self, credentials: CarrierCredentials) -> CarrierAccount:
        http = CarrierHttp(
            name="Telnyx",
            explain=telnyx.explain,
            headers={"Authorization": f"Bearer {credentials.secret}"},
            answer_seconds=self._answer_seconds,
        )
        return telnyx.TelnyxAccount(
            http, account_id=credentials.account_sid, api_url=self._urls.telnyx
        )


def is_account_sid(text: str) -> bool:
    """True for `AC` and 32 hexadecimal digits."""
    digits = text[2:].lower()
    return (
        text[:2] == "AC"
        and len(text) == _SID_CHARACTERS
        and all(digit in "0123456789abcdef" for digit in digits)
    )


def is_header_text(text: str) -> bool:
    """True if a secret is visible ASCII: anything else could end the header it stands in."""
    return bool(text) and text.isascii() and text.isprintable() and " " not in text
