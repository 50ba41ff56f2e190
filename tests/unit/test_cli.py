"""The command line as a stranger and a script meet it."""

from __future__ import annotations

from pathlib import Path

import pytest

from sip_edge.cli import run


@pytest.mark.parametrize(
    "arguments",
    [
        ["--help"],
        ["serve", "--help"],
        ["demo", "--help"],
        ["call", "--help"],
        ["route", "explain", "--help"],
        ["migrate", "--help"],
        ["check-config", "--help"],
        ["api", "--help"],
        ["api-key", "create", "--help"],
        ["api-key", "list", "--help"],
        ["api-key", "revoke", "--help"],
    ],
)
def test_every_command_explains_itself(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run(arguments)

    assert exit_info.value.code == 0
    assert "usage: sip-edge" in capsys.readouterr().out


def test_unknown_command_is_a_usage_error() -> None:
    with pytest.raises(SystemExit) as exit_info:
        run(["sevre"])

    assert exit_info.value.code == 2


def test_missing_configuration_file_is_named_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = run(["check-config", "--config", str(tmp_path / "absent.toml")])

    assert code == 2
    assert "absent.toml: there is no such file" in capsys.readouterr().err


def test_every_problem_of_a_wrong_configuration_is_reported_at_once(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    wrong = tmp_path / "wrong.toml"
    wrong.write_text('[sip]\nport = 70000\nhsot = "127.0.0.1"\n[media]\nport_min = "x"\n')

    code = run(["check-config", "--config", str(wrong)])

    printed = capsys.readouterr().err
    assert code == 2
    assert all(name in printed for name in ("sip.port", "sip.hsot", "media.port_min"))


def test_checked_configuration_is_printed_without_its_secrets(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("SIP_EDGE__DATABASE__DSN", "postgresql://user:hunter2@db.example/edge")

    code = run(["check-config"])

    printed = capsys.readouterr()
    assert code == 0
    assert "hunter2" not in printed.out + printed.err


def test_checked_configuration_tells_the_date_of_the_carriers_networks(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["check-config"]) == 0

    printed = capsys.readouterr()
    assert "carriers.twilio: as published on 20" in printed.err
    assert "54.172.60.0/30" in printed.out


def test_call_to_something_that_is_no_address_is_a_usage_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run(["call", "+12025550100", "--to", "127.0.0.1:sip"])

    assert exit_info.value.code == 2
    assert "'127.0.0.1:sip' must be HOST:PORT" in capsys.readouterr().err


def test_call_with_a_wav_that_is_none_fails_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    not_sound = tmp_path / "not.wav"
    not_sound.write_bytes(b"this is text")

    code = run(["call", "+12025550100", "--play", str(not_sound)])

    assert code == 1
    assert capsys.readouterr().err.count("\n") == 1


def test_version_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["version"]) == 0
    assert capsys.readouterr().out.startswith("sip-edge 0.")


@pytest.mark.parametrize("name", ["", "x" * 201, "a\tb"])
def test_name_that_nobody_could_read_is_a_usage_error(name: str) -> None:
    with pytest.raises(SystemExit) as exit_info:
        run(["api-key", "create", "--workspace", name])

    assert exit_info.value.code == 2
