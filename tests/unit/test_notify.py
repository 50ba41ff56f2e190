"""What the service manager is told, and when (sd_notify(3))."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

from sip_edge.notify import Notifier

PROCESS = 4242

MakeNotifier = Callable[..., Notifier]


class Manager:
    """systemd's end of the notification socket."""

    def __init__(self, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address)
        self.socket.setblocking(False)

    def heard(self) -> list[str]:
        """The messages since the last look, each as it was sent."""
        messages = []
        while True:
            try:
                messages.append(self.socket.recv(4096).decode())
            except BlockingIOError:
                return messages


@pytest.fixture
def address(tmp_path: Path) -> str:
    return str(tmp_path / "n")


@pytest.fixture
def manager(address: str) -> Iterator[Manager]:
    manager = Manager(address)
    yield manager
    manager.socket.close()


@pytest.fixture
def notifier_for() -> Iterator[MakeNotifier]:
    """Makes notifiers, and closes them after the test."""
    made = []

    def make(address: str, **environ: str) -> Notifier:
        environ["NOTIFY_SOCKET"] = address
        made.append(Notifier(environ=environ, process_id=PROCESS))
        return made[-1]

    yield make
    for notifier in made:
        notifier.close()


def test_ready_is_told_once_with_a_line_for_people(
    address: str, manager: Manager, notifier_for: MakeNotifier
) -> None:
    notifier_for(address).ready("400 numbers")

    assert manager.heard() == ["READY=1\nSTATUS=400 numbers"]


def test_stopping_asks_for_as_long_as_the_calls_may_last(
    address: str, manager: Manager, notifier_for: MakeNotifier
) -> None:
    notifier_for(address).stopping("3 calls", within_seconds=60.0)

    assert manager.heard() == ["STOPPING=1\nSTATUS=3 calls\nEXTEND_TIMEOUT_USEC=75000000"]


def test_watchdog_is_fed_at_half_of_its_time(
    address: str, manager: Manager, notifier_for: MakeNotifier
) -> None:
    notifier = notifier_for(address, WATCHDOG_USEC="8000000", WATCHDOG_PID=str(PROCESS))
    notifier.ready("")
    manager.heard()

    told_at = []
    for now in range(100, 111):
        notifier.alive(float(now), "")
        if manager.heard() == ["WATCHDOG=1"]:
            told_at.append(now)

    assert told_at == [100, 104, 108]


def test_start_that_takes_long_is_extended_until_it_is_over(
    address: str, manager: Manager, notifier_for: MakeNotifier
) -> None:
    notifier = notifier_for(address)

    notifier.alive(0.0, "starting")
    notifier.alive(9.0, "starting")
    notifier.alive(10.0, "starting")
    notifier.ready("ready")
    notifier.alive(20.0, "ready")

    assert manager.heard() == [
        "EXTEND_TIMEOUT_USEC=30000000\nSTATUS=starting",
        "EXTEND_TIMEOUT_USEC=30000000",
        "READY=1\nSTATUS=ready",
    ]


def test_status_is_told_when_it_changes_and_stays_one_line(
    address: str, manager: Manager, notifier_for: MakeNotifier
) -> None:
    notifier = notifier_for(address)
    notifier.ready("ready")
    manager.heard()

    notifier.alive(0.0, "ready")
    notifier.alive(10.0, "routes are stale:\nno connection")
    notifier.alive(20.0, "routes are stale:\nno connection")

    assert manager.heard() == ["STATUS=routes are stale: no connection"]


@pytest.mark.parametrize(
    "environ",
    [
        {"WATCHDOG_USEC": "8000000", "WATCHDOG_PID": "1"},
        {"WATCHDOG_USEC": "0"},
        {"WATCHDOG_USEC": "-5"},
        {"WATCHDOG_USEC": "soon"},
        {"WATCHDOG_USEC": "²"},
        {},
    ],
)
def test_no_watchdog_is_fed_that_is_absent_or_another_process_s(
    address: str, manager: Manager, environ: dict[str, str], notifier_for: MakeNotifier
) -> None:
    notifier = notifier_for(address, **environ)
    notifier.ready("")
    manager.heard()

    notifier.alive(0.0, "")

    assert manager.heard() == []


def test_abstract_address_is_understood(notifier_for: MakeNotifier) -> None:
    manager = Manager("\0sip-edge-test-notify")

    notifier_for("@sip-edge-test-notify").ready("")

    assert manager.heard() == ["READY=1\nSTATUS="]
    manager.socket.close()


@pytest.mark.parametrize("address", ["", "vsock:2:1234", "relative/path"])
def test_nothing_is_sent_without_a_socket_of_systemd_s(
    address: str, notifier_for: MakeNotifier
) -> None:
    notifier = notifier_for(address)

    notifier.ready("")
    notifier.alive(0.0, "")
    notifier.stopping("", within_seconds=1.0)

    assert not notifier.is_heard


def test_manager_that_is_gone_harms_nobody(
    address: str, manager: Manager, notifier_for: MakeNotifier
) -> None:
    notifier = notifier_for(address)
    manager.socket.close()

    notifier.ready("")
    notifier.alive(0.0, "")

    assert notifier.is_heard


def test_what_a_full_socket_refused_is_said_again(
    address: str, manager: Manager, notifier_for: MakeNotifier
) -> None:
    filler = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    filler.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            filler.sendto(b"filler", address)
    notifier = notifier_for(address)

    notifier.ready("ready")
    manager.heard()
    notifier.alive(0.0, "ready")
    notifier.alive(1.0, "ready")
    filler.close()

    assert manager.heard() == ["READY=1\nSTATUS=ready"]


def test_nothing_is_sent_after_the_end(
    address: str, manager: Manager, notifier_for: MakeNotifier
) -> None:
    notifier = notifier_for(address)
    notifier.ready("")
    notifier.close()

    notifier.alive(0.0, "later")

    assert manager.heard() == ["READY=1\nSTATUS="]
