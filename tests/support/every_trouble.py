"""Everything that can happen to a call from outside, against a running edge."""

from __future__ import annotations

import asyncio
import os
import signal
import socket
from contextlib import AsyncExitStack
from pathlib import Path

from support.edge_process import EdgeProcess
from support.line import SPEECH, Line
from support.metric_watch import MetricWatch
from support.misfits import many_datagrams, many_options, send_every_misfit
from support.postgres_proxy import Mood, PostgresProxy
from support.process_family import family
from support.raw_sip import TcpPhone, UdpPhone
from support.trouble_plan import (
    CALL_ROW_REFUSED,
    INACTIVE,
    NUMBER_BUSY,
    OF_TELNYX,
    OUTBOUND_ONLY,
    PAUSED,
    UNKNOWN,
    VOICEMAIL,
    VOICEMAIL_JAPANESE,
    VOICEMAIL_ROW_REFUSED,
    VOICEMAIL_UNSPEAKABLE,
    Troubles,
)

REFUSED_NUMBERS = {"alice": 404, UNKNOWN: 404, INACTIVE: 404, OUTBOUND_ONLY: 603, PAUSED: 486}
UNWILLING = (
    "dns", "refused", "unreachable", "tls", "http_status", "bad_handshake", "timeout",
    "closed_early", "forbidden_address", "misconfigured",
)  # fmt: skip
"""Agents that do not take a call; each is called alone."""
LOST = (
    "no_close_frame", "going_away", "error_code", "flood", "protocol_error", "no_first_audio",
    "ping_timeout",
)  # fmt: skip
"""Agents that take a call and are lost, again and again, until nobody is left."""
WITHOUT_SECRET = "127.0.99.1"
"""An address of a carrier that must bring a secret."""
STRANGER = "127.0.1.1"
"""An address of no carrier."""
NO_ACK_SECONDS = 45.0


