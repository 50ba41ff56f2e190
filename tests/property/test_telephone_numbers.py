"""Reading numbers: any text is survived, and what comes out is E.164."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from sip_edge.routing.number import normalise

E164 = re.compile(r"\+[1-9][0-9]{6,14}")

countries = st.sampled_from([None, "US", "DE", "GB", "IT", "RU", "JP", "MX", "us", "XX", ""])
dialled = st.text(alphabet="+0123456789-.() ;%=abcdefnprh", max_size=40)


@settings(max_examples=200)
@given(text=st.one_of(st.text(max_size=80), dialled), country=countries)
def test_any_text_is_a_number_in_e164_or_none(text: str, country: str | None) -> None:
    number = normalise(text, country)

    assert number is None or E164.fullmatch(number)


@settings(max_examples=200)
@given(text=dialled, country=countries)
def test_a_number_that_was_read_reads_as_itself(text: str, country: str | None) -> None:
    number = normalise(text, country)

    assert number is None or normalise(number, country) == number
