"""A renewed certificate is taken into use; a bad one changes nothing."""

from __future__ import annotations

import asyncio
import os
import shutil
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest
from support.stream_world import TLS_FILES
from support.virtual_time import run

from sip_edge.transport.certificate_watch import CertificateWatch
from sip_edge.transport.tls import CertificateError, CertificateFiles

FIRST = datetime(2126, 11, 1, tzinfo=UTC)
RENEWED = datetime(2127, 2, 1, tzinfo=UTC)


class World:
    """A certificate in a folder, and who hears of its changes."""

    def __init__(self, folder: Path) -> None:
        self.files = CertificateFiles(folder / "cert.pem", folder / "key.pem")
        self.loaded: list[datetime] = []
        self.refused: list[tuple[str, ...]] = []
        self._age = 0
        self.write("edge")
        self.watch: CertificateWatch | None = None

    def open(self) -> CertificateWatch:
        self.watch = CertificateWatch(
            loop=asyncio.get_running_loop(), files=self.files, observer=self, look_seconds=30.0
        )
        return self.watch

    def write(self, name: str) -> None:
        self.write_certificate(name)
        self.write_key(name)

    def write_certificate(self, name: str) -> None:
        self._put(TLS_FILES / f"{name}.pem", self.files.certificate)

    def write_key(self, name: str) -> None:
        self._put(TLS_FILES / f"{name}.key", self.files.key)

    def _put(self, source: Path, target: Path) -> None:
        """As ACME clients do it: a new file moved into place, each with a time of its own."""
        shutil.copy(source, target.with_suffix(".new"))
        self._age += 1
        os.utime(target.with_suffix(".new"), ns=(self._age, self._age))
        target.with_suffix(".new").replace(target)

    def certificate_loaded(self, expires_at: datetime) -> None:
        self.loaded.append(expires_at)

    def certificate_refused(self, problems: tuple[str, ...]) -> None:
        self.refused.append(problems)


def play(tmp_path: Path, act: Callable[[World, CertificateWatch], None]) -> World:
    """Watch, act, and wait for one look more than needed."""

    async def main() -> World:
        world = World(tmp_path)
        watch = world.open()
        watch.start()
        await asyncio.sleep(31)
        act(world, watch)
        await asyncio.sleep(90)
        watch.close()
        await asyncio.sleep(90)
        return world

    return run(main())


def test_certificate_that_does_not_change_is_read_once(tmp_path: Path) -> None:
    world = play(tmp_path, lambda world, watch: None)

    assert (world.loaded, world.refused) == ([FIRST], [])


def test_renewed_certificate_is_in_use_at_the_next_look(tmp_path: Path) -> None:
    contexts = []

    def renew(world: World, watch: CertificateWatch) -> None:
        contexts.append(watch.context())
        world.write("renewed")

    world = play(tmp_path, renew)

    assert (world.loaded, world.refused) == ([FIRST, RENEWED], [])
    assert world.watch is not None
    assert world.watch.context() is not contexts[0]


def test_signal_does_not_wait_for_the_next_look(tmp_path: Path) -> None:
    def renew(world: World, watch: CertificateWatch) -> None:
        world.write("renewed")
        watch.reload()
        assert world.loaded == [FIRST, RENEWED]

    assert play(tmp_path, renew).loaded == [FIRST, RENEWED]


def test_pair_that_does_not_match_is_told_once_and_the_old_one_goes_on(tmp_path: Path) -> None:
    contexts = []

    def renew_half(world: World, watch: CertificateWatch) -> None:
        contexts.append(watch.context())
        world.write_certificate("renewed")

    world = play(tmp_path, renew_half)

    assert world.loaded == [FIRST]
    assert len(world.refused) == 1
    assert "is not the key of the certificate" in world.refused[0][0]
    assert world.watch is not None
    assert world.watch.context() is contexts[0]


def test_second_half_of_a_renewal_is_taken_when_it_comes(tmp_path: Path) -> None:
    async def main() -> World:
        world = World(tmp_path)
        watch = world.open()
        watch.start()
        world.write_certificate("renewed")
        await asyncio.sleep(31)
        world.write_key("renewed")
        await asyncio.sleep(31)
        watch.close()
        return world

    world = run(main())

    assert (world.loaded, len(world.refused)) == ([FIRST, RENEWED], 1)


def test_files_that_vanish_change_nothing_until_they_are_back(tmp_path: Path) -> None:
    async def main() -> World:
        world = World(tmp_path)
        watch = world.open()
        watch.start()
        world.files.key.unlink()
        await asyncio.sleep(61)
        world.write("edge")
        await asyncio.sleep(31)
        watch.close()
        return world

    world = run(main())

    assert (world.loaded, len(world.refused)) == ([FIRST, FIRST], 1)


def test_refused_pair_is_tried_again_though_no_date_has_changed(tmp_path: Path) -> None:
    """It may have been the reading that failed."""

    async def main() -> World:
        world = World(tmp_path)
        watch = world.open()
        watch.start()
        key, good = world.files.key, world.files.key.read_bytes()
        date = key.stat().st_mtime_ns
        for content, seconds in ((b"?" * len(good), 1), (good, 61)):
            key.write_bytes(content)
            os.utime(key, ns=(date, date))
            if content != good:
                watch.reload()
            await asyncio.sleep(seconds)
        watch.close()
        return world

    world = run(main())

    assert (world.loaded, len(world.refused)) == ([FIRST, FIRST], 1)


def test_server_does_not_start_with_a_certificate_that_cannot_be_used(tmp_path: Path) -> None:
    async def main() -> None:
        world = World(tmp_path)
        world.write_key("renewed")
        with pytest.raises(CertificateError):
            world.open()

    run(main())
