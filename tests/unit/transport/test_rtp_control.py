"""When and where reports are sent, and whose are believed."""

from __future__ import annotations

from dataclasses import replace

import pytest
from support.rtp_peer import audio_parameters

from sip_edge.media.packetizer import Packetizer
from sip_edge.media.reports import ReportExchange
from sip_edge.media.rtcp import Report, ReportBlock, build_report
from sip_edge.media.rtp import RtpPacket
from sip_edge.transport.rtp_control import RtpControl
from sip_edge.transport.rtp_latch import SourceLatch
from sip_edge.transport.rtp_receiver import RtpReceiver

SDP = ("192.0.2.10", 4000)
SDP_RTCP = ("192.0.2.10", 4001)
NAT = ("198.51.100.7", 61000)
REPORT = build_report(Report(9, None, (ReportBlock(1, 128, 3, 0, 0, 0, 0),)))


def control(*, randbits: int = 0) -> RtpControl:
    reporting = RtpControl(
        reports=ReportExchange(ssrc=1, cname="us"), randbits=lambda bits: randbits
    )
    reporting.configure(audio_parameters(SDP, remote_rtcp=SDP_RTCP))
    return reporting


def latch(*, source: tuple[str, int] | None = None) -> SourceLatch:
    latching = SourceLatch(is_symmetric=True, signalling_host=NAT[0])
    latching.expect(SDP, 0.0)
    for sequence in range(4 if source else 0):
        latching.accept(source or SDP, RtpPacket(0, False, sequence, 0, 1, b""), 0.1)
    return latching


def report_times(reporting: RtpControl, seconds: int) -> list[float]:
    """At which tenths of a second a report is due."""
    receiver = RtpReceiver(is_symmetric=True)
    stream = Packetizer(ssrc=1, sequence=0, timestamp=0)
    return [
        tenth / 10
        for tenth in range(seconds * 10)
        if reporting.take_report(tenth / 10, stream, receiver) is not None
    ]


def test_no_report_is_due_before_the_start():
    assert report_times(control(), 20) == []


def test_reports_come_every_five_seconds_times_a_half_at_least():
    reporting = control(randbits=0)
    reporting.start(0.0)
    assert report_times(reporting, 10) == [2.5, 5.0, 7.5]


def test_reports_come_every_five_seconds_times_one_and_a_half_at_most():
    reporting = control(randbits=0xFFFF)
    reporting.start(0.0)
    assert report_times(reporting, 16) == [7.5, 15.0]


def test_reports_go_where_the_sdp_says():
    assert control().target(latch()) == SDP_RTCP
    assert control().target(latch(source=SDP)) == SDP_RTCP


def test_reports_follow_the_sound_through_a_nat_to_the_next_port():
    assert control().target(latch(source=NAT)) == ("198.51.100.7", 61001)


def test_reports_through_a_nat_go_where_the_peers_own_come_from():
    reporting, latching = control(), latch(source=NAT)
    reporting.receive(REPORT, ("198.51.100.7", 777), 1.0, latching)
    assert reporting.target(latching) == ("198.51.100.7", 777)


def test_reports_on_a_shared_port_follow_the_sound():
    reporting = control()
    reporting.configure(audio_parameters(SDP))
    assert reporting.is_shared
    assert reporting.target(latch()) == SDP
    assert reporting.target(latch(source=NAT)) == NAT


def test_nothing_is_sent_to_a_hold_without_an_address():
    reporting = control()
    reporting.configure(audio_parameters(("0.0.0.0", 4000)))
    assert reporting.target(latch(source=NAT)) is None


def test_reports_of_the_peers_host_are_believed_from_any_port():
    reporting = control()
    reporting.receive(REPORT, ("192.0.2.10", 12345), 1.0, latch())
    assert reporting.reports.remote_lost == 3


def test_reports_of_another_host_are_a_strangers():
    reporting = control()
    reporting.receive(REPORT, ("203.0.113.66", 4001), 1.0, latch())
    assert reporting.reports.remote_lost is None
    assert reporting.strangers == 1


def test_reports_may_come_from_the_host_that_the_sdp_names_for_them():
    reporting = control()
    elsewhere = ("192.0.2.99", 5000)
    reporting.configure(audio_parameters(SDP, remote_rtcp=elsewhere))
    reporting.receive(REPORT, elsewhere, 1.0, latch())
    assert reporting.reports.remote_lost == 3
    assert reporting.target(latch(source=SDP)) == elsewhere


def test_nonsense_of_the_peer_does_not_move_our_reports():
    reporting, latching = control(), latch(source=NAT)
    reporting.receive(b"nonsense", ("198.51.100.7", 777), 1.0, latching)
    assert reporting.target(latching) == ("198.51.100.7", 61001)


@pytest.mark.parametrize(
    ("payload_type", "events", "may_share"),
    [(0, 101, True), (8, None, True), (72, 101, False), (0, 95, False), (96, 97, True)],
)
def test_rtcp_is_looked_for_on_the_rtp_port_unless_sound_looks_like_it(
    payload_type, events, may_share
):
    reporting = control()
    parameters = replace(audio_parameters(SDP, telephone_event=events), payload_type=payload_type)
    reporting.configure(parameters)
    assert reporting.may_be_on_rtp_port is may_share


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254"])
def test_reports_go_to_this_machine_or_its_link_for_no_sdp_but_through_a_nat(host: str) -> None:
    reporting = control()
    reporting.configure(audio_parameters(SDP, remote_rtcp=(host, 4001)))
    assert reporting.target(latch()) is None
    assert reporting.target(latch(source=NAT)) == ("198.51.100.7", 61001)
