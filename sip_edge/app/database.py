"""The database of a server or of one command: an operator's own, or the embedded one."""

from __future__ import annotations

import asyncio
import tomllib
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from sip_edge.app.errors import StartError
from sip_edge.routing.explain import Explanation, explain_route
from sip_edge.routing.number import normalise
from sip_edge.routing.policy import plan_route
from sip_edge.routing.ports import RoutesUnavailableError
from sip_edge.storage.embedded import EmbeddedPostgres, EmbeddedPostgresError
from sip_edge.storage.migrate import MigrationError
from sip_edge.storage.migrate import migrate_database as migrate
from sip_edge.storage.pool import (
    DATABASE_ERRORS,
    close,
    connect,
    create_pool,
    explain_failure,
)
from sip_edge.storage.route_questions import Questions
from sip_edge.storage.route_source import PostgresRouteSource
from sip_edge.storage.seed import SeedData, SeedError, load_seed, parse_seed
from sip_edge.storage.voicemails import StoredVoicemail, VoicemailStore
from sip_edge.tasks import spawn

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Sequence
    from pathlib import Path

    from sip_edge.config import Config, DatabaseSettings
    from sip_edge.routing.plan import Route

POLL_SECONDS: Final = 0.1
ASK_SECONDS: Final = 5.0
"""How long a command waits for an answer; it has more time than a call."""


@asynccontextmanager
async def open_database(
    settings: DatabaseSettings, *, report: Callable[[str], None] | None = None
) -> AsyncIterator[str]:
    """The DSN of a database that can be used until the block ends. Raises StartError.

    The embedded server is started if nobody runs it yet, else joined. With `report` it is also
    looked after: started again when it ends, which `report` is told of.
    """
    if settings.dsn is not None:
        yield settings.dsn.get_secret_value()
        return
    try:
        async with EmbeddedPostgres(settings.data_dir) as server:
            if report is None:
                yield server.dsn
                return
            keeper = spawn(server.keep_running(report), name="embedded PostgreSQL")
            try:
                yield server.dsn
            finally:
                keeper.cancel()
                await asyncio.wait({keeper})
    except EmbeddedPostgresError as error:
        raise StartError(str(error)) from error


async def migrate_database(config: Config) -> Sequence[str]:
    """Apply what is missing; the names of the migrations applied. Raises StartError."""
    async with open_database(config.database) as dsn:
        try:
            return (await migrate(dsn)).applied
        except MigrationError as error:
            raise StartError(str(error)) from error


async def explain_number(config: Config, dialled: str, carrier_name: str | None) -> Explanation:
    """What would happen to a call to `dialled` now. Raises StartError.

    `carrier_name` is a carrier of the configuration; None stands for one that may call any number.
    """
    carrier = None
    if carrier_name is not None:
        carrier = config.carriers.get(carrier_name)
        if carrier is None:
            known = ", ".join(sorted(config.carriers))
            raise StartError(f"--carrier {carrier_name}: the configuration has {known}")
    number = normalise(dialled, carrier.country if carrier else _only_country(config))
    async with open_database(config.database) as dsn:
        route = None if number is None else await _read_route(dsn, number)
    plan = plan_route(route, number=number, provider=carrier.provider if carrier else None)
    return explain_route(number or dialled, route, plan, carrier.responses if carrier else {})


async def load_agents_and_numbers(dsn: str, path: Path) -> None:
    """Write the agents and numbers of a TOML file into the database. Raises StartError."""
    seed = _read_seed(path)
    try:
        connection = await connect(dsn)
        try:
            await load_seed(connection, seed)
        finally:
            await close(connection)
    except DATABASE_ERRORS as error:
        raise StartError(explain_failure(dsn, error)) from error


async def newest_voicemail(
    dsn: str, phone_number: str, *, within_seconds: float
) -> StoredVoicemail | None:
    """The last message for a number, waiting for it to appear; None if none does."""
    async with create_pool(dsn) as pool:
        store = VoicemailStore(pool)
        for _ in range(int(within_seconds / POLL_SECONDS)):
            if found := await store.newest(limit=1, phone_number=phone_number):
                return found[0]
            await asyncio.sleep(POLL_SECONDS)
    return None


def _only_country(config: Config) -> str | None:
    """Where a number without country code belongs, if all carriers agree on it."""
    countries = {carrier.country for carrier in config.carriers.values()}
    return countries.pop() if len(countries) == 1 else None


def _read_seed(path: Path) -> SeedData:
    try:
        return parse_seed(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, tomllib.TOMLDecodeError, SeedError) as error:
        raise StartError(f"{path}: {error}") from error


async def _read_route(dsn: str, number: str) -> Route | None:
    async with create_pool(dsn) as pool:
        source = PostgresRouteSource(pool=pool, connect=lambda: connect(dsn))
        questions = Questions(source=source, timeout_seconds=ASK_SECONDS)
        answering = spawn(questions.serve(), name="questions")
        try:
            return await questions.ask(number)
        except RoutesUnavailableError as error:
            raise StartError(f"the route of {number} cannot be read: {error}") from error
        finally:
            answering.cancel()
