"""The systemd unit: that systemd accepts it, how exposed it is, and that it lets calls finish."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from support.deployment import DEPLOY

from sip_edge.config import Config, load_config
from sip_edge.notify import STOP_MARGIN_SECONDS

SYSTEMD = DEPLOY / "systemd"
UNIT = SYSTEMD / "sip-edge.service"
MOST_EXPOSED = 1.5
"""systemd's own scale from 0 to 10; a service without any protection has 9.6."""


def settings() -> dict[str, list[str]]:
    """Every setting of the unit, and its values in order."""
    found: dict[str, list[str]] = {}
    for name, value in re.findall(r"^(\w+)=(.*)$", UNIT.read_text(), re.MULTILINE):
        found.setdefault(name, []).append(value)
    return found


@pytest.fixture
def installed_unit(tmp_path: Path) -> Path:
    """The unit as it is where the program is installed: systemd looks for it."""
    unit = tmp_path / UNIT.name
    unit.write_text(UNIT.read_text().replace("/opt/sip-edge/bin/sip-edge", sys.executable))
    return unit


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    program = shutil.which("systemd-analyze")
    if program is None:
        pytest.skip("systemd-analyze is not installed (Debian: systemd): the unit is not judged")
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=60)


def test_systemd_finds_no_fault_in_it(installed_unit: Path) -> None:
    done = analyze("verify", "--man=no", "--recursive-errors=no", installed_unit)

    assert done.returncode == 0, done.stderr
    assert done.stderr == ""


def test_it_is_shut_off_from_what_it_does_not_need(installed_unit: Path) -> None:
    done = analyze(
        "security", "--offline=yes", f"--threshold={MOST_EXPOSED * 10:g}", installed_unit
    )

    assert done.returncode == 0, done.stdout


def test_calls_may_finish_before_it_is_killed() -> None:
    unit = settings()

    assert unit["KillSignal"] == ["SIGTERM"]
    assert unit["KillMode"] == ["mixed"]
    drain_seconds = Config().shutdown.drain_seconds
    assert int(unit["TimeoutStopSec"][0]) >= drain_seconds + STOP_MARGIN_SECONDS


def test_it_says_when_it_is_ready_and_that_it_lives() -> None:
    unit = settings()

    assert unit["Type"] == ["notify"]
    assert unit["NotifyAccess"] == ["main"]
    assert int(unit["WatchdogSec"][0]) >= 10


def test_it_is_tried_again_unless_its_configuration_is_wrong() -> None:
    unit = settings()

    assert unit["Restart"] == ["on-failure"]
    assert unit["StartLimitIntervalSec"] == ["0"]
    assert unit["RestartPreventExitStatus"] == ["2"]


def test_embedded_postgresql_may_be_started() -> None:
    """setpriv, which starts it, sets capabilities; ~@privileged alone would forbid that."""
    assert settings()["SystemCallFilter"] == ["@system-service", "~@privileged", "capset"]


def test_state_is_kept_where_it_may_write() -> None:
    unit = settings()

    assert unit["WorkingDirectory"] == [f"/var/lib/{unit['StateDirectory'][0]}"]
    assert unit["ProtectSystem"] == ["strict"]


def test_environment_example_has_only_settings_that_exist() -> None:
    lines = (SYSTEMD / "sip-edge.env.example").read_text().splitlines()
    environment = dict(
        line.removeprefix("# ").split("=", 1)
        for line in lines
        if line.removeprefix("# ").startswith("SIP_EDGE__")
    )

    assert set(environment) == {
        "SIP_EDGE__DATABASE__DSN",
        "SIP_EDGE__SIP__PUBLIC_ADDRESS",
        "SIP_EDGE__API__ENCRYPTION_KEY",
        "SIP_EDGE__CARRIERS__TWILIO__SECRET_HEADER",
        "SIP_EDGE__CARRIERS__TWILIO__SECRET",
    }
    # No key is proposed that somebody might leave as it is.
    assert environment.pop("SIP_EDGE__API__ENCRYPTION_KEY") == "..."
    assert load_config(None, environment).sip.public_address == "203.0.113.10"


def test_kernel_is_allowed_the_receive_buffer_that_is_asked_for() -> None:
    sysctl = (SYSTEMD / "sip-edge.sysctl.conf").read_text()
    found = re.search(r"^net\.core\.rmem_max = (\d+)$", sysctl, re.MULTILINE)
    first = re.search(r"^net\.ipv4\.ip_local_port_range = (\d+) ", sysctl, re.MULTILINE)

    assert found
    assert int(found[1]) >= Config().sip.receive_buffer_bytes
    assert first
    assert int(first[1]) > Config().media.port_max