class Troublemaker:
    """Calls one edge."""

    def __init__(
        self, edge: EdgeProcess, troubles: Troubles, watch: MetricWatch, *, tls_port: int = 0
    ) -> None:
        self._edge = edge
        self._watch = watch
        self._troubles = troubles
        self._tls_port = tls_port
        self.address = (edge.host, edge.sip_port)

    def line(self, number: str, *, host: str = "127.0.0.1", frame: bytes | None = None) -> Line:
        """A line to a number; it is silent unless `frame` is given."""
        if frame is None:
            return Line(self.address, number, host=host)
        return Line(self.address, number, host=host, frame=frame)

    async def cause_everything(self, proxy: PostgresProxy) -> None:
        """All that needs no small limits, and then an outage of the database."""
        waiting = asyncio.create_task(self._never_acknowledged())
        await asyncio.gather(self._refusals(), self._agents(), self._sound(), self._messages())
        await send_every_misfit(self.address, self._troubles.number("listens"))
        self._kill_control_api()
        await self._outage(proxy)
        await waiting

    def _kill_control_api(self) -> None:
        """It is a process of its own, so that its end is nothing to a call."""
        (child,) = [
            pid
            for pid in family(self._edge.pid)
            if b"sip_edge.app.control_child" in Path(f"/proc/{pid}/cmdline").read_bytes()
        ]
        os.kill(child, signal.SIGKILL)

    async def _refusals(self) -> None:
        for number, status in REFUSED_NUMBERS.items():
            await self._refused(number, status)
        await self._refused(OF_TELNYX, 404, host="127.0.54.1")
        await self._refused(self._troubles.number("listens"), 403, host=WITHOUT_SECRET)
        await self._refused(NUMBER_BUSY, 486)
        await self._refused(CALL_ROW_REFUSED, 480)
        for name in UNWILLING:
            await self._refused(self._troubles.number(name), 480)
        await self._refused(self._troubles.number_with_fallback("deadline"), 480)
        async with self.line(self._troubles.number("deadline")) as line:
            line.phone.send(line.invite())
            await asyncio.sleep(0.3)
            line.phone.send(line.invite())
            cancel = line.caller.invite(body="").replace("INVITE ", "CANCEL ", 1)
            line.phone.send(cancel.replace(" INVITE\r\n", " CANCEL\r\n"))
            final = await line.phone.final()
            assert final.status == 487
            line.phone.send(line.caller.ack(final, branch="1"))
        await self._strangers()

    async def _refused(self, number: str, status: int, *, host: str = "127.0.0.1") -> None:
        async with self.line(number, host=host) as line:
            final = await line.dial()
            assert final.status == status, (number, final.first_line)

    async def _strangers(self) -> None:
        async with UdpPhone(self.address, local=(STRANGER, 0)) as phone:
            phone.send("OPTIONS sip:127.0.0.1 SIP/2.0\r\n\r\n")
        for port in (self._edge.sip_port, self._tls_port):
            async with TcpPhone((self._edge.host, port), local_host=STRANGER) as phone:
                await phone.closed_by_the_edge()
            async with TcpPhone((self._edge.host, port)) as phone:
                phone.send(b"GET / HTTP/1.1\r\nHost: edge\r\n\r\n" * 50)
                await phone.closed_by_the_edge()

    async def _agents(self) -> None:
        numbers = [self._troubles.number(name) for name in LOST]
        for some in (numbers[:3], numbers[3:6], numbers[6:]):
            await asyncio.gather(*(self._hung_up(number) for number in some))
        for name in ("refused", "http_status", "timeout"):
            async with self.line(self._troubles.number_with_fallback(name)) as line:
                await line.talk(0.3)
        await self._hung_up(self._troubles.number("hang_up"))
        # The edge's BYE goes to where the kernel sends nothing from a loopback address.
        async with self.line(self._troubles.number("hang_up")) as line:
            address = f"127.0.0.1:{line.phone.address[1]};transport"
            await line.dial(line.invite().replace(f"@{address}", "@192.0.2.9;transport"))
            await asyncio.sleep(1.0)

    async def _hung_up(self, number: str) -> None:
        async with self.line(number) as line:
            assert (await line.dial()).status == 200
            await line.is_hung_up()

    async def _sound(self) -> None:
        """Packets that never come, come late, or come from somebody else; then none at all."""
        async with self.line(self._troubles.number("listens")) as line:
            await line.dial()
            await asyncio.sleep(1.0)
            line.sequence += 5
            # Late is what comes after its time and within 200 ms: a busy machine has ten tries.
            for _ in range(10):
                line.sequence += 1
                late = line.sequence
                await asyncio.sleep(0.1)
                line.send_frame(late)
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
                other.bind(("127.0.0.2", 0))
                for number in range(5):
                    line.send_frame(1000 + number, rtp=other)
            await asyncio.sleep(0.2)
            line.fall_silent()
            await line.is_hung_up()

    async def _never_acknowledged(self) -> None:
        async with self.line(self._troubles.number("listens")) as line:
            await line.dial(acknowledge=False)
            async with asyncio.timeout(NO_ACK_SECONDS):
                while True:
                    message = await line.phone.receive()
                    if message.status == 0 and message.method == "BYE":
                        line.confirm(message)
                        return

    async def _messages(self) -> None:
        await self._watch.sees('sip_edge_voicemail_renderings_total{result="rendered"}')
        await asyncio.gather(
            self._message(VOICEMAIL),
            self._message(VOICEMAIL_JAPANESE),
            self._message(VOICEMAIL_UNSPEAKABLE),
            self._message(VOICEMAIL_ROW_REFUSED),
            self._message(VOICEMAIL, speech_seconds=0.4),
            self._message(VOICEMAIL, speech_seconds=None),
            self._hang_up_in_greeting(),
        )

    async def _message(self, number: str, *, speech_seconds: float | None = 2.0) -> None:
        """Speak after the beep, then hang up; None: say nothing until the edge has enough."""
        async with self.line(number) as line:
            final = await line.dial()
            assert final.status == 200
            await line.hears_the_beep()
            if speech_seconds is None:
                await line.is_hung_up()
                return
            line.frame = SPEECH
            await asyncio.sleep(speech_seconds)
            await line.hang_up()

    async def _hang_up_in_greeting(self) -> None:
        async with self.line(VOICEMAIL) as line:
            await line.talk(0.3)

    async def _outage(self, proxy: PostgresProxy) -> None:
        proxy.set_mood(Mood.REFUSING)
        await self._watch.sees('sip_edge_ready_state{state="degraded"}')
        await self._refused(UNKNOWN, 503)
        await self._refused(self._troubles.number("refused"), 480)
        await self._message(VOICEMAIL)
        await self._watch.sees("sip_edge_voicemails_undelivered")
        proxy.set_mood(Mood.FINE)
        await self._watch.sees_none("sip_edge_record_spool_rows")

    async def drain(self) -> None:
        """SIGTERM with a call that is going on, one that is being set up, and one that is new."""
        async with AsyncExitStack() as stack:
            talking, new, asking = [
                await stack.enter_async_context(self.line(self._troubles.number(name)))
                for name in ("listens", "listens", "deadline")
            ]
            await talking.dial()
            asking.phone.send(asking.invite())
            assert (await asking.phone.receive()).status == 100
            self._edge.signal(signal.SIGTERM)
            await self._watch.sees('sip_edge_ready_state{state="draining"}')
            assert (await new.dial()).status == 503
            assert (await asking.phone.final()).status == 503
            await talking.phone.request("BYE")  # Its 200 is left out: the edge waits a second.


class LimitFinder:
    """Meets the limits of an edge that has small ones: `SMALL` of the test has them."""

    def __init__(
        self, edge: EdgeProcess, troubles: Troubles, watch: MetricWatch, *, folder: Path
    ) -> None:
        self._watch = watch
        self._maker = Troublemaker(edge, troubles, watch)
        self._listens = troubles.number("listens")
        self._folder = folder

    async def meet_every_limit(self) -> None:
        """The last ones leave an edge that answers nobody any more."""
        # Where messages should go, there is a file.
        if (self._folder / "voicemail").exists():
            (self._folder / "voicemail").rename(self._folder / "voicemail-before")
        (self._folder / "voicemail").touch()
        async with self._maker.line(VOICEMAIL, frame=SPEECH) as line:
            await line.dial()
            async with self._maker.line(self._listens) as other:
                assert (await other.dial()).status == 503  # overloaded
            await line.hears_the_beep()
            await asyncio.sleep(2.0)
            await line.hang_up()
        await self._watch.sees_none("sip_edge_calls_active")
        async with self._maker.line(self._listens) as line:
            assert (await line.dial()).status == 503  # no_rtp_port
        address = self._maker.address
        async with self._maker.line(UNKNOWN) as line:
            assert (await line.dial()).status == 604  # as this carrier wants it
        async with AsyncExitStack() as stack:
            first, crowded, second, full = [
                await stack.enter_async_context(TcpPhone(address, local_host=f"127.0.0.{last}"))
                for last in (1, 1, 2, 3)
            ]
            await crowded.closed_by_the_edge()
            await full.closed_by_the_edge()
            assert first.address[0] != second.address[0]
        await many_datagrams(address, 3000, host="127.0.0.4")
        for last in range(5, 9):
            await many_options(address, 100, host=f"127.0.0.{last}")
