"""The whole server as systemd starts it: what it says until it is ready, and when it is to end."""

from __future__ import annotations

import signal
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.edge_process import EdgeProcess

PATIENCE_SECONDS = 30.0


class ServiceManager:
    """systemd's end of the notification socket."""

    def __init__(self, folder: Path) -> None:
        self.address = str(folder / "notify")
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(self.address)
        self._socket.settimeout(PATIENCE_SECONDS)
        self.lines: list[str] = []

    def hear(self, beginning: str) -> str:
        """The next line that begins so; TimeoutError if it does not come."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        while time.monotonic() < deadline:
            lines = self._socket.recv(4096).decode().split("\n")
            self.lines += lines
            if found := [line for line in lines if line.startswith(beginning)]:
                return found[0]
        raise TimeoutError(f"{beginning}: only {self.lines}")

    def close(self) -> None:
        """Hear no more."""
        self._socket.close()


@pytest.fixture
def manager(tmp_path: Path) -> Iterator[ServiceManager]:
    manager = ServiceManager(tmp_path)
    yield manager
    manager.close()


@pytest.fixture
def edge(tmp_path: Path, empty_database_dsn: str, manager: ServiceManager) -> Iterator[EdgeProcess]:
    settings = {"NOTIFY_SOCKET": manager.address, "WATCHDOG_USEC": "2000000"}
    edge = EdgeProcess(tmp_path, dsn=empty_database_dsn, settings=settings)
    yield edge
    edge.kill()


@pytest.mark.process
@pytest.mark.postgres
def test_manager_hears_that_the_server_starts_is_ready_lives_and_ends(
    edge: EdgeProcess, manager: ServiceManager
) -> None:
    edge.start()

    manager.hear("READY=1")
    assert manager.lines.index("EXTEND_TIMEOUT_USEC=30000000") < manager.lines.index("READY=1")
    assert "STATUS=ready, 0 calls" in manager.lines
    manager.hear("WATCHDOG=1")
    manager.hear("WATCHDOG=1")

    edge.signal(signal.SIGTERM)
    manager.hear("STOPPING=1")
    # Five seconds for calls (the configuration), fifteen for what follows.
    assert "EXTEND_TIMEOUT_USEC=20000000" in manager.lines
    assert edge.wait() == 0
