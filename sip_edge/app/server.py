"""The server: everything built and started in order, and taken down in the reverse one.

HTTP and SIP answer first, with "starting" and 503, so that probes and carriers are told at once;
then comes the database, however long it takes; from then on the server is ready.
"""

from __future__ import annotations

import asyncio
import os
import signal
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import replace
from importlib.metadata import version
from itertools import count
from time import perf_counter
from typing import TYPE_CHECKING, Final

from sip_edge.agents.settings import WorkerSettings
from sip_edge.agents.websocket import WebSocketAgents
from sip_edge.api import ReadyState
from sip_edge.app.control_process import control_beside
from sip_edge.app.database import open_database
from sip_edge.app.errors import StartError
from sip_edge.app.http_side import start_http
from sip_edge.app.observers import (
    CallEvents,
    RecordEvents,
    RouteEvents,
    VoicemailEvents,
    WorkerEvents,
)
from sip_edge.app.sip_side import PROCESS, SIP_NAMES, SipSide
from sip_edge.logs import configure_logging, get_logger
from sip_edge.loopwatch import LoopWatch, tune_gc
from sip_edge.metrics import Metrics
from sip_edge.notify import Notifier
from sip_edge.resolver import ResolverSettings, make_resolver
from sip_edge.routing.ports import RoutesUnavailableError
from sip_edge.storage.call_records import CallRecords
from sip_edge.storage.call_store import PostgresCallStore
from sip_edge.storage.migrate import MigrationError, migrate, packaged_migrations
from sip_edge.storage.pool import DATABASE_ERRORS, close, connect, create_pool, explain_failure
from sip_edge.storage.route_source import PostgresRouteSource
from sip_edge.storage.routes import STANDARD_SETTINGS, RouteTable, TableState
from sip_edge.storage.voicemails import VoicemailStore
from sip_edge.tasks import count_failures_with, report_loop_errors, spawn
from sip_edge.voicemail.limits import RecordingLimits
from sip_edge.voicemail.running import running_voicemail

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator

    from sip_edge.config import Config
    from sip_edge.routing.plan import Route
    from sip_edge.routing.ports import CallReport
    from sip_edge.voicemail.service import VoicemailService

RETRY_SECONDS: Final = 1.0
"""How long to wait for a database that was not there when we started, before the next try."""
REMIND_ATTEMPTS: Final = 30
"""Every so many tries an operator is reminded; each of them would fill the log."""
WRITE_SECONDS: Final = 5.0
"""How long the last messages may take to be written at the end."""
FAREWELL_SECONDS: Final = 1.0
GAUGE_SECONDS: Final = 1.0
TEXTS_PAUSE: Final = 20.0
"""Looking at all texts is followed by a pause so many times as long."""

_log = get_logger("sip_edge")


