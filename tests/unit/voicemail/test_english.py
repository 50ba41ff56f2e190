"""What is written, and what is said."""

from __future__ import annotations

import pytest

from sip_edge.voicemail.english import cardinal, digits, speak_english


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("Call (415) 555-0100.", "Call four one five, five five five, zero one zero zero."),
        ("+12025550123", "plus one, two zero two, five five five, zero one two three"),
        ("+1 (202) 555-0123", "plus one, two zero two, five five five, zero one two three"),
        ("202-555-0123", "two zero two, five five five, zero one two three"),
        ("202.555.0123", "two zero two, five five five, zero one two three"),
        ("2025550123", "two zero two, five five five, zero one two three"),
        ("555-0123", "five five five, zero one two three"),
        ("5550123", "five five five, zero one two three"),
        ("1-800-555-0199", "one, eight zero zero, five five five, zero one nine nine"),
        ("1-800-FLOWERS", "one, eight zero zero, FLOWERS"),
        ("+44 20 7946 0958", "plus four four, two zero, seven nine four six, zero nine five eight"),
        ("+442079460958", "plus four four two, zero seven nine, four six zero, nine five eight"),
        ("9123 4567", "nine one two three, four five six seven"),
        ("555-0123 ext. 42", "five five five, zero one two three extension four two"),
        ("555-0123 x42", "five five five, zero one two three extension four two"),
        (
            "4111 1111 1111 1111",
            "four one one one, one one one one, one one one one, one one one one",
        ),
    ],
)
def test_telephone_numbers_are_spoken_digit_by_digit(written: str, spoken: str) -> None:
    assert speak_english(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("ZIP 94103", "ZIP nine four one zero three"),
        ("agent 007", "agent zero zero seven"),
        ("PIN 012345", "PIN zero one two, three four five"),
        ("in 2024", "in 2024"),
        ("1999-2003", "1999-2003"),
        ("10,000 people", "10,000 people"),
        ("3.14159265", "3.14159265"),
        ("100%", "100%"),
        ("room 42", "room 42"),
        ("2025-12-24", "12/24/2025"),
        ("24.12.2025", "24.12.2025"),
        ("12/24/2025", "12/24/2025"),
        ("3rd floor", "3rd floor"),
    ],
)
def test_codes_are_spelled_and_numbers_are_left_to_the_engine(written: str, spoken: str) -> None:
    assert speak_english(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("9:30 am", "nine thirty AM"),
        ("9:05 AM", "nine oh five AM"),
        ("9am", "nine AM"),
        ("5 p.m.", "five PM"),
        ("Until 5pm.", "Until five PM."),
        ("from 5 p.m. on", "from five PM on"),
        ("17:00", "five PM"),
        ("9:00", "nine o'clock"),
        ("12:00", "twelve o'clock"),
        ("00:30", "twelve thirty AM"),
        ("9am-5pm", "nine AM to five PM"),
        ("9:00 \u2013 17:30", "nine o'clock to five thirty PM"),
        ("9-5", "9 to 5"),
        ("Mon-Fri", "Monday to Friday"),
        ("Sat.-Sun.", "Saturday to Sunday"),
        ("Monday-Friday", "Monday to Friday"),
        ("24/7", "twenty-four seven"),
        ("25:99", "25:99"),
        ("I am 5", "I am 5"),
    ],
)
def test_times_are_spoken_as_people_say_them(written: str, spoken: str) -> None:
    assert speak_english(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("$5.99", "five dollars and ninety-nine cents"),
        ("$1", "one dollar"),
        ("$1.01", "one dollar and one cent"),
        ("$0.50", "fifty cents"),
        ("£0.01", "one penny"),
        ("£3.5", "three pounds and fifty pence"),
        ("€20", "twenty euros"),
        ("$1,250", "one thousand two hundred fifty dollars"),
        ("$20,000.00", "twenty thousand dollars"),
        ("$3.5 million", "three point five million dollars"),
        ("$10k", "ten thousand dollars"),
        ("$0", "zero dollars"),
    ],
)
def test_prices_are_spoken_in_words(written: str, spoken: str) -> None:
    assert speak_english(written) == spoken


@pytest.mark.parametrize(
    ("written", "spoken"),
    [
        ("press # or *.", "press pound or star."),
        ("#5", "number 5"),
        ("O'Brien & Sons", "O'Brien and Sons"),
        ("a *bold* word", "a bold word"),
        ("", ""),
    ],
)
def test_signs_are_spoken_or_left_out(written: str, spoken: str) -> None:
    assert speak_english(written) == spoken


@pytest.mark.parametrize(
    ("number", "words"),
    [
        (0, "zero"),
        (13, "thirteen"),
        (40, "forty"),
        (99, "ninety-nine"),
        (100, "one hundred"),
        (999, "nine hundred ninety-nine"),
        (1_000_001, "one million one"),
        (2_000_000_000, "two billion"),
    ],
)
def test_cardinal_numbers(number: int, words: str) -> None:
    assert cardinal(number) == words


def test_digits_are_spoken_one_by_one() -> None:
    assert digits("0198") == "zero one nine eight"
