"""One cluster (a folder of data) and the server on it: made, started, waited for, ended.

Whoever uses this has made sure that no one else does (see `embedded`).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Final
from urllib.parse import quote

import asyncpg

from sip_edge.storage.pool import DATABASE_ERRORS, close, connect
from sip_edge.storage.postgres_binaries import EmbeddedPostgresError, find_binaries
from sip_edge.storage.postgres_launcher import Launcher
from sip_edge.storage.postgres_process import forget_server, running_server

USER: Final = "sip_edge"
DATABASE: Final = "sip_edge"
PORT: Final = 5432
"""Nothing listens on it: it only names the socket's file."""

MAX_SOCKET_PATH_BYTES: Final = 107
"""A Unix socket's path has 108 bytes, the closing zero included (unix(7))."""

POLL_SECONDS: Final = 0.02
"""How often a process is looked at while it starts or ends."""

MAX_LOG_BYTES: Final = 1_000_000
"""A longer log is put aside at the next start; one old log is kept."""

LOG_TAIL_BYTES: Final = 4096

START_ATTEMPTS: Final = 5
RETRY_SECONDS: Final = 0.5
"""Children of a server that was killed may live a moment longer and hold its memory."""

_RETRY_WORDS: Final = ("still in use", "lock file")

ENDINGS: Final = (
    # Fast: clients are disconnected, everything is written. (SIGTERM would wait for clients.)
    (signal.SIGINT, 10.0),
    # Immediate: as after a crash; the next start recovers.
    (signal.SIGQUIT, 5.0),
    (signal.SIGKILL, 5.0),
)
"""How a server is told to end, and how long it is given before it is told in the next way."""

_STANDARD_SETTINGS: Final = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_wal_size": "256MB",
    "shared_buffers": "64MB",
    "log_checkpoints": "off",
}


