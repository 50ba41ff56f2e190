"""What the engines refuse. What they say is heard in the integration test."""

from __future__ import annotations

import sys
from types import ModuleType

import numpy as np
import numpy.typing as npt
import pytest

from sip_edge.voicemail.engines import EngineError, load_engine


class FakeOpenJTalk(ModuleType):
    """The optional Japanese engine, of which a test needs no 420 MB."""

    def __init__(self) -> None:
        super().__init__("pyopenjtalk")
        self.texts: list[str] = []

    def tts(
        self, text: str, *, use_sudachi_kanji_yomi: bool, predict_nani: bool
    ) -> tuple[npt.NDArray[np.float64], int]:
        if text == "fail":
            raise RuntimeError("no phonemes")
        self.texts.append(text)
        return np.array([0.0, 16384.0, -32768.0]), 48_000


@pytest.fixture
def open_jtalk(monkeypatch: pytest.MonkeyPatch) -> FakeOpenJTalk:
    module = FakeOpenJTalk()
    monkeypatch.setitem(sys.modules, "pyopenjtalk", module)
    return module


def test_engine_that_is_not_installed_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyopenjtalk", None)

    with pytest.raises(EngineError, match="openjtalk cannot be loaded"):
        load_engine("openjtalk")


def test_engine_that_nobody_has_heard_of_is_an_error() -> None:
    with pytest.raises(EngineError, match="no speech engine 'espeak'"):
        load_engine("espeak")


def test_japanese_comes_out_at_full_scale_of_one(open_jtalk: FakeOpenJTalk) -> None:
    samples, rate = load_engine("openjtalk").synth("はい", "ja", "mei")

    assert samples.tolist() == [0.0, 0.5, -1.0]
    assert samples.dtype == np.float32
    assert rate == 48_000


def test_japanese_engine_reads_its_dictionary_before_it_is_needed(
    open_jtalk: FakeOpenJTalk,
) -> None:
    load_engine("openjtalk")

    assert len(open_jtalk.texts) == 1


@pytest.mark.parametrize(("language", "voice"), [("en", "mei"), ("ja", "other")])
def test_japanese_engine_spells_no_english(
    open_jtalk: FakeOpenJTalk, language: str, voice: str
) -> None:
    with pytest.raises(EngineError, match="speaks Japanese"):
        load_engine("openjtalk").synth("Hello", language, voice)


def test_engine_that_fails_over_a_text_is_an_error(open_jtalk: FakeOpenJTalk) -> None:
    with pytest.raises(EngineError, match="RuntimeError: no phonemes"):
        load_engine("openjtalk").synth("fail", "ja", "mei")
