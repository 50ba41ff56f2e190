"""Opens RTP sessions for legs: one place that knows the port pool, the wheel and our address."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sip_edge.media.sdes import SrtpPolicy
from sip_edge.transport.rtp_session import RtpSession

if TYPE_CHECKING:
    import asyncio

    from sip_edge.transport.rtp_ports import RtpPortPool
    from sip_edge.transport.rtp_session import RtpObserver, RtpSettings
    from sip_edge.transport.rtp_wheel import RtpWheel
    from sip_edge.transport.sources import Carrier, NetworkSet


class MediaPort:
    """Where sound enters and leaves this process. `address` is what SDP advertises.

    `srtp` says whether sound is encrypted; `signalling_host` and `media_hosts` are where the other
    side's SIP and RTP come from, None if nothing is known of it.
    """

    def __init__(
        self,
        *,
        loop: asyncio.AbstractEventLoop,
        pool: RtpPortPool,
        wheel: RtpWheel,
        settings: RtpSettings,
        address: str,
        srtp: SrtpPolicy = SrtpPolicy.OFF,
        signalling_host: str | None = None,
        media_hosts: NetworkSet | None = None,
    ) -> None:
        self._loop = loop
        self._pool = pool
        self._wheel = wheel
        self._settings = settings
        self.address = address
        self._srtp = srtp
        self._signalling_host = signalling_host
        self._media_hosts = media_hosts

    def towards(self, carrier: Carrier, signalling_host: str | None) -> MediaPort:
        """The same port, for one peer."""
        return MediaPort(
            loop=self._loop,
            pool=self._pool,
            wheel=self._wheel,
            settings=self._settings,
            address=self.address,
            srtp=carrier.srtp,
            signalling_host=signalling_host,
            media_hosts=carrier.media_hosts,
        )

    def open(self, observer: RtpObserver) -> RtpSession:
        """An RTP session on ports of its own. Raises NoRtpPortError when none is free."""
        sockets = self._pool.acquire(self._loop.time())
        return RtpSession(
            sockets=sockets,
            pool=self._pool,
            wheel=self._wheel,
            loop=self._loop,
            settings=self._settings,
            observer=observer,
            srtp=self._srtp,
            signalling_host=self._signalling_host,
            media_hosts=self._media_hosts,
        )