class Server:
    """A running server; `running_server` makes one."""

    def __init__(
        self,
        *,
        config: Config,
        metrics: Metrics,
        watch: LoopWatch,
        voicemail: VoicemailService,
        records: CallRecords,
    ) -> None:
        self._config = config
        self._metrics = metrics
        self.watch = watch
        self.notifier = Notifier(environ=os.environ, process_id=os.getpid())
        self._voicemail = voicemail
        self._records = records
        self._texts_changed = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._stop = asyncio.Event()
        self._end_now = asyncio.Event()
        self._failure: StartError | None = None
        self._table: RouteTable | None = None
        self._is_loaded = asyncio.Event()
        self.dsn = ""
        self.sip_address = ""
        self.http_url = ""
        self.events = CallEvents(metrics, records)
        self.resolver = make_resolver(ResolverSettings(), self._loop.time)
        self.sip_resolver = make_resolver(SIP_NAMES, self._loop.time)
        self.agents = WebSocketAgents(
            settings=WorkerSettings(
                ca_file=config.dispatch.worker_ca_file,
                denied_networks=config.dispatch.denied_networks,
                allowed_networks=config.dispatch.worker_networks,
                max_ahead_seconds=config.media.max_queued_seconds,
                ping_interval_seconds=config.dispatch.ping_seconds,
                ping_timeout_seconds=config.dispatch.ping_seconds,
                first_audio_timeout_seconds=config.dispatch.first_audio_timeout_seconds,
            ),
            resolver=self.resolver,
            environment=os.environ,
            observer=WorkerEvents(metrics),
        )
        self.sip = SipSide(
            config=config,
            metrics=metrics,
            events=self.events,
            resolver=self.sip_resolver,
            directory=self,
            agents=self.agents,
            voicemail=voicemail,
        )

    async def lookup(self, phone_number: str) -> Route | None:
        """The routes, once there is a database to load them from (NumberDirectory)."""
        if self._table is None:
            raise RoutesUnavailableError("the routes have not been loaded yet")
        return await self._table.lookup(phone_number)

    def readiness(self) -> tuple[ReadyState, str]:
        """What /readyz says, and why; safe to call from another thread."""
        if self.sip.calls.is_draining:
            return ReadyState.DRAINING, "the server is shutting down"
        if not self._is_loaded.is_set() or self._table is None:
            return ReadyState.STARTING, "the routes have not been loaded yet"
        if self._table.state is not TableState.LIVE:
            return ReadyState.DEGRADED, f"routes are stale: {self._table.reason}"
        if busy := self.sip.busy:
            return ReadyState.DEGRADED, f"new calls are refused: {busy}"
        return ReadyState.READY, ""

    @contextmanager
    def watch_calls(self, watcher: Callable[[CallReport], None]) -> Iterator[None]:
        """Tell `watcher` of each call that ends within the block."""
        self.events.watchers.append(watcher)
        try:
            yield
        finally:
            self.events.watchers.remove(watcher)

    async def wait_loaded(self) -> None:
        """Return when calls can be routed. Raises StartError if that will never be."""
        loaded = spawn(self._is_loaded.wait(), name="wait until loaded")
        stopped = spawn(self._stop.wait(), name="wait until stopped")
        await asyncio.wait({loaded, stopped}, return_when=asyncio.FIRST_COMPLETED)
        loaded.cancel()
        stopped.cancel()
        if self._failure is not None:
            raise self._failure

    async def run_until_stopped(self) -> None:
        """Serve until SIGTERM or SIGINT, then drain; a second signal ends at once.

        Raises StartError if the database can never be used.
        """
        await self._stop.wait()
        if self._failure is not None:
            raise self._failure
        self.sip.set_available(False)
        seconds = self._config.shutdown.drain_seconds
        self.notifier.stopping("draining", within_seconds=seconds)
        _log.info("draining", calls=len(self.sip.calls), at_most_seconds=seconds)
        drain = spawn(self.sip.calls.drain(seconds), name="drain")
        hurry = spawn(self._end_now.wait(), name="second signal")
        await asyncio.wait({drain, hurry}, return_when=asyncio.FIRST_COMPLETED)
        hurry.cancel()
        if not drain.done():
            drain.cancel()
            await self.sip.calls.drain(0.0)
        await self._voicemail.wait_written(WRITE_SECONDS)
        await self._wait_for_farewells()

    async def _wait_for_farewells(self) -> None:
        """Until our last BYEs were answered, or repeated once: a lost one leaves a line open."""
        try:
            async with asyncio.timeout(FAREWELL_SECONDS):
                while self.sip.sessions:  # noqa: ASYNC110 - the core has no event for it
                    await asyncio.sleep(0.02)
        except TimeoutError:
            pass

    def on_signal(self) -> None:
        """SIGTERM or SIGINT: the first drains, the second ends."""
        if self._stop.is_set():
            self._end_now.set()
        self._stop.set()

    async def follow_database(self) -> None:
        """Open, migrate and follow the database until cancelled."""
        try:
            async with (
                open_database(self._config.database, report=_report_database) as dsn,
                control_beside(self._config, dsn, on_restart=self._metrics.api_restarts.inc),
            ):
                await self._migrate(dsn)
                async with create_pool(dsn) as pool, self._writing_records(dsn):
                    self._voicemail.mailbox.connect(VoicemailStore(pool))
                    self._table = RouteTable(
                        source=PostgresRouteSource(pool=pool, connect=lambda: connect(dsn)),
                        observer=RouteEvents(self._metrics, self._texts_changed.set),
                        clock=self._loop.time,
                        settings=replace(
                            STANDARD_SETTINGS,
                            heartbeat_seconds=self._config.database.heartbeat_seconds,
                            reconcile_seconds=self._config.database.reconcile_seconds,
                        ),
                    )
                    async with asyncio.TaskGroup() as group:
                        group.create_task(self._table.run(), name="routes")
                        group.create_task(self._note_loaded(dsn), name="routes loaded")
                        group.create_task(self._want_texts(self._table), name="voicemail texts")
        except StartError as error:
            self._failure = error
            self._stop.set()

    async def _migrate(self, dsn: str) -> None:
        """Retry until the server is there: it may come up after us, as after a power cut."""
        for attempt in count():
            try:
                connection = await connect(dsn)
                try:
                    report = await migrate(connection, packaged_migrations())
                finally:
                    await close(connection)
            except MigrationError as error:
                raise StartError(str(error)) from error
            except DATABASE_ERRORS as error:
                if attempt % REMIND_ATTEMPTS == 0:
                    _log.warning("database_unavailable", reason=explain_failure(dsn, error))
                await asyncio.sleep(RETRY_SECONDS)
            else:
                if report.applied:
                    _log.info("migrated", applied=list(report.applied))
                return

    @asynccontextmanager
    async def _writing_records(self, dsn: str) -> AsyncIterator[None]:
        """Bring the calls' records to the database; a fault of that is none of the routes'."""
        async with PostgresCallStore(lambda: connect(dsn)) as store:
            writing = spawn(self._records.run(store), name="call records")
            try:
                yield
            finally:
                await _end(writing)

    async def _want_texts(self, table: RouteTable) -> None:
        """Have each voicemail message rendered when it appears, whoever wrote it."""
        while True:
            await self._texts_changed.wait()
            self._texts_changed.clear()
            began_at = self._loop.time()
            async for message in table.voicemail_messages():
                self._voicemail.want(message)
            # A table that changes all the time must not cost more than a twentieth of the loop.
            await asyncio.sleep(TEXTS_PAUSE * (self._loop.time() - began_at))

    async def _note_loaded(self, dsn: str) -> None:
        if self._table is None:
            return
        await self._table.wait_loaded()
        self.dsn = dsn
        self.sip.set_available(True)
        self._is_loaded.set()
        tune_gc()
        self.notifier.ready(self._status())
        _log.info("ready", sip=self.sip_address, http=self.http_url, entries=self._table.entries)

    def _status(self) -> str:
        state, reason = self.readiness()
        calls = f"{len(self.sip.calls)} calls"
        return f"{state.value}, {calls}: {reason}" if reason else f"{state.value}, {calls}"

    def update_gauges(self) -> None:
        """Once a second: what is read rather than counted."""
        self.notifier.alive(self._loop.time(), self._status())
        self._metrics.set_ready_state(self.readiness()[0].value)
        self._metrics.calls_max.set(self._config.sip.max_calls)
        self._metrics.voicemails_undelivered.set(self._voicemail.mailbox.undelivered)
        held = self._metrics.held
        held["dialogs"].set(self.sip.sessions)
        held["transactions"].set(self.sip.transactions)
        held["tasks"].set(len(asyncio.all_tasks(self._loop)))
        self._metrics.rtp_ports.set(self.sip.ports.size)
        self._metrics.rtp_ports_free.set(self.sip.ports.count_free(self._loop.time()))
        self._metrics.record_spool_rows.set(self._records.spool_rows)
        self._metrics.record_spool_bytes.set(self._records.spool_bytes)
        self._metrics.loop_longest_stall.set(self.watch.longest_stall)
        if self._table is not None:
            self._metrics.route_entries.set(self._table.entries)
            age = self._table.age_seconds
            self._metrics.route_age.set(0.0 if age is None else age)
        self._gauge_timer = self._loop.call_later(GAUGE_SECONDS, self.update_gauges)

    def stop_gauges(self) -> None:
        """End what `update_gauges` began."""
        self._gauge_timer.cancel()


