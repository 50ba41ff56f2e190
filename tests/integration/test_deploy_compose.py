"""The compose file: who may reach what, that its parts fit, and that the demo's rows lead to it.

It is checked against the format by `docker compose config`, where there is a Docker.
"""

from __future__ import annotations

import re

import asyncpg
import pytest
from pydantic import SecretStr
from support.deployment import DEPLOY, ROOT

from sip_edge.app import explain_number
from sip_edge.config import Config, load_config
from sip_edge.config.settings import DatabaseSettings
from sip_edge.notify import STOP_MARGIN_SECONDS

COMPOSE = DEPLOY / "compose" / "compose.yaml"
TEXT = COMPOSE.read_text()
DEMO = (COMPOSE.parent / "demo.sql").read_text()


def service(name: str) -> str:
    """The lines of one service."""
    found = re.search(rf"^  {name}:\n(.*?)(?=^ {{0,2}}\S)", TEXT, re.DOTALL | re.MULTILINE)
    assert found, name
    return found[1]


def test_published_ports_are_open_to_this_machine_alone() -> None:
    published = re.findall(r"^ +ports:\n((?: +- .*\n)+)", TEXT, re.MULTILINE)

    assert len(published) == 2
    for ports in published:
        for port in ports.split("\n")[:-1]:
            assert port.strip().startswith("- 127.0.0.1:"), port


def test_services_on_the_machine_s_network_listen_on_the_loopback() -> None:
    on_host = re.findall(
        r"^  (\w+):\n(?:    .*\n| *\n)*?    network_mode: host", TEXT, re.MULTILINE
    )

    assert on_host == ["edge", "prometheus", "grafana"]
    assert "--web.listen-address=127.0.0.1:" in service("prometheus")
    assert "GF_SERVER_HTTP_ADDR: 127.0.0.1" in service("grafana")
    config = load_config(ROOT / "config" / "sip_edge.container.toml", {})
    assert config.http.host == "127.0.0.1"


def test_images_have_a_version_and_name_no_registry() -> None:
    images = set(re.findall(r"^    image: (\S+)$", TEXT, re.MULTILINE)) - {"sip-edge"}

    assert len(images) == 3
    for image in images:
        name, _, tag = image.partition(":")
        assert re.match(r"v?\d", tag), image
        assert "." not in name, image


def test_edge_is_given_the_time_to_drain() -> None:
    found = re.search(r"stop_grace_period: (\d+)s", service("edge"))

    assert found
    assert int(found[1]) >= Config().shutdown.drain_seconds + STOP_MARGIN_SECONDS


def test_every_file_that_is_mounted_exists() -> None:
    mounted = re.findall(r"^      - (\.\.?/[^:]+):", TEXT, re.MULTILINE)

    assert len(mounted) == 7
    for name in mounted:
        assert (COMPOSE.parent / name).exists(), name


def test_every_variable_is_explained() -> None:
    explained = (COMPOSE.parent / ".env.example").read_text()
    for name in set(re.findall(r"\$\{(\w+)", TEXT)):
        assert f"{name}=" in explained, name


def test_settings_of_the_edge_are_settings() -> None:
    settings = dict(re.findall(r"^ +(SIP_EDGE__\w+): (.+)$", service("edge"), re.MULTILINE))
    settings = {name: re.sub(r"\$\{\w+[^}]*\}", "1", value) for name, value in settings.items()}
    settings |= {"SIP_EDGE__SIP__PUBLIC_ADDRESS": "", "SIP_EDGE__API__ENCRYPTION_KEY": ""}

    config = load_config(ROOT / "config" / "sip_edge.container.toml", settings)

    assert config.database.dsn is not None
    assert config.sip.public_address is None


def test_prometheus_scrapes_where_the_edge_answers() -> None:
    prometheus = (DEPLOY / "prometheus" / "prometheus.yml").read_text()
    config = load_config(ROOT / "config" / "sip_edge.container.toml", {})

    assert f"targets: [{config.http.host}:{config.http.port}]" in prometheus
    assert f"targets: [{config.api.host}:{config.api.port}]" in prometheus


@pytest.mark.postgres
@pytest.mark.asyncio
async def test_numbers_of_the_demo_lead_to_its_worker(database_dsn: str) -> None:
    connection = await asyncpg.connect(database_dsn)
    try:
        await connection.execute(DEMO)
        await connection.execute(DEMO)
    finally:
        await connection.close()

    config = Config(database=DatabaseSettings(dsn=SecretStr(database_dsn)))
    told = "\n".join((await explain_number(config, "+12025550101", None)).lines)

    assert "Bob" in told
    assert "Ada" in told
    assert "ws://127.0.0.1:7860/echo" in told
    assert "127.0.0.1:7860:7860" in service("worker")
