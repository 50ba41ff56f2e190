"""The SIP side of a server: user agent, sockets, RTP and the calls, put together."""

from __future__ import annotations

import asyncio
from ipaddress import ip_address
from time import perf_counter
from typing import TYPE_CHECKING

from sip_edge.app.calls import Calls
from sip_edge.app.errors import StartError
from sip_edge.app.gatekeeper import make_gate
from sip_edge.app.overload import LagGuard
from sip_edge.app.stream_events import StreamEvents
from sip_edge.app.tls_side import TlsSide
from sip_edge.config import public_address
from sip_edge.logs import get_logger
from sip_edge.loopwatch import LoopWatch
from sip_edge.media.tones import hold_tone
from sip_edge.resolver import ResolverSettings
from sip_edge.routing.dispatch import DispatchRules
from sip_edge.routing.inbound import InboundCallHandler
from sip_edge.routing.number import normalise
from sip_edge.routing.plan import AccountCheck
from sip_edge.sip.endpoint import Endpoint
from sip_edge.sip.flow import Transport
from sip_edge.sip.settings import EndpointSettings
from sip_edge.sip.uri import host_port
from sip_edge.transport.ids import RandomIds
from sip_edge.transport.media_port import MediaPort
from sip_edge.transport.rtp_ports import RtpPortPool
from sip_edge.transport.rtp_session import RtpSettings
from sip_edge.transport.rtp_wheel import RtpWheel
from sip_edge.transport.sources import Carrier, NetworkSet
from sip_edge.transport.streams import StreamConnections, StreamLimits
from sip_edge.transport.udp import UdpListener
from sip_edge.transport.user_agent import UserAgent

if TYPE_CHECKING:
    from sip_edge.app.observers import CallEvents
    from sip_edge.config import Config
    from sip_edge.metrics import Metrics
    from sip_edge.resolver import Resolver
    from sip_edge.routing.ports import AgentGateway, NumberDirectory, Voicemail
    from sip_edge.sip.effects import InviteReceived
    from sip_edge.sip.flow import Address
    from sip_edge.transport.inbound_leg import InboundLeg

_ANY_NUMBER = "2025550100"
PROCESS = "w0"
"""This process among those that share the port (decision 18); it is alone for now."""
SIP_NAMES = ResolverSettings(max_names=1024, max_in_flight=64)
"""A resolver apart from the workers': a caller who sends Contacts with dead names, whose servers
never answer, uses up these questions and no worker's."""
SESSIONS_PER_CALL = 2
"""Dialogs that end take 32 s to be forgotten, so the core holds more of them than calls."""

_log = get_logger("sip_edge")


