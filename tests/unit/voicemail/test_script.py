"""Texts as people type them, made into chunks that an engine can read."""

from __future__ import annotations

import pytest

from sip_edge.voicemail.script import (
    MAX_CHUNK_CHARACTERS,
    MAX_TEXT_CHARACTERS,
    bounded,
    language_of,
    prepare,
    pronounceable,
    split,
)


@pytest.mark.parametrize(
    ("text", "tag", "language"),
    [
        ("Hello", None, "en"),
        ("Hello", "", "en"),
        ("Hello", "en-US", "en"),
        ("Hello", "EN_gb", "en"),
        ("Hello", "nonsense tag", "en"),
        ("Bonjour", "fr-CA", "fr"),
        ("ただいま", None, "ja"),
        ("ただいま", "en", "en"),
        ("안녕하세요", None, "ko"),
        ("您好", None, "zh"),
    ],
)
def test_language_is_the_tags_else_the_scripts(text: str, tag: str | None, language: str) -> None:
    assert language_of(text, tag) == language


def test_text_becomes_sentences_of_words() -> None:
    script = prepare("  Hello\u200b there\t\U0001f600\n\nCall 555-0100 now", "en")

    assert script.chunks == ("Hello there. Call five five five, zero one zero zero now.",)
    assert script.language == "en"
    assert not script.is_cut


def test_no_more_of_a_text_is_looked_at_than_shows_that_it_is_too_long() -> None:
    assert bounded("a" * 1_000_000) == "a" * 2001
    assert bounded("a\ud800b") == "a?b"
    assert prepare(bounded("a" * 1_000_000), "en").is_cut


def test_markup_of_engines_is_not_passed_on() -> None:
    assert prepare("Say [hi](/x/) <b>now</b> {a|b} _c_", "en").chunks == (
        "Say hi (/x/) b now /b a b c.",
    )


def test_full_width_digits_are_digits() -> None:
    assert prepare("\uff15\uff15\uff15-\uff10\uff11\uff10\uff10", "en").chunks == (
        "five five five, zero one zero zero.",
    )


@pytest.mark.parametrize("text", ["", "  \n ", "!!!", "(((", "\U0001f600", ". . ."])
def test_text_without_a_letter_has_nothing_to_say(text: str) -> None:
    assert prepare(text, "en").chunks == ()


def test_other_languages_keep_their_numbers() -> None:
    assert prepare("電話は 03-1234-5678 です。", "ja").chunks == ("電話は 03-1234-5678 です。",)


def test_long_text_is_cut_after_a_sentence() -> None:
    sentence = "Nobody is here today. "
    script = prepare(sentence * 100, "en")

    assert script.is_cut
    assert " ".join(script.chunks) == (sentence * 90).strip()


def test_text_of_exactly_the_limit_is_not_cut() -> None:
    script = prepare("a" * MAX_TEXT_CHARACTERS, "en")

    assert not script.is_cut
    assert "".join(script.chunks) == "a" * MAX_TEXT_CHARACTERS


def test_chunks_are_short_whatever_the_text() -> None:
    for text in ("1" * 2000, "word " * 400, "a" * 2000, "9-" * 1000, "$1," * 700):
        chunks = prepare(text, "en").chunks
        assert max(map(len, chunks)) <= MAX_CHUNK_CHARACTERS


def test_split_prefers_sentences_to_clauses_to_words() -> None:
    assert split("One, two. Three, four. Five", 15) == ["One, two.", "Three, four.", "Five"]
    assert split("One, two, three four", 10) == ["One, two,", "three four"]
    assert split("one two three", 8) == ["one two", "three"]
    assert split("abcdefgh", 3) == ["abc", "def", "gh"]
    assert split("short", 10) == ["short"]
    assert split("", 10) == []


def test_split_keeps_a_quotation_mark_with_its_sentence() -> None:
    assert split('He said "hi." Then left.', 14) == ['He said "hi."', "Then left."]


def test_japanese_is_split_without_spaces() -> None:
    assert split("はい。いいえ。", 4) == ["はい。", "いいえ。"]


def test_letters_and_digits_are_counted() -> None:
    assert pronounceable("It's 5, 漢字!") == 6
