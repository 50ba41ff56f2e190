"""English text as it is spoken: telephone numbers, codes, times, prices and signs, in words.

Speech engines read "(415) 555-0100" as four hundred fifteen and +12025550123 as twelve billion. So
numbers are written out before any engine sees them: telephone numbers and codes digit by digit,
times and prices as people say them. What is left (years, ordinals, small numbers) engines read
well.

Patterns have bounded repetitions only: 2,000 characters take a few milliseconds, whatever they are,
and not in the process that carries media.
"""

from __future__ import annotations

import re
from typing import Final

_DASH: Final = r"[-\u2010-\u2015]"
_HALF_DAY: Final = r"(?:\s?[ap]\.?\s?m\b\.?)"
_HOUR: Final = rf"\d{{1,2}}(?::\d{{2}})?{_HALF_DAY}?"
_WEEKDAY: Final = r"(?:Mon|Tues?|Wed(?:nes)?|Thu(?:rs?)?|Fri|Sat(?:ur)?|Sun)(?:day)?s?"

_ISO_DATE: Final = re.compile(r"(?<![\d-])\d{4}-\d{2}-\d{2}(?![\d-])")
_ALWAYS_OPEN: Final = re.compile(r"(?<![\w/])24\s?/\s?7(?![\w/])")
_HOUR_RANGE: Final = re.compile(
    rf"(?<![\w:.,$£€+-])({_HOUR})\s?{_DASH}\s?(?={_HOUR}(?![\w:]|{_DASH}))", re.IGNORECASE
)
_TIME: Final = re.compile(
    rf"(?<![\d:.,$£€])(\d{{1,2}}):(\d{{2}})({_HALF_DAY})?(?![\d:])", re.IGNORECASE
)
_WHOLE_HOUR: Final = re.compile(rf"(?<![\d:.,$£€])(\d{{1,2}})({_HALF_DAY})(?![\w])", re.IGNORECASE)
_WEEKDAY_RANGE: Final = re.compile(rf"\b({_WEEKDAY})\.?\s?{_DASH}\s?({_WEEKDAY})\b\.?")
_PRICE: Final = re.compile(
    r"([$£€])\s?(\d{1,3}(?:,\d{3}){1,3}|\d{1,12})(?:\.(\d{1,2}))?(?![\d,]*\d)"
    r"(?:\s?(thousand|million|billion|k\b|m\b|bn\b))?",
    re.IGNORECASE,
)
_EXTENSION: Final = re.compile(r"\b(?:extension|extn?|x)\.?\s?(\d{1,8})\b", re.IGNORECASE)
_VANITY: Final = re.compile(rf"(?<![\w-])1{_DASH}(\d{{3}}){_DASH}([A-Z]{{3,12}})\b")
_TELEPHONE: Final = re.compile(
    r"(?<![\w.,$£€+])(?:\+|\(\+)?\(?\d[\d ().\u00a0\-\u2010-\u2015]{4,26}\d(?![\w%]|[.,]\d)"
)
_LONG_NUMBER: Final = re.compile(r"(?<![\w.,$£€])(?:\d{5,40}|0\d{1,40})(?![\w:]|[.,]\d)")
_NUMBER_SIGN: Final = re.compile(r"#(?=\d)")
_POUND_KEY: Final = re.compile(r"#(?!\w)")
_STAR_KEY: Final = re.compile(r"(?<!\S)\*(?=[\s.,;:!?]|$)")
_DIGITS: Final = re.compile(r"\d+")
_YEAR: Final = re.compile(r"(?:19|20)\d\d")

_CURRENCIES: Final = {
    "$": ("dollar", "dollars", "cent", "cents"),
    "£": ("pound", "pounds", "penny", "pence"),
    "€": ("euro", "euros", "cent", "cents"),
}
_MAGNITUDES: Final = {"k": "thousand", "m": "million", "bn": "billion"}
_WEEKDAYS: Final = {
    name[:2].lower(): name
    for name in ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
}
_ONES: Final = [
    "zero",
    "one",
    "two",
    "three",
    "four",
    "five",
    "six",
    "seven",
    "eight",
    "nine",
    "ten",
    "eleven",
    "twelve",
    "thirteen",
    "fourteen",
    "fifteen",
    "sixteen",
    "seventeen",
    "eighteen",
    "nineteen",
]
_TENS: Final = [
    "_",
    "_",
    "twenty",
    "thirty",
    "forty",
    "fifty",
    "sixty",
    "seventy",
    "eighty",
    "ninety",
]
_SCALES: Final = ((10**9, "billion"), (10**6, "million"), (1000, "thousand"))

FEWEST_DIGITS: Final = 7
MOST_DIGITS: Final = 19
"""From a local telephone number to the longest card number; E.164 has fifteen digits at most."""


def speak_english(text: str) -> str:
    """`text` with its numbers and signs written out, for an English voice."""
    text = _ISO_DATE.sub(_date, text)
    text = _ALWAYS_OPEN.sub("twenty-four seven", text)
    text = _HOUR_RANGE.sub(r"\1 to ", text)
    text = _TIME.sub(_time, text)
    text = _WHOLE_HOUR.sub(_whole_hour, text)
    text = _WEEKDAY_RANGE.sub(_weekdays, text)
    text = _PRICE.sub(_price, text)
    text = _VANITY.sub(lambda found: f"one, {digits(found[1])}, {found[2]}", text)
    text = _EXTENSION.sub(lambda found: f"extension {digits(found[1])}", text)
    text = _TELEPHONE.sub(_telephone, text)
    text = _LONG_NUMBER.sub(lambda found: _grouped(found[0]), text)
    text = _NUMBER_SIGN.sub("number ", text)
    text = _POUND_KEY.sub(" pound", text)
    text = _STAR_KEY.sub("star", text)
    text = text.replace("*", " ").replace("&", " and ").replace("#", " ")
    return " ".join(text.split()).replace(" ,", ",").replace(" .", ".")


