"""Keys of the control API for people at a terminal."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final
from uuid import UUID

from sip_edge.app.control import make_api_keys
from sip_edge.app.database import open_database
from sip_edge.app.errors import StartError
from sip_edge.provisioning.errors import ProvisioningError
from sip_edge.provisioning.values import PageRequest
from sip_edge.storage.api_key_rows import PostgresApiKeys, PostgresWorkspaces
from sip_edge.storage.control_database import ControlDatabase
from sip_edge.storage.migrate import MigrationError, migrate_database
from sip_edge.storage.pool import create_pool

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from sip_edge.config import Config
    from sip_edge.provisioning.values import ApiKey, NewApiKey, Workspace

PAGE: Final = 100


async def create_key(config: Config, *, workspace: str | None, name: str) -> NewApiKey:
    """A new key of a workspace, which is made if it does not exist. Raises StartError."""
    async with _database(config) as database:
        workspaces = PostgresWorkspaces(database)
        owner = (
            await workspaces.default()
            if workspace is None
            else await workspaces.named_or_new(workspace)
        )
        return await make_api_keys(database).create(owner.id, name)


async def list_keys(config: Config, *, workspace: str | None) -> list[ApiKey]:
    """All keys of a workspace, newest first. Raises StartError."""
    async with _database(config) as database:
        owner = await _workspace(database, workspace)
        keys = make_api_keys(database)
        found: list[ApiKey] = []
        request = PageRequest(PAGE, None)
        while True:
            page = await keys.page(owner.id, request)
            found += page.items
            if page.next is None:
                return found
            request = PageRequest(PAGE, page.next)


async def revoke_key(config: Config, key_id: str) -> None:
    """End a key, whosever it is. Raises StartError."""
    async with _database(config) as database:
        try:
            wanted = UUID(key_id)
        except ValueError:
            raise StartError(f"{key_id} is no id of a key; `sip-edge api-key list`") from None
        if not await PostgresApiKeys(database).revoke_any(wanted):
            raise StartError(f"there is no key {key_id}; `sip-edge api-key list` has all ids")


async def _workspace(database: ControlDatabase, name: str | None) -> Workspace:
    workspaces = PostgresWorkspaces(database)
    if name is None:
        return await workspaces.default()
    found = await workspaces.named(name)
    if found is None:
        raise StartError(f"there is no workspace {name!r}")
    return found


@asynccontextmanager
async def _database(config: Config) -> AsyncIterator[ControlDatabase]:
    """A database with all its tables. Raises StartError."""
    async with open_database(config.database) as dsn:
        try:
            await migrate_database(dsn)
            async with create_pool(dsn) as pool:
                yield ControlDatabase(pool)
        except MigrationError as error:
            raise StartError(str(error)) from error
        except ProvisioningError as error:
            raise StartError(error.message) from error
