"""The control API's process, put together: its database, its use cases, its HTTP server."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
import time
import uuid
from contextlib import AsyncExitStack, contextmanager
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from typing import TYPE_CHECKING, Final

from typing_extensions import override
from uvicorn import Server as UvicornServer

from sip_edge.agents.places import PermittedPlaces
from sip_edge.api.control.app import make_control_app, operations
from sip_edge.api.control.services import ControlSettings, Services
from sip_edge.api.control.tokens import TokenVerifier, read_key_set
from sip_edge.api.listening import HttpLimits, ListenError, listen, uvicorn_config
from sip_edge.api_metrics import ApiMetrics
from sip_edge.app.database import open_database
from sip_edge.app.errors import StartError
from sip_edge.app.number_services import (
    NumberServices,
    keep_reconciling,
    make_number_services,
)
from sip_edge.config import encryption_key
from sip_edge.logs import configure_logging, get_logger
from sip_edge.provisioning.agents import Agents
from sip_edge.provisioning.api_keys import ApiKeys
from sip_edge.provisioning.errors import ProvisioningError
from sip_edge.provisioning.integrations import Integrations
from sip_edge.provisioning.records import Records
from sip_edge.resolver import CaresLookup, Resolver, ResolverSettings
from sip_edge.storage.agent_rows import PostgresAgents
from sip_edge.storage.api_key_rows import PostgresApiKeys, PostgresWorkspaces
from sip_edge.storage.audio_files import AudioFolder
from sip_edge.storage.control_database import ControlDatabase
from sip_edge.storage.idempotency_rows import PostgresIdempotency
from sip_edge.storage.integration_rows import PostgresIntegrations
from sip_edge.storage.key_file import key_in
from sip_edge.storage.migrate import MigrationError, migrate_database
from sip_edge.storage.pool import create_pool
from sip_edge.storage.record_rows import PostgresRecords
from sip_edge.storage.secret_box import AesGcmBox
from sip_edge.tasks import count_failures_with, report_loop_errors, spawn

if TYPE_CHECKING:
    import socket
    from collections.abc import Iterator

    from fastapi import FastAPI

    from sip_edge.config import ApiSettings, Config

POOL_SIZE: Final = 10
"""Queries at once; each takes a millisecond or two, so that this is thousands a second."""
LIMITS: Final = HttpLimits(
    backlog=512,
    most_at_once=500,
    # Longer than the proxy's own (60 s at most of them), which must be the one to close.
    keep_alive_seconds=75,
    finish_seconds=10,
)
RETRY_SECONDS: Final = 1.0
SWEEP_SECONDS: Final = 3600.0
"""How often answers that have expired are removed."""
TOKEN_BYTES: Final = 32
KEY_FILE: Final = "api.key"
"""Where secrets' key is kept if nobody has set one."""

_log = get_logger("sip_edge.api")


async def serve_control(config: Config, *, end: asyncio.Event | None = None) -> int:
    """Serve the control API until SIGTERM, SIGINT, or `end`. Raises StartError."""
    loop = asyncio.get_running_loop()
    async with AsyncExitStack() as stack:
        writer = configure_logging(config.logging, secrets=config.secrets())
        stack.callback(writer.close)
        metrics = ApiMetrics(operations())
        stack.callback(count_failures_with(metrics.internal_errors.inc))
        report_loop_errors(loop)
        listener = stack.enter_context(_listen(config.api))
        dsn = await stack.enter_async_context(
            open_database(config.database, report=_report_database)
        )
        database = ControlDatabase(
            await stack.enter_async_context(create_pool(dsn, max_size=POOL_SIZE, resets=False))
        )
        resolver = _resolver(loop)
        stack.push_async_callback(resolver.close)
        services, beside_them = make_services(config, database, resolver=resolver, metrics=metrics)
        stack.push_async_callback(beside_them.platform.aclose)
        server = _Server(uvicorn_config(_app(config, services, metrics), LIMITS))
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, server.finish)
            stack.callback(loop.remove_signal_handler, number)
        beside = [spawn(_prepare(dsn, services), name="migrations")]
        beside.append(spawn(_forget_expired(services), name="expired keys"))
        beside.append(spawn(keep_reconciling(beside_them.reconciler), name="purchases"))
        if end is not None:
            beside.append(spawn(_wait_end(end, server), name="end of the parent"))
        for task in beside:
            stack.push_async_callback(_cancelled, task)
        host, port = listener.getsockname()[:2]
        _log.info("api_listening", address=f"[{host}]:{port}" if ":" in host else f"{host}:{port}")
        await server.serve(sockets=[listener])
    return 0


