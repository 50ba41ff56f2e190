"""A worker to try the edge with: the other side of the dialect, as a bot written for Twilio has it.

    python -m sip_edge.agents.demo_worker --port 7860

The path chooses how it behaves: `/echo` plays a chime and then returns what the caller says,
`/busy` answers 503, `/hang` takes the call and stays silent, `/bye` plays the chime and hangs up,
`/crash` cuts the connection in mid-chime. On `/echo` the keys do something too: `#` hangs up,
`*` interrupts (`clear`) and plays the chime again, `0` cuts the connection.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
from base64 import b64encode
from enum import Enum
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import msgspec
from picows import (
    WSCloseCode,
    WSFrame,
    WSListener,
    WSMsgType,
    WSTransport,
    WSUpgradeRequest,
    WSUpgradeResponse,
    WSUpgradeResponseWithListener,
    ws_create_server,
)
from typing_extensions import override

from sip_edge.media.tones import chime

if TYPE_CHECKING:
    from collections.abc import Sequence

DEFAULT_PORT: Final = 7860
"""The port of pipecat's runner, so that either can stand in for the other."""

CHIME_MARK: Final = "chime"
_CHUNK_BYTES: Final = 3200
"""Sound goes out in pieces of 0.4 s, ahead of time, as text-to-speech services deliver it."""
_CRASH_SECONDS: Final = 0.5


class Behaviour(Enum):
    """What a path stands for."""

    ECHO = "/echo"
    BUSY = "/busy"
    HANG = "/hang"
    BYE = "/bye"
    CRASH = "/crash"


class _Start(msgspec.Struct, gc=False):
    streamSid: str


class _Media(msgspec.Struct, gc=False):
    payload: str


class _Named(msgspec.Struct, gc=False):
    name: str


class _Key(msgspec.Struct, gc=False):
    digit: str


class _EdgeMessage(msgspec.Struct, gc=False):
    """What the edge says, as a bot reads it."""

    event: str
    start: _Start | None = None
    media: _Media | None = None
    mark: _Named | None = None
    dtmf: _Key | None = None


_decoder: Final = msgspec.json.Decoder(_EdgeMessage)


class _Call(WSListener):
    """One call with the edge."""

    def __init__(self, behaviour: Behaviour) -> None:
        super().__init__()
        self._behaviour = behaviour
        self._stream_sid = ""
        self._echoes = False

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """Read one message; the edge sends no fragments."""
        if frame.msg_type == WSMsgType.CLOSE:
            transport.send_close(WSCloseCode.OK)
            transport.disconnect()
        elif frame.msg_type == WSMsgType.TEXT and self._behaviour is not Behaviour.HANG:
            try:
                message = _decoder.decode(frame.get_payload_as_bytes())
            except msgspec.DecodeError:
                transport.send_close(WSCloseCode.UNSUPPORTED_DATA)
                transport.disconnect()
                return
            self._answer(transport, message)

    def _answer(self, transport: WSTransport, message: _EdgeMessage) -> None:
        if message.media is not None:
            if self._echoes:
                self._send(transport, "media", media={"payload": message.media.payload})
        elif message.start is not None:
            self._stream_sid = message.start.streamSid
            self._chime(transport)
            if self._behaviour is Behaviour.CRASH:
                asyncio.get_running_loop().call_later(_CRASH_SECONDS, transport.disconnect, False)
        elif message.mark is not None and message.mark.name == CHIME_MARK:
            # The caller has heard the chime to its end.
            if self._behaviour is Behaviour.BYE:
                self._hang_up(transport)
            self._echoes = self._behaviour is Behaviour.ECHO
        elif message.dtmf is not None and self._behaviour is Behaviour.ECHO:
            self._obey(transport, message.dtmf.digit)

    def _obey(self, transport: WSTransport, digit: str) -> None:
        match digit:
            case "#":
                self._hang_up(transport)
            case "*":
                self._send(transport, "clear")
                self._echoes = False
                self._chime(transport)
            case "0":
                transport.disconnect(graceful=False)
            case _:
                pass

    def _chime(self, transport: WSTransport) -> None:
        sound = chime()
        for at in range(0, len(sound), _CHUNK_BYTES):
            payload = b64encode(sound[at : at + _CHUNK_BYTES]).decode("ascii")
            self._send(transport, "media", media={"payload": payload})
        self._send(transport, "mark", mark={"name": CHIME_MARK})

    def _hang_up(self, transport: WSTransport) -> None:
        # The edge answers the close frame and ends the connection; what was said plays out.
        transport.send_close(WSCloseCode.OK)

    def _send(self, transport: WSTransport, event: str, **members: dict[str, str]) -> None:
        message = {"event": event, "streamSid": self._stream_sid, **members}
        transport.send(WSMsgType.TEXT, msgspec.json.encode(message))


class DemoWorker:
    """The server, for a program's own loop. Port 0 takes any free one."""

    def __init__(self, *, host: str = "127.0.0.1", port: int = DEFAULT_PORT) -> None:
        self._host = host
        self._port = port
        self._server: asyncio.Server | None = None

    @property
    def port(self) -> int:
        """The port that is listened on, once started."""
        if self._server is None:
            return self._port
        return int(self._server.sockets[0].getsockname()[1])

    def url(self, behaviour: Behaviour) -> str:
        """The `worker_url` of an agent that behaves so."""
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"ws://{host}:{self.port}{behaviour.value}"

    async def start(self) -> None:
        """Listen. Raises OSError if the port is taken."""
        chime()  # Takes 50 ms to make, once: not while the first caller waits.
        self._server = await ws_create_server(_accept, self._host, self._port, use_aiofastnet=False)

    async def close(self) -> None:
        """Take no more calls; those in progress end with the edge."""
        if self._server is not None:
            self._server.close()
            await self._server.wait_closed()
            self._server = None


def _accept(request: WSUpgradeRequest) -> WSListener | WSUpgradeResponseWithListener:
    path = request.path.split(b"?", 1)[0].decode("ascii", "replace")
    try:
        behaviour = Behaviour(path)
    except ValueError:
        return _refuse(HTTPStatus.NOT_FOUND)
    return _refuse(HTTPStatus.SERVICE_UNAVAILABLE) if path == "/busy" else _Call(behaviour)


def _refuse(status: HTTPStatus) -> WSUpgradeResponseWithListener:
    response = WSUpgradeResponse.create_error_response(status, status.phrase.encode())
    return WSUpgradeResponseWithListener(response, None)


async def _serve(host: str, port: int) -> None:
    worker = DemoWorker(host=host, port=port)
    await worker.start()
    urls = ", ".join(worker.url(behaviour) for behaviour in Behaviour)
    sys.stdout.write(f"The demo worker takes calls at {urls} (Ctrl-C ends it)\n")
    sys.stdout.flush()
    await asyncio.Event().wait()


def main(arguments: Sequence[str] | None = None) -> int:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m sip_edge.agents.demo_worker",
        description="An agent worker to try the edge with: a chime, then an echo.",
        epilog="Paths: " + ", ".join(behaviour.value for behaviour in Behaviour) + ".",
    )
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (127.0.0.1)")
    parser.add_argument(
        "--port", type=int, default=DEFAULT_PORT, help=f"port to listen on ({DEFAULT_PORT})"
    )
    options = parser.parse_args(arguments)
    try:
        asyncio.run(_serve(options.host, options.port))
    except KeyboardInterrupt:
        return 0
    except OSError as error:
        sys.stderr.write(f"cannot listen on {options.host}:{options.port}: {error.strerror}\n")
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
