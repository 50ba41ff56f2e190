"""How programs are started: as whom, where, and for how long."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from sip_edge.storage.postgres_binaries import PostgresBinaries
from sip_edge.storage.postgres_launcher import (
    NOBODY,
    Launcher,
    choose_launcher,
    namespace_launcher,
    nobody_launcher,
    plain_launcher,
)

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root starts others' programs")


def output_of(launcher: Launcher, folder: Path, program: str, *arguments: str) -> list[str]:
    """What a program says whose first arguments are `-D` and the folder."""
    output = folder.with_suffix(".log")
    script = folder.with_suffix(".sh")
    script.write_text(f"#!/bin/sh\n{program}\n")
    script.chmod(0o755)
    process = launcher.start(script, arguments, folder=folder, output=output)
    assert process.wait(timeout=10) == 0
    return output.read_text().splitlines()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "cluster"
    folder.mkdir(mode=0o700)
    return folder


def test_program_is_told_the_folder_and_its_arguments(folder: Path) -> None:
    lines = output_of(plain_launcher(), folder, 'printf "%s\\n" "$@"', "-c", "port=5432")

    assert lines == ["-D", str(folder), "-c", "port=5432"]


def test_variables_of_postgresql_are_not_handed_on(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGDATA", "/elsewhere")
    monkeypatch.setenv("LC_ALL", "ja_JP.UTF-8")

    assert output_of(plain_launcher(), folder, 'echo "$PGDATA|$LC_ALL"') == ["|C"]


def test_program_is_in_a_session_of_its_own(folder: Path) -> None:
    session = output_of(plain_launcher(), folder, "cut -d' ' -f6 /proc/$$/stat")

    assert int(session[0]) != os.getsid(0)


@needs_root
def test_root_does_not_run_it_as_root() -> None:
    launcher = choose_launcher()

    user = subprocess.run(
        [*launcher.prefix, "id", "-u"], capture_output=True, text=True, check=True
    )

    assert launcher.name in ("namespace", "nobody")
    assert user.stdout.strip() == str(NOBODY)


@needs_root
def test_nobody_gets_into_a_folder_that_is_out_of_reach(tmp_path: Path) -> None:
    private = tmp_path / "private"
    folder = private / "cluster"
    folder.mkdir(parents=True)
    private.chmod(0o700)
    os.chown(folder, NOBODY, -1)
    output = tmp_path / "log"
    # The program is a line for `sh -c`, whose $0 is then "-D" and whose $1 is the folder.
    launcher = Launcher("nobody", (*nobody_launcher().prefix, "sh", "-c"), NOBODY, True)

    process = launcher.start(Path('touch "$1/made" && id -u'), [], folder=folder, output=output)

    assert process.wait(timeout=10) == 0
    assert output.read_text() == f"{NOBODY}\n"
    assert (folder / "made").stat().st_uid == NOBODY


@needs_root
def test_original_programs_are_used_where_they_are_within_reach(tmp_path: Path) -> None:
    reachable = PostgresBinaries(Path("/usr/bin"), Path("/usr"), ())

    assert namespace_launcher().prepare(reachable) == Path("/usr/bin")