class PostgresCluster:
    """The cluster in `data_dir/cluster`, its log, and its socket in `data_dir/run`.

    The socket is in a folder below /tmp when the path would be too long, or out of the server's
    reach.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None,
        launcher: Launcher,
        server_settings: Mapping[str, str],
    ) -> None:
        self._cluster = data_dir / "cluster"
        self._log = data_dir / "postgres.log"
        self._launcher = launcher
        self._bin_dir = bin_dir
        self._server_settings = server_settings
        self._sockets = _socket_folder(data_dir, launcher)
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def dsn(self) -> str:
        """How clients reach the server."""
        return self._dsn(DATABASE)

    @property
    def server_pid(self) -> int | None:
        """The server's process id, None if it has ended or was not started."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    async def start(self) -> None:
        """Start the server and return when it answers; the first time, make the cluster (1 s).

        A server that an owner before us left behind is ended first. Raises EmbeddedPostgresError
        or OSError.
        """
        bin_dir = await asyncio.to_thread(self._launcher.prepare, find_binaries(self._bin_dir))
        await self._end_orphan()
        await asyncio.to_thread(self._prepare_folders)
        if not self._is_made():
            await self._make(bin_dir)
        for attempt in range(START_ATTEMPTS):
            offset = self._log_size()
            self._process = self._launch(bin_dir)
            if await self._wait_ready(self._process):
                break
            reason = self._last_words(offset)
            is_last = attempt == START_ATTEMPTS - 1
            if is_last or not any(words in reason for words in _RETRY_WORDS):
                raise EmbeddedPostgresError(
                    f"the embedded PostgreSQL did not start: {reason} (see {self._log})"
                )
            await asyncio.sleep(RETRY_SECONDS)
        await self._ensure_database()

    async def stop(self) -> None:
        """End the server in good order, or by force after a time. Does nothing if it has ended."""
        process, self._process = self._process, None
        if process is None:
            return
        try:
            for number, seconds in ENDINGS:
                process.send_signal(number)
                if await _within(seconds, lambda: process.poll() is not None):
                    break
        except asyncio.CancelledError:
            process.send_signal(signal.SIGQUIT)
            raise
        with contextlib.suppress(OSError):
            self._sockets.rmdir()

    def _launch(self, bin_dir: Path) -> subprocess.Popen[bytes]:
        settings = {
            **_STANDARD_SETTINGS,
            # A list, in which a path with blanks must be quoted.
            "unix_socket_directories": '"' + str(self._sockets).replace('"', '""') + '"',
            "port": str(PORT),
            **self._server_settings,
        }
        arguments = [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]
        return self._launcher.start(
            bin_dir / "postgres", arguments, folder=self._cluster, output=self._log
        )

    async def _wait_ready(self, process: subprocess.Popen[bytes]) -> bool:
        """True when the server answers, False when it has ended instead."""
        while process.poll() is None:
            try:
                await close(await connect(self._dsn("postgres")))
            except DATABASE_ERRORS:
                await asyncio.sleep(POLL_SECONDS)
            else:
                return True
        return False

    async def _ensure_database(self) -> None:
        connection = await connect(self._dsn("postgres"))
        try:
            await connection.execute(f"CREATE DATABASE {DATABASE}")
        except asyncpg.DuplicateDatabaseError:
            pass
        finally:
            await close(connection)

    async def _make(self, bin_dir: Path) -> None:
        """Make the cluster beside its place, so that a half-made one is never taken for whole."""
        offset = self._log_size()
        new = self._new_folder()
        # What initdb writes reaches the disk with the next checkpoints: nothing is lost before.
        arguments = [f"--username={USER}", "--auth=trust", "--encoding=UTF8", "--locale=C"]
        arguments += ["--no-sync", "--no-instructions"]
        process = self._launcher.start(bin_dir / "initdb", arguments, folder=new, output=self._log)
        try:
            await _until(lambda: process.poll() is not None)
        finally:
            _kill_group(process)
        if process.returncode != 0:
            raise EmbeddedPostgresError(
                f"initdb failed: {self._last_words(offset)} (see {self._log})"
            )
        new.rename(self._cluster)

    async def _end_orphan(self) -> None:
        """End a server whose owner was killed; then remove what a killed server leaves behind."""
        for number, seconds in ENDINGS:
            pid = running_server(self._cluster)
            if pid is None:
                return forget_server(self._cluster)
            _send(pid, number)
            await _within(seconds, lambda: running_server(self._cluster) is None)
        raise EmbeddedPostgresError(
            f"another PostgreSQL runs on {self._cluster} and cannot be ended: end it, or set"
            " database.data_dir to another folder"
        )

    def _prepare_folders(self) -> None:
        """The socket's folder, the log, and that all belongs to the user who runs the server."""
        owner = self._launcher.owner
        self._sockets.mkdir(mode=0o700, exist_ok=True)
        status = self._sockets.lstat()
        is_ours = stat.S_ISDIR(status.st_mode) and status.st_uid in (os.geteuid(), owner)
        if not is_ours or status.st_mode & 0o077:
            raise EmbeddedPostgresError(f"{self._sockets} was not made by this user: remove it")
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            (self._sockets / name).unlink(missing_ok=True)
        if os.geteuid() == 0:
            os.chown(self._sockets, owner, -1)
            if self._is_made() and self._cluster.stat().st_uid != owner:
                _give(self._cluster, owner)
        if self._log_size() > MAX_LOG_BYTES:
            self._log.replace(self._log.with_suffix(".log.1"))

    def _new_folder(self) -> Path:
        new = self._cluster.with_name("cluster.new")
        if new.exists():
            _remove(new)
        new.mkdir(mode=0o700)
        if os.geteuid() == 0:
            os.chown(new, self._launcher.owner, -1)
        return new

    def _is_made(self) -> bool:
        return (self._cluster / "PG_VERSION").is_file()

    def _log_size(self) -> int:
        try:
            return self._log.stat().st_size
        except FileNotFoundError:
            return 0

    def _last_words(self, offset: int) -> str:
        """The last complaint in the log since `offset`, else its last line."""
        with self._log.open("rb") as log:
            log.seek(max(offset, self._log_size() - LOG_TAIL_BYTES))
            lines = log.read().decode(errors="replace").splitlines()
        lines = [line.strip() for line in lines if line.strip()] or ["it ended without a word"]
        complaints = [line for line in lines if "FATAL" in line or "error:" in line.lower()]
        return (complaints or lines)[-1]

    def _dsn(self, database: str) -> str:
        host = quote(str(self._sockets), safe="/")
        return f"postgresql://{USER}@/{database}?host={host}&port={PORT}"


def _socket_folder(data_dir: Path, launcher: Launcher) -> Path:
    folder = data_dir / "run"
    length = len(os.fsencode(folder / f".s.PGSQL.{PORT}"))
    # asyncpg takes a host with a comma for several hosts.
    is_usable = length <= MAX_SOCKET_PATH_BYTES and "," not in str(folder)
    if is_usable and not launcher.is_foreign:
        return folder
    # The same for all who use this data_dir, whatever their TMPDIR says.
    name = hashlib.sha256(os.fsencode(data_dir)).hexdigest()[:12]
    return Path("/tmp", f"sip_edge-{os.geteuid()}-{name}")


async def _until(condition: Callable[[], bool]) -> None:
    while True:
        if condition():
            return
        await asyncio.sleep(POLL_SECONDS)


async def _within(seconds: float, condition: Callable[[], bool]) -> bool:
    """True as soon as `condition` is, False if it is not within `seconds`."""
    try:
        async with asyncio.timeout(seconds):
            await _until(condition)
    except TimeoutError:
        return False
    return True


def _kill_group(process: subprocess.Popen[bytes]) -> None:
    """End a process that has not ended, and its children; it leads a group of its own."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def _send(pid: int, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _give(folder: Path, owner: int) -> None:
    """Make `owner` the owner of `folder` and all in it."""
    os.chown(folder, owner, -1)
    for parent, folders, files in os.walk(folder):
        for name in (*folders, *files):
            os.chown(Path(parent, name), owner, -1, follow_symlinks=False)


def _remove(folder: Path) -> None:
    for parent, folders, files in os.walk(folder, topdown=False):
        for name in files:
            Path(parent, name).unlink()
        for name in folders:
            Path(parent, name).rmdir()
    folder.rmdir()
