"""The closed lists that metrics use as labels."""

from __future__ import annotations

from enum import Enum

import pytest

from sip_edge.voicemail.results import GreetingSource, MessageResult, RenderResult


@pytest.mark.parametrize("kind", [MessageResult, GreetingSource, RenderResult])
def test_each_word_is_a_label(kind: type[Enum]) -> None:
    assert all(member.value == member.name.lower() for member in kind)
    assert len(kind) < 12
