"""What the render worker answers, in this process and without a speech engine."""

from __future__ import annotations

import io
import os
import resource
import subprocess
import sys

import numpy as np
import numpy.typing as npt
import pytest

from sip_edge.voicemail.engines import Engine, EngineError
from sip_edge.voicemail.render_messages import (
    LENGTHS,
    FrameError,
    Reply,
    Request,
    decode_lengths,
    decode_reply,
    encode,
)
from sip_edge.voicemail.render_worker import RenderWorker, serve


class Engines:
    """Engines that hum as many seconds as the test wants, and how often they were loaded."""

    def __init__(self, seconds: float = 1.0) -> None:
        self.seconds = seconds
        self.loaded: list[str] = []

    def load(self, provider: str) -> Engine:
        self.loaded.append(provider)
        if provider == "missing":
            raise EngineError("missing cannot be loaded:\nno such thing")
        return self

    def synth(self, text: str, language: str, voice: str) -> tuple[npt.NDArray[np.float32], int]:
        if text == "fail":
            raise EngineError("it failed")
        time = np.arange(round(self.seconds * 24_000)) / 24_000
        return np.sin(2 * np.pi * 440 * time).astype(np.float32), 24_000


def speak(text: str, provider: str = "hum") -> Request:
    return Request(7, "speak", text, "en", provider, "heart")


def replies(data: bytes) -> list[tuple[Reply, int]]:
    """All replies, each with the size of its sound."""
    found = []
    while data:
        header, sound = decode_lengths(data[: LENGTHS.size])
        found.append((decode_reply(data[8 : 8 + header]), sound))
        data = data[8 + header + sound :]
    return found


def test_a_chunk_is_answered_with_its_sound() -> None:
    reply, sound = RenderWorker(Engines().load).answer(speak("Good morning."))

    assert reply == Reply(7)
    assert len(sound) / 8000 == pytest.approx(1.26, abs=0.02)


def test_a_text_is_answered_with_its_chunks() -> None:
    request = Request(7, "plan", "Call 555-0100." + " Again." * 50, "en")

    reply, sound = RenderWorker(Engines().load).answer(request)

    assert reply.chunks[0].startswith("Call five five five, zero one zero zero. Again.")
    assert len(reply.chunks) == 2
    assert sound == b""


def test_an_engine_is_loaded_once_and_can_be_loaded_early() -> None:
    engines = Engines()
    worker = RenderWorker(engines.load)

    assert worker.answer(Request(1, "warm", provider="hum")) == (Reply(1), b"")
    worker.answer(speak("Good morning."))
    worker.answer(speak("Good evening."))

    assert engines.loaded == ["hum"]


@pytest.mark.parametrize(
    ("request_", "problem"),
    [
        (speak("fail"), "it failed"),
        (speak("Hello.", "missing"), "missing cannot be loaded: no such thing"),
        (Request(7, "warm", provider="missing"), "missing cannot be loaded: no such thing"),
    ],
)
def test_an_engine_that_fails_is_an_answer(request_: Request, problem: str) -> None:
    reply, sound = RenderWorker(Engines().load).answer(request_)

    assert reply == Reply(7, "engine_error", problem)
    assert sound == b""


def test_sound_that_cannot_be_the_text_is_an_answer() -> None:
    reply, _ = RenderWorker(Engines(seconds=0.0).load).answer(speak("Good morning."))

    assert reply == Reply(7, "bad_sound", "0.00 s of sound for 11 characters")


def test_it_says_that_it_is_there_and_answers_until_its_input_ends() -> None:
    sink = io.BytesIO()
    source = io.BytesIO(encode(speak("One.")) + encode(speak("Two.")))

    serve(source, sink, RenderWorker(Engines().load))

    assert [(reply.id, sound > 0) for reply, sound in replies(sink.getvalue())] == [
        (0, False),
        (7, True),
        (7, True),
    ]


@pytest.mark.parametrize("data", [encode(speak("One."))[:-1], encode(speak("One."), b"sound")])
def test_input_that_is_no_request_ends_it(data: bytes) -> None:
    with pytest.raises(FrameError):
        serve(io.BytesIO(data), io.BytesIO(), RenderWorker(Engines().load))


def test_process_is_humble_and_ends_with_its_input() -> None:
    code = (
        "import os, resource\n"
        "from sip_edge.voicemail.render_worker import become_humble\n"
        "become_humble(os.getppid())\n"
        "print(os.nice(0), *resource.getrlimit(resource.RLIMIT_DATA))\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=True
    )

    assert done.stdout.split()[1:] == ["1073741824", "1073741824"]
    assert int(done.stdout.split()[0]) == os.nice(0) + 10
    assert resource.getrlimit(resource.RLIMIT_DATA)[0] == resource.RLIM_INFINITY


def test_what_libraries_print_is_kept_out_of_the_frames() -> None:
    code = (
        "from sip_edge.voicemail.render_worker import take_standard_output\n"
        "sink = take_standard_output()\n"
        "print('a warning of somebody', flush=True)\n"
        "sink.write(b'a frame')\n"
        "sink.flush()\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, timeout=60, check=True)

    assert done.stdout == b"a frame"
    assert done.stderr == b"a warning of somebody\n"


def test_process_whose_parent_is_gone_ends_at_once() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sip_edge.voicemail.render_worker", "--parent", "1"],
        stdin=subprocess.PIPE,
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert (done.returncode, done.stdout) == (0, b"")


def test_process_ends_when_its_input_does_and_prints_only_frames() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "sip_edge.voicemail.render_worker", "--parent", str(os.getpid())],
        input=encode(Request(1, "plan", "Hello.", "en")),
        capture_output=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 0
    assert [reply for reply, _ in replies(done.stdout)] == [Reply(0), Reply(1, chunks=("Hello.",))]
