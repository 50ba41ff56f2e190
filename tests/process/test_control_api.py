"""The control API as an operator has it: beside the server, in a process of its own."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from support.edge_process import START_SECONDS, EdgeProcess
from support.polling import eventually
from support.postgres import PostgresServer

pytestmark = pytest.mark.asyncio

SECRET = "oi_sk_"


SETTINGS = {
    "SIP_EDGE__API__ENABLED": "true",
    "SIP_EDGE__API__ENCRYPTION_KEY": "00" * 32,
}


@pytest.fixture(scope="module")
def shared_edge(
    tmp_path_factory: pytest.TempPathFactory, embedded_postgres: PostgresServer
) -> Iterator[EdgeProcess]:
    """An edge with its API, which ends with it."""
    with embedded_postgres.database(migrated=True) as dsn:
        edge = EdgeProcess(tmp_path_factory.mktemp("edge"), dsn=dsn, settings=SETTINGS)
        edge.start()
        yield edge
        [child] = children_of(edge)
        try:
            assert edge.stop() == 0
            assert not is_alive(child)
        finally:
            edge.kill()


async def status_of(edge: EdgeProcess, path: str, **arguments: Any) -> int:
    """What a GET gets, 0 if nobody listens."""
    url = f"http://{edge.host}:{edge.api_port}{path}"
    async with httpx.AsyncClient(trust_env=False) as client:
        try:
            return (await client.get(url, **arguments)).status_code
        except httpx.TransportError:
            return 0


async def until_ready(edge: EdgeProcess) -> None:
    await eventually(
        lambda: status_of(edge, "/readyz"),
        lambda status: status == 200,
        what="the API's /readyz",
        seconds=START_SECONDS,
    )


def children_of(edge: EdgeProcess) -> list[int]:
    """The processes that run the API for this edge."""
    listed = subprocess.run(
        ["ps", "-o", "pid=,args=", "--ppid", str(edge.pid)],
        capture_output=True, text=True, check=False,
    ).stdout  # fmt: skip
    return [int(line.split()[0]) for line in listed.splitlines() if "control_child" in line]


def is_alive(process_id: int) -> bool:
    """Zombies, which their parent has not looked at yet, are not."""
    try:
        state = Path(f"/proc/{process_id}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def make_key(edge: EdgeProcess, *arguments: str) -> str:
    done = edge.run("api-key", "create", *arguments)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


async def test_operator_makes_a_key_and_a_client_an_agent(shared_edge: EdgeProcess) -> None:
    await until_ready(shared_edge)
    key = make_key(shared_edge, "--name", "ci")
    other = json.loads(
        (shared_edge.run("api-key", "create", "--workspace", "shop", "--json")).stdout
    )
    url = f"http://{shared_edge.host}:{shared_edge.api_port}/v1/agents"
    async with httpx.AsyncClient(trust_env=False) as client:
        ours = {"Authorization": f"Bearer {key}"}
        made = await client.post(url, headers=ours, json={"name": "A"})
        hidden = await client.get(
            f"{url}/{made.json()['id']}", headers={"Authorization": f"Bearer {other['key']}"}
        )
        revoked = shared_edge.run("api-key", "revoke", other["id"])
        refused = await client.get(url, headers={"Authorization": f"Bearer {other['key']}"})

    assert key.startswith(SECRET)
    assert made.status_code == 201
    assert hidden.status_code == 404
    assert (revoked.returncode, refused.status_code) == (0, 401)
    listed = shared_edge.run("api-key", "list").stdout
    assert "ci" in listed
    assert key not in listed
    rows = await shared_edge.sql("SELECT name FROM agents")
    assert [row["name"] for row in rows] == ["A"]
    assert SECRET not in shared_edge.output


async def test_api_that_dies_is_started_again_and_calls_do_not_notice(
    shared_edge: EdgeProcess,
) -> None:
    await until_ready(shared_edge)
    [first] = children_of(shared_edge)
    os.kill(first, signal.SIGKILL)
    await eventually(
        lambda: [child for child in children_of(shared_edge) if child != first],
        lambda children: len(children) == 1,
        what="another process",
    )
    await until_ready(shared_edge)

    assert shared_edge.http_status("/readyz") == 200
    assert shared_edge.metric("sip_edge_api_restarts_total") == 1
    assert shared_edge.metric("sip_edge_internal_errors_total") == 0


async def test_api_ends_with_a_server_that_is_killed(
    tmp_path: Path, empty_database_dsn: str
) -> None:
    edge = EdgeProcess(tmp_path, dsn=empty_database_dsn, settings=SETTINGS)
    edge.start()
    try:
        await until_ready(edge)
        [child] = children_of(edge)
        await eventually(lambda: "no_api_key" in edge.output, what="the advice to make a key")
    finally:
        edge.kill()

    await eventually(lambda: is_alive(child), lambda alive: not alive, what="the API's process")


@pytest.fixture
def api_alone(tmp_path: Path, empty_database_dsn: str) -> Iterator[tuple[EdgeProcess, Any]]:
    """`sip-edge api`, and the edge whose settings it has, which does not run."""
    edge = EdgeProcess(tmp_path, dsn=empty_database_dsn)
    process = subprocess.Popen(
        [sys.executable, "-m", "sip_edge", "api"],
        env=edge.environment,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    yield edge, process
    process.kill()
    process.wait()


async def test_api_runs_alone(api_alone: tuple[EdgeProcess, Any]) -> None:
    edge, process = api_alone
    await until_ready(edge)
    headers = {"Authorization": f"Bearer {make_key(edge)}"}

    assert await status_of(edge, "/v1/agents", headers=headers) == 200
    assert await status_of(edge, "/metrics") == 200
    process.terminate()
    assert await asyncio.to_thread(process.wait, 20) == 0


async def test_port_that_is_taken_is_one_line(tmp_path: Path, database_dsn: str) -> None:
    edge = EdgeProcess(tmp_path, dsn=database_dsn)
    server = await asyncio.start_server(lambda *_: None, edge.host, edge.api_port)
    async with server:
        done = await asyncio.to_thread(edge.run, "api")

    assert done.returncode == 1
    assert "set api.host and api.port" in done.stderr
