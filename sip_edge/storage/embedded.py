"""The embedded PostgreSQL: a server of our own on a folder of ours, as long as someone needs it.

One process owns the folder, by a lock that dies with it; it starts the server and ends it. Others
find the server through `server.json` and attach. When an owner ends, its server ends; one that is
attached and wants to stay (`keep_running`) becomes the owner and starts it again, at the same
address. The server is bound to its owner's life by the kernel, so a killed owner leaves nothing
running; what it leaves lying about is cleared away at the next start.

    data_dir/   owner.lock  server.json  postgres.log  cluster/  run/
"""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from collections.abc import Callable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from sip_edge.storage.pool import DATABASE_ERRORS, close, connect
from sip_edge.storage.postgres_binaries import EmbeddedPostgresError
from sip_edge.storage.postgres_cluster import PostgresCluster
from sip_edge.storage.postgres_launcher import Launcher, choose_launcher

__all__ = ["EmbeddedPostgres", "EmbeddedPostgresError"]

START_TIMEOUT_SECONDS: Final = 60.0
"""Cold 1 s, warm 0.1 s; recovery after a crash replays at most 256 MB."""

POLL_SECONDS: Final = 0.05
"""How often one who waits for a server that another process is starting looks again."""

WATCH_SECONDS: Final = 0.25
"""How often the server, or the owner that we are attached to, is looked after."""

MAX_RESTART_SECONDS: Final = 30.0
"""The longest pause between attempts to start a server that keeps ending."""


class EmbeddedPostgres:
    """`async with EmbeddedPostgres(data_dir) as postgres: ... postgres.dsn`.

    Give `bin_dir` to use other programs than the wheel's, `launcher` to start them in another way
    than the best one that is permitted, `server_settings` for settings of PostgreSQL.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        bin_dir: Path | None = None,
        launcher: Launcher | None = None,
        server_settings: Mapping[str, str] | None = None,
    ) -> None:
        self._data_dir = data_dir.absolute()
        self._bin_dir = bin_dir
        self._launcher = launcher
        self._server_settings = dict(server_settings or {})
        self._cluster: PostgresCluster | None = None
        self._lock_fd: int | None = None
        self._dsn: str | None = None

    @property
    def dsn(self) -> str:
        """How to reach the server; stays the same when it is started again."""
        if self._dsn is None:
            raise EmbeddedPostgresError("the embedded PostgreSQL has not been started")
        return self._dsn

    @property
    def is_owner(self) -> bool:
        """True if this process holds the folder, False if it is attached to another's server."""
        return self._lock_fd is not None

    @property
    def server_pid(self) -> int | None:
        """The process id of our own server, None if it does not run or is another process's."""
        return None if self._cluster is None else self._cluster.server_pid

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start the server, or attach to the one that runs. Raises EmbeddedPostgresError."""
        try:
            async with asyncio.timeout(START_TIMEOUT_SECONDS):
                self._make_data_dir()
                await self._own_or_attach()
        except DATABASE_ERRORS as error:
            await self.stop()
            raise self._explain(error) from error
        except BaseException:
            await self.stop()
            raise

    async def stop(self) -> None:
        """End our server and give up the folder; nothing happens if it is another process's."""
        cluster, self._cluster = self._cluster, None
        try:
            if cluster is not None:
                await cluster.stop()
        finally:
            self._unlock()

    async def keep_running(self, report: Callable[[str], None]) -> None:
        """Until cancelled, start the server again when it ends, also in an owner's place.

        Every such event is told to `report` in one line.
        """
        pause = WATCH_SECONDS
        while True:
            await asyncio.sleep(pause)
            if self.server_pid is not None:
                pause = WATCH_SECONDS
                continue
            try:
                if self.is_owner:
                    report("the embedded PostgreSQL has ended: starting it again")
                elif self._lock():
                    report("the owner of the embedded PostgreSQL has ended: taking its place")
                else:
                    continue
                async with asyncio.timeout(START_TIMEOUT_SECONDS):
                    await self._start_server()
            except EmbeddedPostgresError as error:
                report(str(error))
            except DATABASE_ERRORS as error:
                report(str(self._explain(error)))
            else:
                continue
            pause = min(max(1.0, 2 * pause), MAX_RESTART_SECONDS)

    async def _own_or_attach(self) -> None:
        while True:
            if self._lock():
                return await self._start_server()
            if await self._attach():
                return None
            await asyncio.sleep(POLL_SECONDS)

    async def _start_server(self) -> None:
        if self._cluster is not None:
            await self._cluster.stop()
        launcher = self._launcher
        if launcher is None:
            launcher = await asyncio.to_thread(choose_launcher)
        self._cluster = PostgresCluster(
            self._data_dir,
            bin_dir=self._bin_dir,
            launcher=launcher,
            server_settings=self._server_settings,
        )
        await self._cluster.start()
        self._dsn = self._cluster.dsn
        self._write_state(self._dsn)

    async def _attach(self) -> bool:
        """True if the owner's server answers; it may still be starting."""
        dsn = self._read_state()
        if dsn is None:
            return False
        try:
            await close(await connect(dsn))
        except DATABASE_ERRORS:
            return False
        self._dsn = dsn
        return True

    def _make_data_dir(self) -> None:
        if not self._data_dir.is_dir():
            self._data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)

    def _lock(self) -> bool:
        """True if the folder is ours now."""
        if self._lock_fd is not None:
            return True
        # Not handed on to the server: the lock must end with this process.
        lock_fd = os.open(
            self._data_dir / "owner.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600
        )
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(lock_fd)
            return False
        except OSError:
            os.close(lock_fd)
            raise
        self._lock_fd = lock_fd
        return True

    def _unlock(self) -> None:
        lock_fd, self._lock_fd = self._lock_fd, None
        if lock_fd is not None:
            self._state_file.unlink(missing_ok=True)
            os.close(lock_fd)

    @property
    def _state_file(self) -> Path:
        return self._data_dir / "server.json"

    def _write_state(self, dsn: str) -> None:
        state = {"dsn": dsn, "owner_pid": os.getpid(), "server_pid": self.server_pid}
        new = self._state_file.with_suffix(".new")
        new.write_text(json.dumps(state) + "\n", encoding="utf-8")
        new.replace(self._state_file)

    def _read_state(self) -> str | None:
        try:
            state = json.loads(self._state_file.read_text(encoding="utf-8"))
        except (FileNotFoundError, ValueError):
            return None
        dsn = state.get("dsn") if isinstance(state, dict) else None
        return dsn if isinstance(dsn, str) else None

    def _explain(self, error: BaseException) -> EmbeddedPostgresError:
        if isinstance(error, TimeoutError):
            return EmbeddedPostgresError(
                f"the embedded PostgreSQL in {self._data_dir} did not answer within"
                f" {START_TIMEOUT_SECONDS:.0f} s: see postgres.log there, end the process that"
                " holds owner.lock, or set database.dsn"
            )
        return EmbeddedPostgresError(
            f"the embedded PostgreSQL cannot use {self._data_dir}: {error};"
            " set database.data_dir to a folder of yours, or set database.dsn"
        )
