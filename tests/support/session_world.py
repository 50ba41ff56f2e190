"""A worker's session with everything around it, in memory."""

from __future__ import annotations

import json
from base64 import b64encode
from typing import Any

from support.gateway import CountingObserver
from support.offers import AGENT_ID, ScriptedAudio, agent_offer
from support.scheduler import ManualScheduler

from sip_edge.agents.counters import Counted
from sip_edge.agents.session import WorkerSession
from sip_edge.agents.settings import WorkerSettings

SETTINGS = WorkerSettings(
    malformed_limit=3,
    malformed_window_seconds=10.0,
    max_ahead_seconds=10.0,
    max_early_seconds=1.0,
    max_marks=5,
    stalled_seconds=10.0,
)
FRAME = b"\xff" * 160


class FakeLink:
    """A connection that writes down what it is asked to do."""

    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []
        self.closed_with: int | None = None
        self.is_aborted = False

    @property
    def events(self) -> list[str]:
        return [message["event"] for message in self.messages]

    def send(self, message: bytes) -> None:
        assert self.closed_with is None
        self.messages.append(json.loads(message))

    def close(self, code: int) -> None:
        self.closed_with = code

    def abort(self) -> None:
        self.is_aborted = True


class World:
    """A session with everything around it."""

    def __init__(
        self,
        *,
        settings: WorkerSettings = SETTINGS,
        first_audio_timeout_seconds: float | None = None,
    ) -> None:
        self.link = FakeLink()
        self.audio = ScriptedAudio()
        self.time = ManualScheduler()
        self.observer = CountingObserver()
        self.session = WorkerSession(
            agent_id=AGENT_ID,
            offer=agent_offer(),
            settings=settings,
            first_audio_timeout_seconds=first_audio_timeout_seconds,
            observer=self.observer,
            scheduler=self.time,
        )
        self.session.writer.opening({})

    def worker_says(self, event: str, **members: object) -> None:
        self.session.receive(json.dumps({"event": event, **members}).encode())

    def worker_plays(self, ulaw: bytes) -> None:
        self.worker_says("media", media={"payload": b64encode(ulaw).decode()})

    def worker_marks(self, name: str) -> None:
        self.worker_says("mark", mark={"name": name})

    def counts(self) -> dict[Counted, int]:
        self.session.report_counters()
        return dict(self.observer.counts)


def connected(**arguments: Any) -> World:
    world = World(**arguments)
    world.session.connected(world.link)
    return world


def joined(**arguments: Any) -> World:
    world = connected(**arguments)
    world.session.join(world.audio)
    return world
