"""Runs SIPp, a SIP endpoint that we did not write, with the scenarios of `tests/process/sipp`."""

from __future__ import annotations

import asyncio
import csv
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from support.free_ports import free_port, free_ports
from support.polling import eventually

SCENARIOS = Path(__file__).parents[1] / "process" / "sipp"
LONGEST_RUN_SECONDS = 60
"""SIPp gives up after this; longer than any scenario takes on a busy machine."""


def sipp_program() -> str | None:
    """Where SIPp is; None if it is not installed."""
    return shutil.which("sipp")


@dataclass(frozen=True)
class SippResult:
    """What SIPp says of its run: its own counts, and every message that it sent and received."""

    created: int
    successful: int
    failed: int
    messages: str


class SippRun:
    """A SIPp that is running. The scenario decides who calls; we only wait for its verdict."""

    def __init__(
        self, process: asyncio.subprocess.Process, folder: Path, *, port: int, calls: int
    ) -> None:
        self.process = process
        self.port = port
        self._calls = calls
        self._folder = folder

    @property
    def messages(self) -> str:
        """Every SIP message so far."""
        path = self._folder / "messages.log"
        return path.read_text(errors="replace") if path.exists() else ""

    async def is_listening(self, transport: str) -> None:
        """Wait until a SIPp that is called has opened its port."""
        table = Path("/proc/net") / transport
        here = f"0100007F:{self.port:04X} "
        await eventually(lambda: here in table.read_text(), what=f"SIPp on port {self.port}")

    async def succeeds(self) -> SippResult:
        """Wait for the end; AssertionError with SIPp's own words if a call failed.

        Its counts decide, not its exit code: that is 255 too when the other side closes a TCP
        connection while SIPp, having counted its call, closes it as well.
        """
        result = await self.finishes()
        if (result.successful, result.failed) != (self._calls, 0):
            raise AssertionError(self._story())
        return result

    async def finishes(self) -> SippResult:
        """Wait for the end, whatever came of it."""
        async with asyncio.timeout(LONGEST_RUN_SECONDS + 20):
            await self.process.wait()
        path = self._folder / "statistics.csv"
        if not path.exists():
            raise AssertionError(self._story())
        rows = list(csv.DictReader(path.read_text().splitlines(), delimiter=";"))
        return SippResult(
            created=int(rows[-1]["TotalCallCreated"]),
            successful=int(rows[-1]["SuccessfulCall(C)"]),
            failed=int(rows[-1]["FailedCall(C)"]),
            messages=self.messages,
        )

    async def stop(self) -> None:
        """End it now, if it is still running."""
        if self.process.returncode is None:
            self.process.kill()
            await self.process.wait()

    def _story(self) -> str:
        parts = [f"SIPp ended with {self.process.returncode}"]
        for name in ("errors.log", "output.log", "messages.log"):
            path = self._folder / name
            if path.exists():
                parts.append(f"--- {name}\n{path.read_text(errors='replace')[-6000:]}")
        return "\n".join(parts)


class Sipp:
    """Starts SIPp against one edge, each run in a folder of its own below `folder`."""

    def __init__(self, folder: Path, *, edge_host: str, edge_port: int) -> None:
        self.folder = folder
        self._edge = f"{edge_host}:{edge_port}"
        self._runs: list[SippRun] = []

    async def start(
        self,
        scenario: str,
        *,
        number: str,
        transport: str = "udp",
        calls: int = 1,
        rate: int = 10,
        values: Mapping[str, str | int] | None = None,
        options: tuple[str, ...] = (),
    ) -> SippRun:
        """Run `scenario`, calling `number`; `@name@` in it is replaced from `values`."""
        folder = self.folder / f"sipp-{len(self._runs)}-{scenario}"
        folder.mkdir(parents=True)
        text = (SCENARIOS / f"{scenario}.xml").read_text()
        for name, value in (values or {}).items():
            text = text.replace(f"@{name}@", str(value))
        (folder / "scenario.xml").write_text(text)
        port, media_port = free_port(), free_ports(4)
        target = () if scenario.startswith("callee") else (self._edge,)
        arguments = [
            sipp_program() or "sipp", *target, "-sf", "scenario.xml", "-s", number,
            "-i", "127.0.0.1", "-p", str(port), "-mi", "127.0.0.1", "-mp", str(media_port),
            "-t", {"udp": "u1", "tcp": "t1"}[transport],
            "-m", str(calls), "-r", str(rate), "-cp", str(free_port()), "-nostdin",
            "-timeout", str(LONGEST_RUN_SECONDS), "-timeout_error",
            "-trace_err", "-error_file", "errors.log",
            "-trace_msg", "-message_file", "messages.log",
            "-trace_stat", "-stf", "statistics.csv", "-fd", "1",
            *options,
        ]  # fmt: skip
        with (folder / "output.log").open("wb") as output:
            process = await asyncio.create_subprocess_exec(
                *arguments,
                cwd=folder,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=output,
                stderr=output,
            )
        run = SippRun(process, folder, port=port, calls=calls)
        self._runs.append(run)
        return run

    async def call(self, scenario: str, **arguments: object) -> SippResult:
        """`start`, and wait until every call of the run succeeded."""
        run = await self.start(scenario, **arguments)  # type: ignore[arg-type]
        return await run.succeeds()

    async def stop(self) -> None:
        """End all runs."""
        for run in self._runs:
            await run.stop()