def digits(number: str) -> str:
    """One digit after the other: `415` is "four one five"."""
    return " ".join(_ONES[int(digit)] for digit in number)


def cardinal(number: int) -> str:
    """A number below a million million in words."""
    for size, name in _SCALES:
        if number >= size:
            rest = f" {cardinal(number % size)}" if number % size else ""
            return f"{cardinal(number // size)} {name}{rest}"
    if number >= 100:
        rest = f" {cardinal(number % 100)}" if number % 100 else ""
        return f"{_ONES[number // 100]} hundred{rest}"
    if number < 20:
        return _ONES[number]
    return _TENS[number // 10] + (f"-{_ONES[number % 10]}" if number % 10 else "")


def _date(found: re.Match[str]) -> str:
    """2025-12-24 is no telephone number; engines read dates with strokes: 12/24/2025."""
    year, month, day = found[0].split("-")
    return f"{int(month)}/{int(day)}/{year}"


def _time(found: re.Match[str]) -> str:
    hour, minute = int(found[1]), int(found[2])
    if hour > 24 or minute > 59:
        return found[0]
    return _clock(hour, minute, found[3])


def _whole_hour(found: re.Match[str]) -> str:
    hour = int(found[1])
    return _clock(hour, 0, found[2]) if 1 <= hour <= 12 else found[0]


def _clock(hour: int, minute: int, half_day: str | None) -> str:
    """A time of the day; the afternoon of a 24-hour clock is PM."""
    suffix = "" if half_day is None else ("AM" if "a" in half_day.lower() else "PM")
    if not suffix and hour in (0, 24):
        hour, suffix = 12, "AM"
    elif not suffix and hour > 12:
        hour, suffix = hour - 12, "PM"
    words = _ONES[hour] if hour < 20 else cardinal(hour)
    if minute:
        words += f" oh {_ONES[minute]}" if minute < 10 else f" {cardinal(minute)}"
    elif not suffix:
        words += " o'clock"
    # "5 p.m." at the end of a sentence has one full stop for two purposes.
    stop = "." if half_day is not None and half_day.endswith(".") and _ends(half_day) else ""
    return f"{words} {suffix}{stop}".rstrip()


def _ends(half_day: str) -> bool:
    """True for "pm." but not for "p.m.", whose last full stop belongs to it."""
    return half_day.count(".") == 1


def _weekdays(found: re.Match[str]) -> str:
    first, last = (_WEEKDAYS[found[group][:2].lower()] for group in (1, 2))
    return f"{first} to {last}"


def _price(found: re.Match[str]) -> str:
    one, many, small_one, small_many = _CURRENCIES[found[1]]
    whole = int(found[2].replace(",", ""))
    magnitude = found[4]
    if magnitude is not None:
        name = _MAGNITUDES.get(magnitude.lower(), magnitude.lower())
        point = f" point {digits(found[3])}" if found[3] else ""
        return f"{cardinal(whole)}{point} {name} {many}"
    small = int(found[3].ljust(2, "0")) if found[3] else 0
    parts = []
    if whole or not small:
        parts.append(f"{cardinal(whole)} {one if whole == 1 else many}")
    if small:
        parts.append(f"{cardinal(small)} {small_one if small == 1 else small_many}")
    return " and ".join(parts)


def _telephone(found: re.Match[str]) -> str:
    written = found[0]
    groups = _DIGITS.findall(written)
    count = sum(map(len, groups))
    if not FEWEST_DIGITS <= count <= MOST_DIGITS or _is_something_else(written, groups):
        return written
    plus = "plus " if "+" in written else ""
    return plus + ", ".join(_grouped(group, is_whole=len(groups) == 1) for group in groups)


def _is_something_else(written: str, groups: list[str]) -> bool:
    """A decimal number, a date such as 24.12.2025, a list of years."""
    separators = set(_DIGITS.sub("", written).strip("+()"))
    if separators == {"."} and (len(groups) == 2 and min(map(len, groups)) < 3):
        return True
    lengths = [len(group) for group in groups]
    if separators == {"."} and lengths in ([1, 1, 4], [1, 2, 4], [2, 1, 4], [2, 2, 4]):
        return True
    return "+" not in written and len(groups) > 1 and all(map(_YEAR.fullmatch, groups))


def _grouped(number: str, *, is_whole: bool = True) -> str:
    """Digits with a pause where people make one."""
    length = len(number)
    if length <= 5:
        return digits(number)
    if is_whole and length == 11 and number[0] == "1":
        cuts = [1, 4, 7, 11]
    elif length in (7, 10):
        cuts = [*range(3, length - 3, 3), length]
    else:
        cuts = [*range(3, length - 1, 3), length]
    parts, start = [], 0
    for cut in cuts:
        parts.append(digits(number[start:cut]))
        start = cut
    return ", ".join(parts)
