"""What a PostgreSQL that was killed leaves behind, and whether one still runs on a cluster.

PostgreSQL trusts any live process id in `postmaster.pid`: a zombie that nobody reaps, or a stranger
that was given the same number, keeps it from starting. Here /proc tells them apart.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

PID_FILE: Final = "postmaster.pid"


def running_server(cluster: Path) -> int | None:
    """The process id of the server that runs on `cluster`, None if none does.

    A process that cannot be looked into counts as the server, to be on the safe side.
    """
    pid = _pid_in(cluster / PID_FILE)
    if pid is None or not Path("/proc", str(pid)).is_dir() or _is_zombie(pid):
        return None
    try:
        is_ours = os.path.samefile(f"/proc/{pid}/cwd", cluster)
    except FileNotFoundError:
        return None
    except PermissionError:
        is_ours = True
    return pid if is_ours else None


def forget_server(cluster: Path) -> None:
    """Remove what keeps PostgreSQL from starting after its process was found to be gone."""
    if Path("/proc/self").exists():  # elsewhere nothing was found out; PostgreSQL decides
        (cluster / PID_FILE).unlink(missing_ok=True)


def _pid_in(pid_file: Path) -> int | None:
    try:
        line = pid_file.read_text(encoding="ascii", errors="replace").partition("\n")[0].strip()
    except FileNotFoundError:
        return None
    is_number = line.isascii() and line.isdigit() and 0 < len(line) <= 10
    return int(line) if is_number else None


def _is_zombie(pid: int) -> bool:
    try:
        text = Path("/proc", str(pid), "stat").read_text(encoding="ascii", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return True
    # The state follows the program's name, which stands in brackets and may hold anything.
    return text.rpartition(")")[2].split()[:1] == ["Z"]
