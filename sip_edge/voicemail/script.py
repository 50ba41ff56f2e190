"""From the text that somebody typed to chunks that an engine can read: cleaned, cut, spoken, split.

Chunks are short, so that the text of a call can be read between two chunks of a long one, and so
that the memory an engine needs is known.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from typing import Final

from sip_edge.voicemail.english import speak_english

MAX_TEXT_CHARACTERS: Final = 2_000
"""Two minutes of speech."""
MAX_CHUNK_CHARACTERS: Final = 200
"""A sentence or two: 300 MB of memory, a tenth of a second. 2,000 at once take a gigabyte."""
MAX_DENSE_CHUNK_CHARACTERS: Final = 80
"""The same in a script where a character is a syllable or a word."""
MAX_SPOKEN_CHARACTERS: Final = 8_000
"""After numbers were written out: somebody who wrote nothing but digits is not read to the end."""
MAX_TAG_CHARACTERS: Final = 64
"""Of a language tag; BCP 47 section 4.4.1 recommends room for 35."""
SCRIPT_VERSION: Final = 1
"""To be counted up when the same text is read differently: what was rendered before is outdated."""

_SENTENCE_END: Final = re.compile(r"(?<=[.!?…])[\"'”’)\]]{0,3}\s+|(?<=[。！？])\s*")  # noqa: RUF001
_CLAUSE_END: Final = re.compile(r"(?<=[,;:])\s+|(?<=[、，；：])\s*")  # noqa: RUF001
_WORD_END: Final = re.compile(r"\s+")
_KANA: Final = re.compile(r"[\u3040-\u30ff]")
_HAN: Final = re.compile(r"[\u3400-\u9fff]")
_HANGUL: Final = re.compile(r"[\uac00-\ud7af]")
_UNSPOKEN: Final = str.maketrans(dict.fromkeys("[]{}<>|\\^~_`", " "))
"""Some engines take these for markup of their own."""
_TAG: Final = re.compile(r"[a-z]{2,3}")


@dataclass(frozen=True, slots=True)
class Script:
    """A text ready to be read. `is_cut` if it was longer than anybody may write."""

    language: str
    chunks: tuple[str, ...]
    is_cut: bool


def bounded(text: str) -> str:
    """As much of a text as is ever looked at: one character more than is read, so that it shows.

    Half a surrogate pair, which no protocol carries, becomes a question mark.
    """
    return text[: MAX_TEXT_CHARACTERS + 1].encode(errors="replace").decode()


def language_of(text: str, tag: str | None) -> str:
    """The primary subtag of a language tag (BCP 47); without one, by the text's script."""
    subtag = re.split(r"[-_]", (tag or "")[:MAX_TAG_CHARACTERS].strip().lower(), maxsplit=1)[0]
    if _TAG.fullmatch(subtag):
        return subtag
    if _KANA.search(text):
        return "ja"
    if _HANGUL.search(text):
        return "ko"
    return "zh" if _HAN.search(text) else "en"


def prepare(text: str, tag: str | None) -> Script:
    """What an engine shall read of `text`; no chunks if there is nothing to say."""
    text = text.strip()
    is_cut = len(text) > MAX_TEXT_CHARACTERS
    language = language_of(text, tag)
    spoken = _clean(_cut(text[: MAX_TEXT_CHARACTERS + 1], MAX_TEXT_CHARACTERS))
    if language == "en":
        spoken = speak_english(spoken)
    spoken = _cut(spoken, MAX_SPOKEN_CHARACTERS)
    longest = MAX_DENSE_CHUNK_CHARACTERS if _is_dense(spoken) else MAX_CHUNK_CHARACTERS
    chunks = tuple(chunk for chunk in split(spoken, longest) if pronounceable(chunk))
    return Script(language, chunks, is_cut)


def pronounceable(text: str) -> int:
    """How many letters and digits there are to say."""
    return sum(map(str.isalnum, text))


def split(text: str, longest: int) -> list[str]:
    """Pieces of at most `longest` characters: sentences, else clauses, words, or anything."""
    return _split(text, longest, (_SENTENCE_END, _CLAUSE_END, _WORD_END))


def _split(text: str, longest: int, ends: tuple[re.Pattern[str], ...]) -> list[str]:
    if len(text) <= longest:
        return [text] if text else []
    if not ends:
        return [text[start : start + longest] for start in range(0, len(text), longest)]
    pieces: list[str] = []
    begin = 0
    for end, following in _ends(text, ends[0]):
        pieces.append(text[begin:end])
        begin = following
    packed: list[str] = []
    for piece in pieces:
        for part in _split(piece, longest, ends[1:]):
            if packed and len(packed[-1]) + 1 + len(part) <= longest:
                packed[-1] = f"{packed[-1]} {part}"
            else:
                packed.append(part)
    return packed


def _ends(text: str, end: re.Pattern[str]) -> list[tuple[int, int]]:
    """Where each piece ends, and where the one after it begins."""
    found = [
        (match.end() - len(match[0]) + len(match[0].rstrip()), match.end())
        for match in end.finditer(text)
        if 0 < match.end() < len(text)
    ]
    return [*found, (len(text), len(text))]


def _clean(text: str) -> str:
    """One line of characters that can be read; what stood on lines of its own are sentences."""
    lines = unicodedata.normalize("NFKC", text).translate(_UNSPOKEN).splitlines()
    stripped = ["".join(map(_readable, line)) for line in lines]
    sentences = [" ".join(line.split()) for line in stripped]
    return " ".join(_as_sentence(line) for line in sentences if line)


def _readable(character: str) -> str:
    """Pictures and control characters are silent; a joiner may stand between two words."""
    category = unicodedata.category(character)
    if category[0] == "C" or category == "So":
        return "" if category == "Cf" else " "
    return character


def _as_sentence(line: str) -> str:
    return line if not line[-1].isalnum() else f"{line}."


def _cut(text: str, longest: int) -> str:
    """At most `longest` characters, up to the end of a sentence if there is one."""
    if len(text) <= longest:
        return text
    return split(text, longest)[0]


def _is_dense(text: str) -> bool:
    return any(pattern.search(text) for pattern in (_KANA, _HAN, _HANGUL))
