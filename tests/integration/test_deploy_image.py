"""The Dockerfile, what the engine is sent, and what the image starts with.

`scripts/try_dockerfile.sh` runs the Dockerfile's steps; that takes minutes, and root.
"""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from support.chroot_build import sent_to_engine
from support.deployment import ROOT
from support.dockerfile import Stage, read_dockerfile

from sip_edge.config import Config, load_config

CONTAINER = ROOT / "config" / "sip_edge.container.toml"


@pytest.fixture(scope="module")
def stages() -> list[Stage]:
    return read_dockerfile(ROOT / "Dockerfile")


@pytest.fixture(scope="module")
def image(stages: list[Stage]) -> Stage:
    return stages[-1]


def test_two_stages_stand_on_one_base_of_a_fixed_version(stages: list[Stage]) -> None:
    assert [stage.base for stage in stages] == ["python:3.11-slim-bookworm"] * 2


def test_everything_is_installed_from_lock_files_by_hash(stages: list[Stage]) -> None:
    installs = [
        command
        for stage in stages
        for run in stage.all("RUN")
        for command in run.rest.split("&&")
        if re.search(r"\bpip\b.*\binstall\b", command)
    ]

    assert len(installs) == 3
    for command in installs[:2]:
        assert "--require-hashes -r requirements" in command
        assert "--only-binary :all:" in command
    assert "--no-deps --no-index dist/" in installs[2]


def test_result_takes_only_the_environment_and_one_file(image: Stage) -> None:
    copies = [copy.rest for copy in image.all("COPY")]

    assert copies == [
        "--from=build /opt/sip-edge /opt/sip-edge",
        "config/sip_edge.container.toml /etc/sip-edge/sip_edge.toml",
    ]
    assert "pip uninstall" in image.all("RUN")[0].rest


def test_it_runs_as_a_fixed_user_that_is_not_root(image: Stage) -> None:
    user, group = image.last("USER").rest.split(":")

    assert (user, group) == ("10001", "10001")
    assert f"useradd --uid {user}" in image.all("RUN")[0].rest


def test_it_is_told_to_drain_and_asked_how_it_is(image: Stage) -> None:
    assert image.last("STOPSIGNAL").rest == "SIGTERM"
    health = image.last("HEALTHCHECK")
    assert health.rest.split("CMD ")[1].startswith('["sip-edge", "health"')
    assert set(health.flags) == {"interval", "timeout", "start-period", "start-interval", "retries"}


def test_every_command_in_it_exists(image: Stage) -> None:
    started = image.last("ENTRYPOINT").words + image.last("CMD").words
    asked = image.last("HEALTHCHECK").rest.split("CMD ")[1]
    for command in (started[1], re.findall(r'"([^"]+)"', asked)[1]):
        done = subprocess.run(
            [sys.executable, "-m", "sip_edge", command, "--help"], capture_output=True, timeout=60
        )
        assert done.returncode == 0, done.stderr.decode()


def test_ports_are_those_of_the_configuration(image: Stage) -> None:
    config = Config()

    assert image.last("EXPOSE").rest.split() == [
        f"{config.sip.port}/udp",
        f"{config.sip.port}/tcp",
        f"{config.sip.tls_port}/tcp",
        f"{config.http.port}/tcp",
        f"{config.api.port}/tcp",
    ]
    rtp = f"{config.media.port_min}-{config.media.port_max}/udp"
    assert rtp in (ROOT / "Dockerfile").read_text()


def test_relative_paths_of_the_configuration_lie_in_the_volume(image: Stage) -> None:
    assert image.last("WORKDIR").rest == image.last("VOLUME").rest == "/var/lib/sip-edge"
    assert not Config().database.data_dir.is_absolute()
    assert not Config().voicemail.directory.is_absolute()


def test_engine_is_sent_what_is_copied(stages: list[Stage]) -> None:
    copied = [
        name
        for stage in stages
        for copy in stage.all("COPY")
        if "from" not in copy.flags
        for name in copy.unflagged.split()[:-1]
    ]

    assert sent_to_engine(copied, ROOT) == copied
    assert all((ROOT / name).exists() for name in copied)


@pytest.mark.parametrize(
    "name",
    [
        ".git/config",
        ".venv/bin/python",
        "config/demo.toml",
        "data/postgres/cluster/PG_VERSION",
        "deploy/compose/.env",
        "sip_edge/sip/__pycache__/uri.cpython-311.pyc",
        "tests/conftest.py",
    ],
)
def test_engine_is_not_sent_anything_else(name: str) -> None:
    assert sent_to_engine([name], ROOT) == []


def test_configuration_of_the_image_is_good_and_has_no_secret() -> None:
    config = load_config(CONTAINER, {})

    assert config.sip.host == "0.0.0.0"
    assert config.http.host == "127.0.0.1"
    assert config.database.dsn is None
    assert set(config.carriers) == {"local", "twilio", "telnyx"}


def test_carriers_may_call_from_the_networks_that_they_publish() -> None:
    carriers = load_config(CONTAINER, {}).carriers

    assert carriers["twilio"].has_published_networks
    assert carriers["telnyx"].has_published_networks
    assert carriers["local"].country == "US"
