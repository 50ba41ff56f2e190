"""Runs baresip, a phone that we did not write, without a sound card and steered over TCP.

It says what is in a WAV file and keeps what it hears in another (modules aufile and sndfile). Its
control port speaks JSON in netstrings (module ctrl_tcp).
"""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path
from typing import Self

from support.free_ports import free_port, free_ports
from support.polling import PATIENCE_SECONDS, eventually
from support.sound import Samples, read_wav, write_wav

TEMPLATE = Path(__file__).parents[1] / "process" / "baresip" / "config"
MODULES = (
    Path("/usr/lib/baresip/modules"),
    Path("/usr/lib/x86_64-linux-gnu/baresip/modules"),
    Path("/usr/local/lib/baresip/modules"),
)
NEEDED = ("account", "aubridge", "aufile", "ctrl_tcp", "g711", "menu", "sndfile", "srtp")
RTP_PORTS = 20


def baresip_modules() -> Path | None:
    """The folder with baresip's modules; None if it or a module that is needed is missing."""
    if shutil.which("baresip") is None:
        return None
    for folder in MODULES:
        if all((folder / f"{name}.so").exists() for name in NEEDED):
            return folder
    return None


class Baresip:
    """One phone. Use as an asynchronous context manager."""

    def __init__(
        self,
        folder: Path,
        *,
        says: Samples,
        codec: str = "pcmu",
        transport: str = "udp",
        encryption: str | None = None,
    ) -> None:
        """`encryption` is "srtp" (a=crypto under RTP/AVP) or "srtp-mand" (RTP/SAVP)."""
        self._folder = folder
        self._says = says
        self._codec = codec
        self._transport = transport
        self._encryption = encryption
        self._control_port = free_port()
        self._process: asyncio.subprocess.Process | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._reading: asyncio.Task[None] | None = None
        self._tokens = 0
        self.events: list[dict[str, object]] = []
        self._responses: list[dict[str, object]] = []

    async def __aenter__(self) -> Self:
        self._write_configuration()
        with (self._folder / "output.log").open("wb") as output:
            self._process = await asyncio.create_subprocess_exec(
                "baresip", "-4", "-s", "-f", str(self._folder),
                stdin=asyncio.subprocess.DEVNULL, stdout=output, stderr=output,
            )  # fmt: skip
        reader, self._writer = await eventually(
            self._connect, bool, what=f"baresip's control port ({self._folder})"
        )
        self._reading = asyncio.create_task(self._read(reader))
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._process is not None
        if self._process.returncode is None:
            self._process.terminate()
            try:
                async with asyncio.timeout(PATIENCE_SECONDS):
                    await self._process.wait()
            except TimeoutError:
                self._process.kill()
                await self._process.wait()
        if self._reading is not None:
            await self._reading
        if self._writer is not None:
            self._writer.close()

    async def dial(self, uri: str) -> None:
        """Call `uri` and wait until the call is established."""
        await self._command("dial", uri)
        await self.wait_for("CALL_ESTABLISHED")

    async def press(self, digit: str) -> None:
        """Send one key as RFC 4733 telephone-event."""
        await self._command("sndcode", digit)

    async def hang_up(self) -> None:
        """End the call and wait until it has ended."""
        await self._command("hangup")
        await self.wait_for("CALL_CLOSED")

    async def wait_for(self, event: str, *, seconds: float = PATIENCE_SECONDS) -> dict[str, object]:
        """The first event of this type, as baresip described it."""

        def found() -> dict[str, object] | None:
            return next((e for e in self.events if e.get("type") == event), None)

        result = await eventually(
            found, what=f"{event} from baresip ({self._folder})", seconds=seconds
        )
        assert result is not None
        return result

    def heard(self) -> Samples:
        """What came out of its decoder; complete once the call has ended."""
        (recording,) = self._folder.glob("dump-*-dec.wav")
        return read_wav(recording)

    async def _connect(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter] | None:
        assert self._process is not None
        if self._process.returncode is not None:
            output = (self._folder / "output.log").read_text(errors="replace")
            raise AssertionError(
                f"baresip ended with {self._process.returncode}:\n{output[-4000:]}"
            )
        try:
            return await asyncio.open_connection("127.0.0.1", self._control_port)
        except OSError:
            return None

    async def _command(self, command: str, params: str = "") -> None:
        assert self._writer is not None
        self._tokens += 1
        token = str(self._tokens)
        text = json.dumps({"command": command, "params": params, "token": token}).encode()
        self._writer.write(b"%d:%s," % (len(text), text))

        def answer() -> dict[str, object] | None:
            return next((r for r in self._responses if r.get("token") == token), None)

        response = await eventually(answer, what=f"baresip's answer to {command}")
        assert response is not None
        assert response["ok"], f"baresip refused {command} {params}: {response}"

    async def _read(self, reader: asyncio.StreamReader) -> None:
        try:
            while True:
                length = int((await reader.readuntil(b":"))[:-1])
                message = json.loads((await reader.readexactly(length + 1))[:-1])
                (self.events if message.get("event") else self._responses).append(message)
        except (asyncio.IncompleteReadError, ConnectionError):
            return  # baresip has ended

    def _write_configuration(self) -> None:
        self._folder.mkdir(parents=True, exist_ok=True)
        write_wav(self._folder / "says.wav", self._says)
        rtp_port = free_ports(RTP_PORTS)
        modules = baresip_modules()
        assert modules is not None, "baresip is not installed"
        configuration = TEMPLATE.read_text().format(
            folder=self._folder,
            modules=modules,
            sip_port=free_port(),
            control_port=self._control_port,
            rtp_first=rtp_port,
            rtp_last=rtp_port + RTP_PORTS - 1,
        )
        (self._folder / "config").write_text(configuration)
        account = (
            f"<sip:+12025550123@127.0.0.1;transport={self._transport}>"
            f";regint=0;audio_codecs={self._codec}/8000/1;ptime=20"
        )
        if self._encryption is not None:
            account += f";mediaenc={self._encryption}"
        (self._folder / "accounts").write_text(f"{account}\n")
        (self._folder / "contacts").write_text("")
