"""The key that is made where nobody has set one."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sip_edge.storage.key_file import key_in


def test_a_key_is_made_once_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    key = key_in(path)
    assert len(key) == 32
    assert key_in(path) == key
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_two_files_hold_two_keys(tmp_path: Path) -> None:
    assert key_in(tmp_path / "a") != key_in(tmp_path / "b")


def test_a_file_that_holds_no_key_is_left_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    path.write_bytes(b"short")
    with pytest.raises(OSError, match="holds no key"):
        key_in(path)
    assert path.read_bytes() == b"short"


def test_without_a_folder_there_is_no_key(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        key_in(tmp_path / "missing" / "api.key")


def test_a_key_that_somebody_else_makes_meanwhile_is_everybodys(tmp_path: Path) -> None:
    path = tmp_path / "api.key"
    with ThreadPoolExecutor(4) as pool:
        keys = set(pool.map(key_in, [path] * 16))
    assert keys == {path.read_bytes()}
