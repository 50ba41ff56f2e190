"""Reads a Dockerfile: its stages, and the instructions of each. No engine needed."""

from __future__ import annotations

import json
import shlex
from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True)
class Instruction:
    """One instruction, its lines joined; `rest` is everything after the word."""

    word: str
    rest: str

    @property
    def words(self) -> list[str]:
        """The arguments, of the JSON form or split as a shell does."""
        if self.rest.startswith("["):
            words: list[str] = json.loads(self.rest)
            return words
        return shlex.split(self.rest)

    @property
    def flags(self) -> dict[str, str]:
        """`--name=value` before the arguments."""
        flags = {}
        for word in self.rest.split():
            if not word.startswith("--"):
                break
            name, _, value = word[2:].partition("=")
            flags[name] = value
        return flags

    @property
    def unflagged(self) -> str:
        """`rest` without the flags in front."""
        rest = self.rest
        while rest.startswith("--"):
            rest = rest.split(None, 1)[1]
        return rest


@dataclass
class Stage:
    """What follows a FROM."""

    base: str
    name: str
    instructions: list[Instruction] = field(default_factory=list)

    def all(self, word: str) -> list[Instruction]:
        """The instructions of one kind."""
        return [each for each in self.instructions if each.word == word]

    def last(self, word: str) -> Instruction:
        """The one that counts where only the last does."""
        return self.all(word)[-1]


def read_dockerfile(path: Path) -> list[Stage]:
    """The stages, in order."""
    stages: list[Stage] = []
    for instruction in _instructions(path.read_text()):
        if instruction.word == "FROM":
            base, *alias = instruction.words
            stages.append(Stage(base, alias[1] if alias else ""))
        else:
            stages[-1].instructions.append(instruction)
    return stages


def _instructions(text: str) -> list[Instruction]:
    instructions = []
    joined = ""
    for line in text.splitlines():
        if line.lstrip().startswith("#") or not line.strip():
            continue
        joined += line.removesuffix("\\")
        if not line.endswith("\\"):
            word, _, rest = joined.strip().partition(" ")
            instructions.append(Instruction(word.upper(), " ".join(rest.split())))
            joined = ""
    return instructions