class SipSide:
    """Everything between the carriers' sockets and the application core."""

    def __init__(
        self,
        *,
        config: Config,
        metrics: Metrics,
        events: CallEvents,
        resolver: Resolver,
        directory: NumberDirectory,
        agents: AgentGateway,
        voicemail: Voicemail,
    ) -> None:
        self._config = config
        self._metrics = metrics
        self._loop = asyncio.get_running_loop()
        self._gate = make_gate(_carriers(config), config, metrics)
        hold_tone()  # Takes 50 ms to make; not when an agent is lost.
        for carrier in config.carriers.values():
            # The numbering plan of a country takes 50 ms to read: not during the first call.
            normalise(_ANY_NUMBER, carrier.country)
        self.wheel = RtpWheel(loop=self._loop, on_lag=metrics.rtp_pacing_lag.observe)
        self.ports = RtpPortPool(
            host=config.sip.host,
            port_min=config.media.port_min,
            port_max=config.media.port_max,
            quarantine_seconds=config.media.quarantine_seconds,
        )
        self._public_address = public_address(config.sip)
        self.calls = Calls(
            loop=self._loop,
            carrier_of=self._gate.carrier_of,
            source_of=self._gate.source_of,
            is_overloaded=lambda: self._lag.is_overloaded,
            media=self._media_port(),
            max_calls=config.sip.max_calls,
            max_call_seconds=config.sip.max_call_seconds,
            forward_headers=config.dispatch.forward_headers,
            on_call_started=events.call_started,
            on_call_answered=metrics.call_answered,
            on_call_ended=events.call_ended,
            on_change=self._calls_changed,
        )
        self._handler = InboundCallHandler(
            admission=self.calls.admission,
            calls_ahead=self.calls.calls_ahead,
            account_check=AccountCheck(config.sip.account_check),
            directory=directory,
            agents=agents,
            voicemail=voicemail,
            observer=self.calls,
            clock=perf_counter,
            rules=DispatchRules(
                accept_timeout_seconds=config.dispatch.accept_timeout_seconds,
                ringing_after_seconds=config.dispatch.ringing_after_seconds,
                deadline_seconds=config.dispatch.deadline_seconds,
            ),
        )
        self._resolver = resolver
        self._stream_events = StreamEvents(metrics)
        self._tls = TlsSide(loop=self._loop, settings=config.sip, events=self._stream_events)
        self._lag = LagGuard(
            max_loop_lag=config.limits.max_loop_lag_seconds,
            max_pacing_lag=config.limits.max_pacing_lag_seconds,
        )
        self._watch = LoopWatch(loop=self._loop, clock=perf_counter, on_lag=self._note_lag)
        self._is_available = False
        self._udp: UdpListener | None = None
        self._streams: StreamConnections | None = None
        self._user_agent: UserAgent | None = None

    async def open(self) -> Address:
        """Bind the sockets and begin to answer; the bound address. Raises StartError."""
        sip, port = self._config.sip, self._config.sip.port
        try:
            if "udp" in sip.transports:
                self._udp = UdpListener(
                    loop=self._loop,
                    host=sip.host,
                    port=sip.port,
                    receive_buffer_bytes=sip.receive_buffer_bytes,
                    may_speak=self._may_speak_udp,
                    on_send_failure=self._metrics.send_failures.inc,
                )
                port = self._udp.local.port
            user_agent = UserAgent(
                loop=self._loop,
                clock=perf_counter,
                endpoint=self._endpoint(port),
                resolver=self._resolver,
                observer=self._metrics,
                on_invite=self._on_invite,
            )
            streams = self._streams = self._stream_connections(user_agent, self._tls)
            local = self._udp.local if self._udp else None
            if "tcp" in sip.transports:
                local = streams.listen(sip.host, port, may_speak=self._may_speak_tcp)
            if self._tls.server_context is not None:
                port = sip.tls_port
                context = self._tls.server_context
                at = streams.listen(sip.host, port, may_speak=self._may_speak_tls, context=context)
                local = local or at
        except OSError as error:
            self.close()
            raise StartError(
                f"cannot listen for SIP on {host_port(sip.host, port)}: {error.strerror or error};"
                " is another server running? (sip.host, sip.port, sip.tls_port)"
            ) from error
        if local is None:
            raise StartError("sip.transports names no transport")
        self._user_agent = user_agent
        user_agent.endpoint.limit(self._gate.may_begin)
        user_agent.bind(udp=self._udp, streams=self._streams)
        if self._udp is not None:
            self._udp.start(self._gate.in_front_of(user_agent).receive_datagram)
        self._watch.start()
        self._tls.start()
        return local

    def set_available(self, is_available: bool) -> None:
        """What OPTIONS says: 200, or 503 while starting and draining (decision 26).

        It says 503 too while the process is full or late. Calls are refused by admission and by the
        routes, and counted like any other.
        """
        self._is_available = is_available
        self._lag.reset()
        self._tell_options()

    @property
    def busy(self) -> str:
        """Why no new call is taken although the routes are there; "" if calls are."""
        if self._lag.is_overloaded:
            return "late: the event loop or RTP"
        return "all lines are taken" if self.calls.is_full else ""

    def _tell_options(self) -> None:
        if self._user_agent is not None:
            self._user_agent.endpoint.unavailable = bool(self.busy) or not self._is_available

    def _calls_changed(self, count: int) -> None:
        self._metrics.calls_active.set(count)
        self._tell_options()

    def _note_lag(self, loop_lag: float) -> None:
        """Every 100 ms: how late the loop is, and the worst turn of RTP since the last time."""
        pacing_lag, self.wheel.max_lag = self.wheel.max_lag, 0.0
        if not self._lag.note(loop_lag=loop_lag, pacing_lag=pacing_lag):
            return
        loop_mean, pacing_mean = self._lag.means
        log = _log.warning if self._lag.is_overloaded else _log.info
        log(
            "overloaded" if self._lag.is_overloaded else "overload_over",
            loop_lag_ms=round(loop_mean * 1000),
            pacing_lag_ms=round(pacing_mean * 1000),
            calls=len(self.calls),
        )
        self._tell_options()

    @property
    def sessions(self) -> int:
        """Dialogs that are not forgotten yet."""
        return self._user_agent.endpoint.sessions if self._user_agent else 0

    @property
    def transactions(self) -> int:
        """Transactions that are remembered; each for 32 s after its end."""
        return self._user_agent.endpoint.transactions if self._user_agent else 0

    def close(self) -> None:
        """Close every socket; whatever was not sent by now is lost."""
        self._watch.stop()
        if self._user_agent is not None:
            self._user_agent.close()
        if self._udp is not None:
            self._udp.close()
        if self._streams is not None:
            self._streams.close()
        self._tls.close()
        self.ports.close()

    def _on_invite(self, effect: InviteReceived, received_at: float) -> InboundLeg | None:
        if self._user_agent is None:
            return None
        return self.calls.start(
            effect, received_at, user_agent=self._user_agent, handler=self._handler
        )

    def _endpoint(self, bound_port: int) -> Endpoint:
        sip = self._config.sip
        return Endpoint(
            settings=EndpointSettings(
                public_host=self._public_address,
                public_port=sip.public_port or bound_port,
                public_tls_port=sip.public_tls_port or sip.tls_port,
                has_tls=self._tls.server_context is not None,
                contact_user=PROCESS,
                user_agent=sip.user_agent,
                max_sessions=SESSIONS_PER_CALL * sip.max_calls + 64,
                max_transactions=sip.max_transactions,
                session_expires=sip.session_expires_seconds,
                min_se=sip.min_se_seconds,
            ),
            ids=RandomIds(PROCESS),
        )

    def _media_port(self) -> MediaPort:
        media = self._config.media
        return MediaPort(
            loop=self._loop,
            pool=self.ports,
            wheel=self.wheel,
            settings=RtpSettings(
                timeout_seconds=media.rtp_timeout_seconds,
                max_queued_seconds=media.max_queued_seconds,
                symmetric=media.symmetric,
            ),
            address=self._public_address,
        )

    def _stream_connections(self, user_agent: UserAgent, tls: TlsSide) -> StreamConnections:
        sip = self._config.sip
        return StreamConnections(
            loop=self._loop,
            limits=StreamLimits(
                max_connections=sip.max_connections,
                max_connections_per_source=sip.max_connections_per_source,
                idle_seconds=sip.connection_idle_seconds,
            ),
            receiver=self._gate.in_front_of(user_agent),
            observer=self._stream_events,
            client_context=tls.client_context,
            may_send_more=self._gate.may_send_more,
            local_host=None if ip_address(sip.host).is_unspecified else sip.host,
        )

    def _may_speak_udp(self, host: str) -> bool:
        return self._gate.may_send_datagram(host, Transport.UDP)

    def _may_speak_tcp(self, host: str) -> bool:
        return self._gate.may_speak(host, Transport.TCP)

    def _may_speak_tls(self, host: str) -> bool:
        return self._gate.may_speak(host, Transport.TLS)


def _carriers(config: Config) -> list[Carrier]:
    return [
        Carrier(
            name=name,
            networks=settings.networks,
            provider=settings.provider,
            country=settings.country,
            responses=settings.responses,
            secret_header=settings.secret_header,
            secrets=settings.secrets,
            srtp=settings.srtp,
            media_hosts=NetworkSet(settings.media_networks),
        )
        for name, settings in config.carriers.items()
    ]
