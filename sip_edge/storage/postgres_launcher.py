"""How PostgreSQL's programs are started: as whom, from where, and bound to our own life.

PostgreSQL refuses to run as root. Root therefore runs it in a user namespace in which it is nobody
(nothing is copied, no file changes its owner); where namespaces are not permitted, as in many
containers, it runs as the user nobody. Then neither the folder of the data nor the programs need
be in reach of nobody: the folder is handed over open, the programs are copied.

In every case the kernel sends SIGINT (a fast shutdown) to the server when we die.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from sip_edge.storage.postgres_binaries import (
    EmbeddedPostgresError,
    PostgresBinaries,
    copy_binaries,
)

NOBODY: Final = 65534
"""The user and group `nobody` on every Linux, and what an unmapped user is shown as."""

PROBE_SECONDS: Final = 5.0
"""How long trying whether something is permitted may take; it takes milliseconds."""


@dataclass(frozen=True, slots=True)
class Launcher:
    """`prefix` starts a command line; `owner` is the user to whom the data must belong.

    `is_foreign` means that the programs run as another user, who may not reach our folders.
    """

    name: str
    prefix: tuple[str, ...]
    owner: int
    is_foreign: bool

    def prepare(self, binaries: PostgresBinaries) -> Path:
        """The folder of programs to use: a readable copy if the original is out of reach.

        Blocks for 0.2 s when it copies. Raises EmbeddedPostgresError or OSError.
        """
        if not self.is_foreign or self._can_run(binaries.bin_dir):
            return binaries.bin_dir
        bin_dir = copy_binaries(binaries)
        if not self._can_run(bin_dir):
            raise EmbeddedPostgresError(
                f"PostgreSQL cannot run from {bin_dir}: point TMPDIR to a folder that is not"
                " mounted noexec, run sip-edge as another user than root, or set database.dsn"
            )
        return bin_dir

    def start(
        self, program: Path, arguments: Sequence[str], *, folder: Path, output: Path
    ) -> subprocess.Popen[bytes]:
        """Start `program` on the cluster in `folder`; what it says is appended to `output`.

        The new process is in a session of its own: Ctrl-C at our terminal is not for it.
        """
        if self.is_foreign:
            # Nobody need not be able to reach the folder: it is handed over, already open. All
            # processes of the server inherit it.
            folder_fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                data = f"/proc/self/fd/{folder_fd}"
                return self._spawn(program, ["-D", data, *arguments], output, (folder_fd,))
            finally:
                os.close(folder_fd)
        return self._spawn(program, ["-D", str(folder), *arguments], output, ())

    def _spawn(
        self, program: Path, arguments: Sequence[str], output: Path, handed_over: Sequence[int]
    ) -> subprocess.Popen[bytes]:
        with output.open("ab") as log:
            return subprocess.Popen(
                [*self.prefix, str(program), *arguments],
                cwd="/",
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=handed_over,
                start_new_session=True,
            )

    def _can_run(self, bin_dir: Path) -> bool:
        # Through a shell, because setpriv drops root's rights only when it runs a program: its own
        # first program is found even where nobody could not find it.
        script = 'exec "$0" --version'
        return _succeeds([*self.prefix, "sh", "-c", script, str(bin_dir / "initdb")])


def choose_launcher() -> Launcher:
    """The best way that is permitted here. Raises EmbeddedPostgresError."""
    if os.geteuid() != 0:
        return plain_launcher()
    namespace = namespace_launcher()
    if _succeeds([*namespace.prefix, "true"]):
        return namespace
    nobody = nobody_launcher()
    if _succeeds([*nobody.prefix, "true"]):
        return nobody
    raise EmbeddedPostgresError(
        "PostgreSQL does not run as root, and neither a user namespace nor the user nobody can be"
        " had here: run sip-edge as another user, or set database.dsn"
    )


def plain_launcher() -> Launcher:
    """As ourselves. Without util-linux's setpriv the server outlives us when we are killed."""
    bound = ("setpriv", "--pdeathsig", "INT", "--") if shutil.which("setpriv") else ()
    return Launcher(name="plain", prefix=bound, owner=os.geteuid(), is_foreign=False)


def namespace_launcher() -> Launcher:
    """As nobody inside a user namespace, who is ourselves outside of it."""
    user = f"--map-user={NOBODY}"
    group = f"--map-group={NOBODY}"
    prefix = ("unshare", "-U", user, group, "--", "setpriv", "--pdeathsig", "INT", "--")
    return Launcher(name="namespace", prefix=prefix, owner=os.geteuid(), is_foreign=False)


def nobody_launcher() -> Launcher:
    """As the user nobody; only root can."""
    user = (f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--no-new-privs")
    prefix = ("setpriv", *user, "--pdeathsig", "INT", "--")
    return Launcher(name="nobody", prefix=prefix, owner=NOBODY, is_foreign=True)


def _succeeds(command: Sequence[str]) -> bool:
    try:
        done = subprocess.run(
            command,
            cwd="/",
            env=_environment(),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            timeout=PROBE_SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return False
    return done.returncode == 0


def _environment() -> Mapping[str, str]:
    """Ours without PostgreSQL's own variables, which would change what the server does."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PG")}
    # The messages are read by this program, and shown in its own language.
    return kept | {"LC_ALL": "C", "TZ": "UTC"}