def make_services(
    config: Config,
    database: ControlDatabase,
    *,
    resolver: Resolver,
    metrics: ApiMetrics,
) -> tuple[Services, NumberServices]:
    """The use cases over PostgreSQL, and what works beside those of numbers."""
    api = config.api
    box = AesGcmBox(_encryption_keys(config))
    agents = Agents(
        store=PostgresAgents(database),
        places=PermittedPlaces(
            resolver=resolver,
            allowed=config.dispatch.worker_networks,
            denied=config.dispatch.denied_networks,
            clock=asyncio.get_running_loop().time,
        ),
        worker_secrets=api.worker_secrets,
    )
    integrations = Integrations(store=PostgresIntegrations(database), box=box, new_id=uuid.uuid4)
    beside = make_number_services(
        api,
        database,
        agents=agents,
        credentials=integrations,
        box=box,
        environment=os.environ,
        count=lambda state: metrics.purchase_moved(state.value),
        tell_overdue=metrics.purchases_overdue.set,
    )
    services = Services(
        agents=agents,
        integrations=integrations,
        numbers=beside.numbers,
        purchases=beside.purchases,
        api_keys=make_api_keys(database),
        workspaces=PostgresWorkspaces(database),
        records=Records(store=PostgresRecords(database)),
        audio=AudioFolder(config.voicemail.directory),
        idempotency=PostgresIdempotency(database),
        tokens=_tokens(api),
        problem=partial(_problem, database),
        metrics=metrics.render,
    )
    return services, beside


def make_api_keys(database: ControlDatabase) -> ApiKeys:
    """The use case of keys over PostgreSQL."""
    return ApiKeys(
        store=PostgresApiKeys(database),
        clock=_now,
        new_token=lambda: secrets.token_urlsafe(TOKEN_BYTES),
    )


def _app(config: Config, services: Services, metrics: ApiMetrics) -> FastAPI:
    return make_control_app(
        services=services,
        settings=ControlSettings(
            requests_per_minute=config.api.requests_per_minute,
            request_seconds=config.api.request_seconds,
            public_docs=config.api.public_docs,
            version=version("sip-edge"),
        ),
        observer=metrics,
    )


def _encryption_keys(config: Config) -> list[bytes]:
    """The configured ones; beside an embedded database, one that is kept in its folder."""
    api = config.api
    if api.encryption_key is not None:
        configured = (api.encryption_key, *api.previous_encryption_keys)
        return [encryption_key(key) for key in configured]
    if not config.database.data_dir.is_dir():
        return []
    try:
        return [key_in(config.database.data_dir / KEY_FILE)]
    except OSError as error:
        _log.warning("no_encryption_key", reason=str(error))
        return []


def _now() -> datetime:
    return datetime.now(UTC)


def _resolver(loop: asyncio.AbstractEventLoop) -> Resolver:
    settings = ResolverSettings()
    return Resolver(settings=settings, lookup=CaresLookup(settings=settings), clock=loop.time)


def _tokens(api: ApiSettings) -> TokenVerifier | None:
    if api.jwt_issuer is None or api.jwt_audience is None or api.jwt_keys is None:
        return None
    return TokenVerifier(
        issuer=api.jwt_issuer,
        audience=api.jwt_audience,
        workspace_claim=api.jwt_workspace_claim,
        read=partial(read_key_set, api.jwt_keys),
        clock=time.monotonic,  # noqa: TID251 - handed in, as everywhere
    )


async def _problem(database: ControlDatabase) -> str | None:
    """Why the tables cannot be read, None if they can."""
    try:
        await database.fetchrow("SELECT id FROM workspaces LIMIT 1")
    except ProvisioningError as error:
        return error.message
    return None


async def _prepare(dsn: str, services: Services) -> None:
    """Bring the tables up to date, however long the database takes to be there."""
    is_known = False
    while True:
        try:
            report = await migrate_database(dsn)
        except MigrationError as error:
            if not is_known:
                is_known = True
                _log.warning("database_unavailable", reason=str(error))
            await asyncio.sleep(RETRY_SECONDS)
        else:
            if report.applied:
                _log.info("migrated", applied=list(report.applied))
            break
    try:
        if await services.api_keys.is_empty():
            _log.info("no_api_key", note="make the first one: sip-edge api-key create")
    except ProvisioningError as error:
        _log.warning("database_unavailable", reason=error.message)


async def _forget_expired(services: Services) -> None:
    while True:
        await asyncio.sleep(SWEEP_SECONDS)
        try:
            await services.idempotency.forget_expired()
        except ProvisioningError as error:
            _log.warning("database_unavailable", reason=error.message)


async def _wait_end(end: asyncio.Event, server: _Server) -> None:
    await end.wait()
    server.finish()


async def _cancelled(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.wait({task})


class _Server(UvicornServer):
    """uvicorn, which would take signals for itself and raise them again at its end."""

    @override
    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def finish(self) -> None:
        """Take no more requests, and end when those that are there are answered."""
        self.should_exit = True


def _listen(api: ApiSettings) -> socket.socket:
    try:
        return listen("api", api.host, api.port, backlog=LIMITS.backlog)
    except ListenError as error:
        raise StartError(f"{error}, or api.enabled to false") from error


def _report_database(what: str) -> None:
    _log.warning("embedded_database", what=what)