@asynccontextmanager
async def running_server(config: Config) -> AsyncIterator[Server]:
    """A server that answers calls, until the block ends. Raises StartError."""
    loop = asyncio.get_running_loop()
    metrics = Metrics(version=version("sip-edge"))
    async with AsyncExitStack() as stack:
        writer = configure_logging(config.logging, secrets=config.secrets())
        stack.callback(writer.close)
        metrics.count_elsewhere("log_lines_dropped", "Log lines lost", lambda: writer.dropped)
        stack.callback(count_failures_with(metrics.internal_errors.inc))
        report_loop_errors(loop)
        watch = LoopWatch(loop=loop, clock=perf_counter, on_lag=metrics.loop_lag.observe)
        watch.start()
        stack.callback(watch.stop)
        voicemail = await stack.enter_async_context(
            running_voicemail(
                RecordingLimits(
                    directory=config.voicemail.directory,
                    max_seconds=config.voicemail.max_seconds,
                    silence_seconds=config.voicemail.silence_seconds,
                    max_recordings=config.sip.max_calls,
                ),
                observer=VoicemailEvents(metrics),
                clock=loop.time,
            )
        )
        records = await _open_records(config, metrics, stack)
        server = Server(
            config=config, metrics=metrics, watch=watch, voicemail=voicemail, records=records
        )
        stack.push_async_callback(server.resolver.close)
        stack.push_async_callback(server.sip_resolver.close)
        stack.callback(server.agents.close)
        stack.callback(server.notifier.close)
        server.http_url = start_http(
            config.http, stack, metrics=metrics, watch=watch, readiness=server.readiness
        )
        stack.callback(server.sip.close)
        address = await server.sip.open()
        server.sip.set_available(False)
        host = f"[{address.host}]" if ":" in address.host else address.host
        server.sip_address = f"{host}:{address.port}"
        server.update_gauges()
        stack.callback(server.stop_gauges)
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.on_signal)
            stack.callback(loop.remove_signal_handler, number)
        following = spawn(server.follow_database(), name="database")
        stack.push_async_callback(_end, following)
        await server.wait_loaded()
        yield server


async def _open_records(config: Config, metrics: Metrics, stack: AsyncExitStack) -> CallRecords:
    """The calls' records, kept on the disk until the database has them. Raises StartError."""
    spool_dir = config.database.spool_dir
    records = CallRecords(
        spool_dir=spool_dir, process=PROCESS, observer=RecordEvents(metrics), clock=perf_counter
    )
    try:
        return await stack.enter_async_context(records)
    except OSError as error:
        raise StartError(f"database.spool_dir {spool_dir}: {error.strerror or error}") from error


async def serve(config: Config) -> int:
    """Run a server until it is told to stop. Raises StartError."""
    async with running_server(config) as server:
        await server.run_until_stopped()
    return 0


async def _end(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


def _report_database(what: str) -> None:
    _log.warning("embedded_database", what=what)
