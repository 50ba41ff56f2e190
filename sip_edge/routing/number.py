"""Telephone numbers: from what carriers write in URIs to E.164.

With a plus sign the number is what it says, digit by digit: the carrier knows it under this name,
and no numbering plan is consulted. Without one it is read in the carrier's country:

1. it begins with 0: the country's own national or international prefix (`030…`, `00…`, `011…`);
2. it begins with the country's calling code and is possible after it: E.164 without its plus
   (`12025550199` in US, `4930123456` in DE);
3. else a number that the numbering plan calls valid, first as a national number (`2025550199` in
   US), then as another country's E.164 without plus (`442079460000` in US);
4. else a possible one, in the same order.

Rule 2 misreads a national number that is written without its prefix and happens to begin with the
calling code (`4941…` for Aurich in DE); carriers that send national numbers write the prefix, or
have a plan without such numbers (North America). Without a country only E.164 can be read.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import Final
from urllib.parse import unquote

import phonenumbers
from phonenumbers import NumberParseException, PhoneNumber, PhoneNumberFormat, ValidationResult

from sip_edge.sip.uri import OtherUri, SipUri, TelUri, Uri

MAX_TEXT_CHARACTERS: Final = 64
"""Longer user parts are no telephone numbers, whatever they hold."""

MIN_DIGITS: Final = 7
"""Shorter ones are extensions and short codes; the shortest E.164 numbers have seven digits."""

MAX_E164_DIGITS: Final = 15
"""ITU-T E.164 section 6."""

MAX_DIGITS: Final = 20
"""E.164 behind an international prefix of up to five digits."""

CACHED_NUMBERS: Final = 16_384
"""The numbering plan is asked once for each text (60 to 150 µs); two megabytes at most."""

ANONYMOUS_NUMBERS: Final = frozenset(
    {
        "+266696687",  # ANONYMOUS
        "+2562533",  # BLOCKED
        "+7378742833",  # RESTRICTED
        "+7378742883",  # RESTRICTED, as Twilio spells it
        "+86282452253",  # UNAVAILABLE
        "+8656696",  # UNKNOWN
    }
)
"""What Twilio puts in the place of a withheld caller number: words on a telephone's keys."""

_SEPARATORS: Final = str.maketrans("", "", "-.() ")
"""Visual separators (RFC 3966 section 3), and the blank of human writing."""


def called_number(candidates: Iterable[Uri], country: str | None) -> str | None:
    """The E.164 number of the first of `candidates` that holds a telephone number at all.

    The candidates are Request-URI, To and Diversion, in this order: a carrier may put a fixed user
    into the first two. `country` (ISO 3166, two letters) is where numbers without plus belong.
    """
    for uri in candidates:
        number = _number_in(uri, country)
        if number is not None:
            return number
    return None


def caller_number(candidates: Iterable[Uri], country: str | None) -> str | None:
    """The caller's E.164 number from P-Asserted-Identity and From; None if it is withheld."""
    number = called_number(candidates, country)
    return None if number in ANONYMOUS_NUMBERS else number


def normalise(text: str, country: str | None) -> str | None:
    """The E.164 number that `text` writes, with its plus; None if it is no telephone number.

    Takes what stands in a SIP URI's user part (with escapes and parameters), after `tel:`, or what
    a person types: `+1 (202) 555-0199`, `%2B12025550199`, `12025550199;npdi`, `tel:2025550199`.
    """
    if len(text) > MAX_TEXT_CHARACTERS:
        return None
    if "%" in text:
        text = unquote(text)
    if text[:4].lower() == "tel:":
        text = text[4:]
    # Parameters inside the user part (RFC 3261 section 19.1.6): `+1202…;rn=…;npdi`.
    text, _, params = text.partition(";")
    context = _global_context(params) if "phone-context" in params.lower() else None
    return _read(text, context, country)


def _number_in(uri: Uri, country: str | None) -> str | None:
    match uri:
        case SipUri(user=user):
            return None if user is None else normalise(user, country)
        case TelUri(number=number):
            context = uri.param("phone-context")
            return _read(number, context if context and context[:1] == "+" else None, country)
        case OtherUri():
            return None


def _global_context(params: str) -> str | None:
    """The value of `phone-context` if it is the beginning of a number (RFC 3966 section 5.1.5)."""
    for param in params.split(";"):
        name, _, value = param.partition("=")
        if name.strip().lower() == "phone-context" and value.startswith("+"):
            return value.strip()
    return None


def _read(text: str, context: str | None, country: str | None) -> str | None:
    """`text` without parameters and escapes, a local number within `context` if there is one."""
    if len(text) > MAX_TEXT_CHARACTERS:
        return None
    text = text.strip()
    if text.startswith("+"):
        return _with_plus(text)
    if context is not None:
        number = _with_plus(context + text)
        if number is not None and _is_possible(number):
            return number
    digits = text.translate(_SEPARATORS)
    if not (digits.isascii() and digits.isdigit() and MIN_DIGITS <= len(digits) <= MAX_DIGITS):
        return None
    return _without_plus(digits, country.upper() if country else None)


def _with_plus(text: str) -> str | None:
    # `+44 (0)20 …` is a human habit: the zero is for callers inside the country only.
    digits = text[1:].replace("(0)", "").translate(_SEPARATORS)
    if not (digits.isascii() and digits.isdigit() and MIN_DIGITS <= len(digits) <= MAX_E164_DIGITS):
        return None
    return None if digits[0] == "0" else f"+{digits}"


@lru_cache(maxsize=CACHED_NUMBERS)
def _without_plus(digits: str, country: str | None) -> str | None:
    calling_code = phonenumbers.country_code_for_region(country) if country else 0
    international = _parse(f"+{digits}", None) if digits[0] != "0" else None
    if (
        international is not None
        and international.country_code == calling_code
        and _fits(international)
    ):
        return _e164(international)
    national = _parse(digits, country) if calling_code else None
    readings = [reading for reading in (national, international) if reading is not None]
    for reading in readings:
        if phonenumbers.is_valid_number(reading):
            return _e164(reading)
    for reading in readings:
        if _fits(reading):
            return _e164(reading)
    return None


def _is_possible(number: str) -> bool:
    parsed = _parse(number, None)
    return parsed is not None and _fits(parsed)


def _parse(text: str, country: str | None) -> PhoneNumber | None:
    try:
        return phonenumbers.parse(text, country)
    except NumberParseException:
        return None


def _fits(number: PhoneNumber) -> bool:
    """True if the length is right for a whole number; a local part alone does not do."""
    return phonenumbers.is_possible_number_with_reason(number) == ValidationResult.IS_POSSIBLE


def _e164(number: PhoneNumber) -> str | None:
    text = phonenumbers.format_number(number, PhoneNumberFormat.E164)
    return text if MIN_DIGITS < len(text) <= MAX_E164_DIGITS + 1 else None
