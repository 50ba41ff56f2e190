"""`python -m sip_edge.voicemail.render_worker`: reads text aloud in a process of its own.

Speech synthesis takes all of a core for a tenth of a second, and a library of somebody else's may
crash; neither may touch a call. The process is humble (nice 10), bounded in memory, and ends when
its standard input does, or when the process that started it does.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import signal
import sys
from collections.abc import Callable
from typing import BinaryIO, Final

from sip_edge.voicemail.engines import Engine, EngineError, load_engine
from sip_edge.voicemail.render_messages import (
    LENGTHS,
    READY,
    FrameError,
    Reply,
    Request,
    decode_lengths,
    decode_request,
    encode,
)
from sip_edge.voicemail.script import prepare, pronounceable

NICE: Final = 10
"""A tenth of what the media process gets, when both want all of a core."""
MAX_MEMORY_BYTES: Final = 1 << 30
"""A chunk takes 0.3 GB of writable memory; who needs more is out of hand."""
MAX_PROBLEM_CHARACTERS: Final = 300

_PR_SET_PDEATHSIG: Final = 1


class RenderWorker:
    """Answers requests. `load` finds the engine of a name; each is loaded once."""

    def __init__(self, load: Callable[[str], Engine]) -> None:
        self._load = load
        self._engines: dict[str, Engine] = {}

    def answer(self, request: Request) -> tuple[Reply, bytes]:
        """The reply to one request, and its sound."""
        try:
            if request.kind == "plan":
                script = prepare(request.text, request.language)
                return Reply(request.id, chunks=script.chunks, is_cut=script.is_cut), b""
            engine = self._engine(request.provider)
            if request.kind == "warm":
                return Reply(request.id), b""
            return self._speak(engine, request)
        except EngineError as error:
            text = " ".join(str(error).split())[:MAX_PROBLEM_CHARACTERS]
            return Reply(request.id, "engine_error", text), b""

    def _engine(self, provider: str) -> Engine:
        engine = self._engines.get(provider)
        if engine is None:
            engine = self._engines[provider] = self._load(provider)
        return engine

    def _speak(self, engine: Engine, request: Request) -> tuple[Reply, bytes]:
        from sip_edge.voicemail.shaping import BadSoundError, shape

        samples, rate = engine.synth(request.text, request.language, request.voice)
        try:
            sound = shape(samples, rate, characters=pronounceable(request.text))
        except BadSoundError as error:
            return Reply(request.id, "bad_sound", str(error)[:MAX_PROBLEM_CHARACTERS]), b""
        return Reply(request.id), sound


def serve(source: BinaryIO, sink: BinaryIO, worker: RenderWorker) -> None:
    """Answer all requests of `source` until it ends. Raises FrameError."""
    _send(sink, Reply(READY))
    while (request := _receive(source)) is not None:
        reply, sound = worker.answer(request)
        _send(sink, reply, sound)


def _receive(source: BinaryIO) -> Request | None:
    lengths = source.read(LENGTHS.size)
    if len(lengths) < LENGTHS.size:
        return None
    header_size, sound_size = decode_lengths(lengths)
    header = source.read(header_size)
    if len(header) < header_size or sound_size:
        raise FrameError("a request was cut short, or carries sound")
    return decode_request(header)


def _send(sink: BinaryIO, reply: Reply, sound: bytes = b"") -> None:
    sink.write(encode(reply, sound))
    sink.flush()


def become_humble(parent: int) -> None:
    """Yield to everybody, stay small, and end with `parent`, the process that started us."""
    os.nice(NICE)
    limit_memory(MAX_MEMORY_BYTES)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    # Ctrl-C at the terminal is for our parent, which ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    except (OSError, AttributeError):
        return  # Not Linux: the end of standard input has to do.
    if os.getppid() != parent:
        raise SystemExit(0)  # It ended before we could ask to be told.


def limit_memory(most: int) -> None:
    """At most so many bytes of our own memory, or fewer if that is the limit already."""
    _, hard = resource.getrlimit(resource.RLIMIT_DATA)
    limit = most if hard == resource.RLIM_INFINITY else min(most, hard)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


def take_standard_output() -> BinaryIO:
    """The pipe to our parent; what libraries print goes to standard error from now on."""
    sink = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)
    return sink


def main() -> None:
    """Serve the parent process named by `--parent`."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--parent", type=int, required=True)
    become_humble(parser.parse_args().parent)
    sink = take_standard_output()
    try:
        serve(sys.stdin.buffer, sink, RenderWorker(load_engine))
    except BrokenPipeError:
        os._exit(0)  # Nobody listens any more: nothing is left to be flushed.


if __name__ == "__main__":
    main()
