"""The WebSocket to one worker: picows' frames on one side, a `WorkerSession` on the other."""

from __future__ import annotations

import contextlib
import logging
import os
import socket
from typing import TYPE_CHECKING, Final

from picows import (
    WSCloseCode,
    WSFrame,
    WSHandshakeError,
    WSListener,
    WSMsgType,
    WSProtocolError,
    WSTransport,
    ws_connect,
)
from typing_extensions import override

from sip_edge.agents.keepalive import Keepalive
from sip_edge.agents.messages import client_text_frame
from sip_edge.routing.outcome import AttemptFailure
from sip_edge.routing.ports import AgentUnavailableError
from sip_edge.tasks import spawn

if TYPE_CHECKING:
    import asyncio
    import ssl
    from collections.abc import Sequence

    from sip_edge.agents.session import WorkerSession
    from sip_edge.agents.settings import WorkerSettings
    from sip_edge.routing.worker_url import WorkerUrl

MAX_DETAIL_LENGTH: Final = 160
"""Characters of a peer's own words in an error."""

# picows logs the upgrade request with its secrets at the lowest level, and what happens to a
# connection at others; all of that is told by AgentUnavailableError and AgentEnd. This logger is
# outside the tree, so that no configuration can turn it on.
_MUTE: Final = logging.Logger("picows", level=logging.CRITICAL + 1)  # noqa: LOG001

_TEXT: Final = WSMsgType.TEXT
_BINARY: Final = WSMsgType.BINARY
_CONTINUATION: Final = WSMsgType.CONTINUATION
_PING: Final = WSMsgType.PING
_PONG: Final = WSMsgType.PONG
_CLOSE: Final = WSMsgType.CLOSE


