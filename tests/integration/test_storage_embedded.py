"""The embedded server among processes: owners, those who attach, and owners who are killed."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import stat
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import asyncpg
import pytest
from support.polling import eventually
from support.postgres import MAKE_ROWS, SETTINGS, execute, rows_in

from sip_edge.storage import embedded as embedded_module
from sip_edge.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError
from sip_edge.storage.postgres_launcher import Launcher, namespace_launcher

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]

OWNER = """
import asyncio, sys
from pathlib import Path
from sip_edge.storage.embedded import EmbeddedPostgres

async def main():
    async with EmbeddedPostgres(Path(sys.argv[1])) as server:
        print(server.is_owner, server.server_pid, server.dsn, flush=True)
        await asyncio.Event().wait()

asyncio.run(main())
"""


class OwnerProcess:
    """Another process that owns the folder until it is killed."""

    def __init__(self, data_dir: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", OWNER, str(data_dir)],
            stdout=subprocess.PIPE,
            text=True,
            cwd="/",
            env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        )
        assert self._process.stdout is not None
        is_owner, pid, self.dsn = self._process.stdout.readline().split()
        self.is_owner = is_owner == "True"
        self.server_pid = int(pid)

    def kill(self) -> None:
        self._process.kill()
        self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@asynccontextmanager
async def owner_process(data_dir: Path) -> AsyncIterator[OwnerProcess]:
    owner = await asyncio.to_thread(OwnerProcess, data_dir)
    try:
        yield owner
    finally:
        owner.kill()


def server_on(data_dir: Path, launcher: Launcher | None = None) -> EmbeddedPostgres:
    return EmbeddedPostgres(data_dir, launcher=launcher, server_settings=SETTINGS)


def is_running(pid: int) -> bool:
    """True unless the process has ended, reaped or not."""
    try:
        return ") Z" not in Path("/proc", str(pid), "stat").read_text()
    except FileNotFoundError:
        return False


async def test_first_start_makes_a_private_folder_and_later_ones_keep_the_rows(
    tmp_path: Path,
) -> None:
    data_dir = tmp_path / "deep" / "data"
    async with server_on(data_dir) as server:
        await execute(server.dsn, MAKE_ROWS)
        dsn = server.dsn
    assert stat.S_IMODE(data_dir.stat().st_mode) == 0o700

    async with server_on(data_dir) as server:
        assert server.dsn == dsn
        assert await rows_in(server.dsn) == 1000


async def test_nothing_runs_and_nobody_is_misled_after_the_end(data_dir: Path) -> None:
    async with server_on(data_dir) as server:
        pid = server.server_pid
        assert pid is not None

    assert not is_running(pid)
    assert not (data_dir / "server.json").exists()
    assert not (data_dir / "cluster" / "postmaster.pid").exists()


async def test_second_user_of_a_folder_attaches_to_the_owners_server(data_dir: Path) -> None:
    async with owner_process(data_dir) as owner:
        await execute(owner.dsn, MAKE_ROWS)

        async with server_on(data_dir) as attached:
            assert (owner.is_owner, attached.is_owner) == (True, False)
            assert attached.dsn == owner.dsn
            assert attached.server_pid is None
            assert await rows_in(attached.dsn) == 1000

        assert await rows_in(owner.dsn) == 1000


async def test_many_that_start_at_once_share_one_server(data_dir: Path) -> None:
    servers = [server_on(data_dir) for _ in range(4)]

    await asyncio.gather(*(server.start() for server in servers))

    assert sorted(server.is_owner for server in servers) == [False, False, False, True]
    assert len({server.dsn for server in servers}) == 1
    for server in sorted(servers, key=lambda server: server.is_owner):
        await server.stop()


async def test_owner_writes_down_where_its_server_is(data_dir: Path) -> None:
    async with server_on(data_dir) as server:
        written = json.loads((data_dir / "server.json").read_text())

        assert written == {
            "dsn": server.dsn,
            "owner_pid": os.getpid(),
            "server_pid": server.server_pid,
        }


async def test_killed_owner_takes_its_server_along_and_keeps_all_rows(data_dir: Path) -> None:
    async with owner_process(data_dir) as owner:
        await execute(owner.dsn, MAKE_ROWS)
        owner.kill()

        async with server_on(data_dir) as server:
            assert server.is_owner
            assert await rows_in(server.dsn) == 1000
            assert server.server_pid != owner.server_pid
        assert not is_running(owner.server_pid)


async def test_owner_and_server_killed_together_leave_all_rows(data_dir: Path) -> None:
    async with owner_process(data_dir) as owner:
        await execute(owner.dsn, MAKE_ROWS)
        os.kill(owner.server_pid, signal.SIGKILL)
        owner.kill()
        assert (data_dir / "cluster" / "postmaster.pid").exists()

        async with server_on(data_dir) as server:
            assert await rows_in(server.dsn) == 1000


async def test_server_that_outlived_its_owner_is_replaced(data_dir: Path) -> None:
    unbound = Launcher("unbound", _without_setpriv(), os.geteuid(), False)
    first = server_on(data_dir, unbound)
    await first.start()
    await execute(first.dsn, MAKE_ROWS)
    orphan = first.server_pid
    assert orphan is not None
    # As if the owner had been killed: its lock is gone, its server is not.
    (data_dir / "owner.lock").unlink()

    async with server_on(data_dir) as server:
        assert server.is_owner
        assert not is_running(orphan)
        assert await rows_in(server.dsn) == 1000
    await first.stop()


def _without_setpriv() -> tuple[str, ...]:
    if os.geteuid() != 0:
        return ()
    prefix = namespace_launcher().prefix
    return prefix[: prefix.index("setpriv")]


async def test_pid_file_that_names_a_stranger_keeps_nobody_from_starting(data_dir: Path) -> None:
    async with server_on(data_dir) as server:
        await execute(server.dsn, MAKE_ROWS)
    cluster = data_dir / "cluster"
    (cluster / "postmaster.pid").write_text(f"{os.getppid()}\n{cluster}\n1700000000\n5432\n")

    async with server_on(data_dir) as server:
        assert await rows_in(server.dsn) == 1000


async def test_server_that_ends_is_started_again_at_the_same_address(data_dir: Path) -> None:
    reports: list[str] = []
    async with server_on(data_dir) as server:
        await execute(server.dsn, MAKE_ROWS)
        keeping = asyncio.create_task(server.keep_running(reports.append))
        first = server.server_pid
        assert first is not None

        os.kill(first, signal.SIGKILL)
        await eventually(lambda: server.server_pid not in (None, first), what="a new server")

        await eventually(lambda: _answers(server.dsn), what="its answer")
        assert await rows_in(server.dsn) == 1000
        assert reports == ["the embedded PostgreSQL has ended: starting it again"]
        keeping.cancel()
        await asyncio.wait({keeping})


async def test_who_is_attached_takes_the_place_of_an_owner_who_ends(data_dir: Path) -> None:
    reports: list[str] = []
    async with owner_process(data_dir) as owner:
        await execute(owner.dsn, MAKE_ROWS)
        async with server_on(data_dir) as attached:
            keeping = asyncio.create_task(attached.keep_running(reports.append))
            owner.kill()

            await eventually(lambda: attached.server_pid, what="a server of its own")
            await eventually(lambda: _answers(owner.dsn), what="its answer")

            assert attached.is_owner
            assert attached.dsn == owner.dsn
            assert await rows_in(owner.dsn) == 1000
            assert reports == ["the owner of the embedded PostgreSQL has ended: taking its place"]
            keeping.cancel()
            await asyncio.wait({keeping})


async def test_folder_that_is_taken_away_is_reported_and_tried_again(data_dir: Path) -> None:
    reports: list[str] = []
    async with owner_process(data_dir) as owner, server_on(data_dir) as attached:
        keeping = asyncio.create_task(attached.keep_running(reports.append))
        os.rename(data_dir, data_dir.with_name("elsewhere"))
        owner.kill()

        await eventually(lambda: reports, what="a report")

        assert "No such file or directory" in reports[0]
        assert not keeping.done()
        keeping.cancel()
        await asyncio.wait({keeping})


async def _answers(dsn: str) -> bool:
    try:
        await execute(dsn, "SELECT 1")
    except (OSError, asyncpg.PostgresError):
        return False
    return True


async def test_path_that_is_too_long_for_a_socket_is_no_obstacle(tmp_path: Path) -> None:
    data_dir = tmp_path / ("long" * 30)

    async with server_on(data_dir) as server, server_on(data_dir) as attached:
        await execute(attached.dsn, MAKE_ROWS)
        assert await rows_in(server.dsn) == 1000


async def test_path_with_awkward_characters_is_no_obstacle(tmp_path: Path) -> None:
    data_dir = tmp_path / "a b?c&d=e%2F,\u00fc'"

    async with server_on(data_dir) as server:
        await execute(server.dsn, MAKE_ROWS)
        assert await rows_in(server.dsn) == 1000


async def test_server_that_cannot_start_says_why_in_one_line(data_dir: Path) -> None:
    server = EmbeddedPostgres(data_dir, server_settings={"shared_buffers": "lots"})

    with pytest.raises(EmbeddedPostgresError) as caught:
        await server.start()

    message = str(caught.value)
    assert "\n" not in message
    assert 'invalid value for parameter "shared_buffers": "lots"' in message
    assert str(data_dir / "postgres.log") in message


async def test_server_that_could_not_start_gives_up_the_folder(data_dir: Path) -> None:
    bad = EmbeddedPostgres(data_dir, server_settings={"shared_buffers": "lots"})
    with pytest.raises(EmbeddedPostgresError):
        await bad.start()

    async with server_on(data_dir) as server:
        assert server.is_owner


async def test_folder_that_cannot_be_used_is_named_with_a_way_out(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    with pytest.raises(EmbeddedPostgresError, match=r"file/data.*database\.data_dir"):
        await server_on(tmp_path / "file" / "data").start()


async def test_owner_that_never_answers_is_named_in_the_end(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "START_TIMEOUT_SECONDS", 0.3)
    async with owner_process(data_dir):
        (data_dir / "server.json").unlink()

        with pytest.raises(EmbeddedPostgresError, match="did not answer within"):
            await server_on(data_dir).start()


async def test_state_that_cannot_be_read_is_waited_for(
    data_dir: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(embedded_module, "START_TIMEOUT_SECONDS", 0.1)
    async with owner_process(data_dir):
        for text in ("", "{", "[]", '{"dsn": 5}', '"dsn"'):
            (data_dir / "server.json").write_text(text)

            with pytest.raises(EmbeddedPostgresError, match="did not answer within"):
                await server_on(data_dir).start()


async def test_dsn_before_the_start_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="has not been started"):
        _ = server_on(tmp_path / "data").dsn


async def test_start_that_is_cancelled_leaves_nothing_running(tmp_path: Path) -> None:
    starting = asyncio.create_task(server_on(tmp_path / "data").start())
    await asyncio.sleep(0.4)
    starting.cancel()
    await asyncio.wait({starting})

    async with server_on(tmp_path / "data") as server:
        assert server.is_owner
