"""Telling a running PostgreSQL from what a killed one leaves behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from sip_edge.storage.postgres_process import forget_server, running_server

SLEEP = [sys.executable, "-c", "import time; time.sleep(60)"]


@contextmanager
def sleeper(folder: Path) -> Iterator[int]:
    """A process whose current folder is `folder`, as that of a server is its cluster."""
    process = subprocess.Popen(SLEEP, cwd=folder)
    try:
        yield process.pid
    finally:
        process.kill()
        process.wait()


def write_pid(cluster: Path, text: str) -> None:
    (cluster / "postmaster.pid").write_text(text)


def test_process_in_the_cluster_is_its_server(tmp_path: Path) -> None:
    with sleeper(tmp_path) as pid:
        write_pid(tmp_path, f"{pid}\n{tmp_path}\n1700000000\n")

        assert running_server(tmp_path) == pid


def test_process_elsewhere_is_a_stranger_with_the_same_number(tmp_path: Path) -> None:
    cluster = tmp_path / "cluster"
    cluster.mkdir()
    with sleeper(tmp_path) as pid:
        write_pid(cluster, f"{pid}\n")

        assert running_server(cluster) is None


def test_zombie_is_no_server(tmp_path: Path) -> None:
    process = subprocess.Popen(SLEEP, cwd=tmp_path)
    write_pid(tmp_path, f"{process.pid}\n")
    process.kill()
    stat_file = Path("/proc", str(process.pid), "stat")
    deadline = time.monotonic() + 10
    while ") Z" not in stat_file.read_text() and time.monotonic() < deadline:
        time.sleep(0.01)
    try:
        assert running_server(tmp_path) is None
    finally:
        process.wait()


def test_process_that_has_ended_is_no_server(tmp_path: Path) -> None:
    with sleeper(tmp_path) as pid:
        write_pid(tmp_path, f"{pid}\n")

    assert running_server(tmp_path) is None


@pytest.mark.parametrize("text", ["", "\n", "-1\n", "0x10\n", "99999999999\n", "\u0661\n"])
def test_file_without_a_process_id_means_no_server(tmp_path: Path, text: str) -> None:
    write_pid(tmp_path, text)

    assert running_server(tmp_path) is None


def test_cluster_without_the_file_has_no_server(tmp_path: Path) -> None:
    assert running_server(tmp_path) is None


def test_forgetting_removes_the_file_and_may_be_repeated(tmp_path: Path) -> None:
    write_pid(tmp_path, f"{os.getpid()}\n")

    forget_server(tmp_path)
    forget_server(tmp_path)

    assert not (tmp_path / "postmaster.pid").exists()