class WorkerConnection(WSListener):
    """One connection, from the upgrade request to its end. Implements `session.WorkerLink`."""

    def __init__(
        self,
        *,
        session: WorkerSession,
        parameters: dict[str, str],
        settings: WorkerSettings,
        loop: asyncio.AbstractEventLoop,
        open_connections: set[WorkerConnection],
    ) -> None:
        """`open_connections` has this connection in it as long as it exists."""
        super().__init__()
        self._session = session
        self._parameters = parameters
        self._settings = settings
        self._loop = loop
        self._open_connections = open_connections
        self._transport: WSTransport | None = None
        self._was_opened = False
        self._is_closing = False
        self._is_full = False
        self._fragments: bytearray | None = None
        self._skips_fragments = False
        self._frames_left = settings.max_frames
        self._frames_since = loop.time()
        self._abort_timer: asyncio.TimerHandle | None = None
        self._watching: asyncio.Task[None] | None = None
        self._keepalive = Keepalive(
            scheduler=loop,
            interval_seconds=settings.ping_interval_seconds,
            timeout_seconds=settings.ping_timeout_seconds,
            ping=self._ping,
            on_dead=session.not_responding,
        )

    async def open(
        self,
        sock: socket.socket,
        *,
        url: WorkerUrl,
        headers: Sequence[tuple[str, str]],
        ssl_context: ssl.SSLContext | None,
    ) -> None:
        """Upgrade `sock`, which is connected, and take it over in any case.

        Returns once the worker has answered 101 and was told of the call's start. Raises
        AgentUnavailableError.
        """
        inode = os.fstat(sock.fileno()).st_ino
        if not _is_connected(sock):
            # picows would connect it again: by name, on the loop's own resolver.
            sock.close()
            raise unavailable(url, AttemptFailure.BAD_HANDSHAKE, "reset before the upgrade")
        try:
            await ws_connect(
                lambda request, response: self,
                url.text,
                ssl_context=ssl_context if url.is_secure else None,
                websocket_handshake_timeout=None,
                logger_name=_MUTE,
                enable_auto_ping=False,
                enable_auto_pong=False,
                max_frame_size=self._settings.max_message_bytes,
                extra_headers=headers,
                max_redirects=0,
                socket_factory=lambda _: sock,
                use_aiofastnet=False,
            )
        except WSHandshakeError as error:
            raise unavailable(url, *_refusal(error)) from None
        except OSError as error:
            failure = AttemptFailure.TLS if url.is_secure else AttemptFailure.BAD_HANDSHAKE
            raise unavailable(url, failure, str(error)) from None
        finally:
            if not self._was_opened:
                _let_go(sock, inode)
            elif not _is_open(sock, inode):
                sock.detach()
                self._forget()
        if not self._was_opened:
            raise unavailable(
                url, AttemptFailure.BAD_HANDSHAKE, "closed without an answer to the upgrade"
            )

    def _forget(self) -> None:
        """The connection is gone and nobody will tell.

        uvloop, when its connecting is interrupted in the very turn in which 101 arrived, closes the
        connection without a word to picows.
        """
        transport, self._transport = self._transport, None
        self._session.hang_up()
        if transport is not None:
            self.on_ws_disconnected(transport)
        if self._watching is not None:
            self._watching.cancel()

    # WorkerLink

    def send(self, message: bytes) -> None:
        """Send one text message."""
        if self._transport is not None:
            self._transport.send(_TEXT, message)

    def close(self, code: WSCloseCode | int) -> None:
        """Send a close frame; what the worker still sends is read and thrown away.

        The socket stays until the worker has closed too: closing it with sound unread would reset
        the connection and could take our last messages with it. After `close_timeout_seconds` it
        is dropped.
        """
        transport = self._transport
        if transport is None or self._is_closing:
            return
        self._is_closing = True
        self._keepalive.stop()
        transport.send_close(WSCloseCode(code))
        self._abort_later()

    def abort(self) -> None:
        """Drop the connection, whatever is unsent."""
        self._is_closing = True
        if self._transport is not None:
            self._transport.disconnect(graceful=False)

    # picows' side

    @override
    def on_ws_connected(self, transport: WSTransport) -> None:
        """101 has arrived: tell of the start before anything else can be sent."""
        self._watching = spawn(_watch(transport), name="worker connection")
        self._was_opened = True
        self._transport = transport
        self._open_connections.add(self)
        limit = self._settings.max_unsent_bytes
        transport.underlying_transport.set_write_buffer_limits(high=limit, low=limit // 2)
        # One write, one packet: bots read exactly two messages before they look at the call.
        transport.underlying_transport.write(
            b"".join(
                client_text_frame(message, os.urandom(4))
                for message in self._session.writer.opening(self._parameters)
            )
        )
        self._keepalive.start()
        self._session.connected(self)

    @override
    def on_ws_frame(self, transport: WSTransport, frame: WSFrame) -> None:
        """A frame has arrived; its payload is only valid during this call."""
        self._frames_left -= 1
        if self._frames_left < 0 and self._is_flood():
            return
        kind = frame.msg_type
        if kind is _TEXT and frame.fin and self._fragments is None and not self._skips_fragments:
            self._session.receive(frame.get_payload_as_memoryview())
        elif kind is _PONG:
            self._keepalive.pong_received()
        elif kind is _PING:
            # A worker that pings and never reads must not fill our memory with pongs.
            if not self._is_full:
                transport.send_pong(frame.get_payload_as_bytes())
        elif kind is _CLOSE:
            self._receive_close(transport, frame)
        elif not self._is_closing:
            self._receive_part(frame)

    @override
    def on_ws_disconnected(self, transport: WSTransport) -> None:
        """The socket is closed."""
        self._keepalive.stop()
        if self._abort_timer is not None:
            self._abort_timer.cancel()
        if transport.is_close_frame_sent and not self._is_closing:
            # Neither we nor the worker began to close: picows did, over a broken frame.
            self._session.protocol_violated()
        self._session.connection_lost()
        self._transport = None
        self._open_connections.discard(self)

    @override
    def pause_writing(self) -> None:
        """The worker has left `max_unsent_bytes` unread."""
        self._is_full = True
        self._session.writing_paused()

    @override
    def resume_writing(self) -> None:
        """The worker has read half of it."""
        self._is_full = False
        self._session.writing_resumed()

    def _is_flood(self) -> bool:
        """The allowance is used up: renew it, unless that was too quick."""
        now = self._loop.time()
        if now - self._frames_since < self._settings.frames_window_seconds:
            self._session.flooded()
            return True
        self._frames_since = now
        self._frames_left = self._settings.max_frames
        return False

    def _receive_close(self, transport: WSTransport, frame: WSFrame) -> None:
        payload = frame.get_payload_as_bytes()
        code = int.from_bytes(payload[:2], "big") if payload else None
        if transport.is_close_frame_sent and not self._is_closing:
            # picows has closed over a broken frame, and the worker says our code after us.
            self._is_closing = True
            self._session.protocol_violated()
        if not self._is_closing:
            self._is_closing = True
            self._keepalive.stop()
            self._session.peer_closed(code, _brief(payload[2:].decode("utf-8", "replace")))
            # RFC 6455 section 5.5.1: echo the status code; 1000 where there was none.
            transport.send_close(frame.get_close_code() if code else WSCloseCode.OK)
            self._abort_later()
        transport.disconnect()

    def _receive_part(self, frame: WSFrame) -> None:
        """A binary message or a fragment of any message (RFC 6455 section 5.4)."""
        kind = frame.msg_type
        is_within = self._fragments is not None or self._skips_fragments
        if (kind is _CONTINUATION) is not is_within:
            self._refuse(WSCloseCode.PROTOCOL_ERROR)
            return
        if kind is _BINARY:
            self._session.receive_binary()
            self._skips_fragments = not frame.fin
            return
        if self._skips_fragments:
            self._skips_fragments = not frame.fin
            return
        fragments = bytearray() if self._fragments is None else self._fragments
        self._fragments = None if frame.fin else fragments
        if len(fragments) + frame.payload_size > self._settings.max_message_bytes:
            self._refuse(WSCloseCode.MESSAGE_TOO_BIG)
            return
        fragments += frame.get_payload_as_memoryview()
        if frame.fin:
            self._session.receive(bytes(fragments))

    def _refuse(self, code: WSCloseCode) -> None:
        self._session.protocol_violated()
        self._fragments = None
        self.close(code)

    def _ping(self) -> None:
        self._session.report_counters()
        if self._transport is not None:
            self._transport.send_ping()

    def _abort_later(self) -> None:
        self._abort_timer = self._loop.call_later(self._settings.close_timeout_seconds, self.abort)


async def _watch(transport: WSTransport) -> None:
    """Take note of why picows closed: a defect of ours surfaces here, the peer's faults do not."""
    try:
        await transport.wait_disconnected()
    except WSProtocolError:
        return


def _is_connected(sock: socket.socket) -> bool:
    try:
        sock.getpeername()
    except OSError:
        return False
    return True


def _let_go(sock: socket.socket, inode: int) -> None:
    """End a connection whose transport, if there still is one, is known to picows alone.

    The transport sees the end of the stream and closes the descriptor. We must not: it could be in
    use again by then. uvloop, when interrupted at the wrong moment, closes the descriptor and
    leaves the socket object with its number; the inode tells.
    """
    if not _is_open(sock, inode):
        sock.detach()
        return
    with contextlib.suppress(OSError):
        sock.shutdown(socket.SHUT_RDWR)


def _is_open(sock: socket.socket, inode: int) -> bool:
    """True if the descriptor is still that of our connection."""
    try:
        return os.fstat(sock.fileno()).st_ino == inode
    except OSError:
        return False


def _refusal(error: WSHandshakeError) -> tuple[AttemptFailure, str]:
    """Why there was no 101, from the status line itself.

    picows knows only registered status codes and HTTP/1.1; proxies answer with others.
    """
    parts = (error.raw_header or b"").split(b"\r\n", 1)[0].split(b" ")
    if (
        len(parts) >= 2
        and parts[0] in {b"HTTP/1.1", b"HTTP/1.0"}
        and len(parts[1]) == 3
        and parts[1].isdigit()
        and parts[1] != b"101"
    ):
        return AttemptFailure.HTTP_STATUS, f"HTTP {parts[1].decode('ascii')} instead of 101"
    return AttemptFailure.BAD_HANDSHAKE, str(error)


def unavailable(url: WorkerUrl, failure: AttemptFailure, detail: str) -> AgentUnavailableError:
    """The error for an attempt at `url`: host and port only, path and query may hold a token."""
    return AgentUnavailableError(failure, f"{url.authority}: {_brief(detail)}")


def _brief(text: str) -> str:
    """A peer's words, fit for one line of a log."""
    return "".join(c if c.isprintable() else "?" for c in text[:MAX_DETAIL_LENGTH])
