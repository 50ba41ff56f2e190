"""What is exchanged by RTCP in one session (RFC 3550 section 6.4)."""

from __future__ import annotations

from sip_edge.media.packetizer import Packetizer
from sip_edge.media.reception import Reception
from sip_edge.media.reports import ReportExchange, ntp_time
from sip_edge.media.rtcp import (
    Goodbye,
    Report,
    ReportBlock,
    SenderInfo,
    build_report,
    parse_rtcp,
)

OURS, THEIRS = 1, 2


def exchange() -> ReportExchange:
    return ReportExchange(ssrc=OURS, cname="us")


def packetizer() -> Packetizer:
    return Packetizer(ssrc=OURS, sequence=0, timestamp=1000)


def block(*, ssrc: int = OURS, last_report: int = 0, delay: int = 0) -> ReportBlock:
    return ReportBlock(
        ssrc=ssrc,
        fraction_lost=64,
        cumulative_lost=7,
        highest_sequence=9,
        jitter=40,
        last_report=last_report,
        delay=delay,
    )


def report_in(data: bytes) -> Report:
    packets = parse_rtcp(data)
    assert packets is not None
    assert isinstance(packets[0], Report)
    return packets[0]


def test_who_has_sent_nothing_and_heard_nothing_sends_an_empty_receiver_report():
    report = report_in(exchange().build(3.0, packetizer(), 0, None))
    assert report == Report(OURS, None, ())


def test_who_has_sent_reports_what_and_when():
    ours, stream = exchange(), packetizer()
    stream.frame(0, bytes(160))
    report = report_in(ours.build(3.5, stream, 0, None))
    assert report.sender == SenderInfo(
        ntp=0x0000000380000000, rtp_timestamp=1000, packets=1, octets=160
    )


def test_who_has_sent_nothing_since_sends_a_receiver_report():
    ours, stream = exchange(), packetizer()
    stream.frame(0, bytes(160))
    ours.build(3.5, stream, 0, None)
    assert report_in(ours.build(8.5, stream, 0, None)).sender is None


def test_report_carries_the_canonical_name():
    assert b"\x01\x02us" in exchange().build(3.0, packetizer(), 0, None)


def test_report_says_what_was_received():
    reception = Reception(100)
    for sequence in (100, 101, 103):
        reception.receive(sequence)
    report = report_in(exchange().build(3.0, packetizer(), THEIRS, reception))
    assert report.blocks == (
        ReportBlock(
            ssrc=THEIRS,
            fraction_lost=64,
            cumulative_lost=1,
            highest_sequence=103,
            jitter=0,
            last_report=0,
            delay=0,
        ),
    )


def test_report_refers_to_the_peers_last_sender_report():
    ours = exchange()
    sender = SenderInfo(ntp=0x1111222233334444, rtp_timestamp=0, packets=1, octets=1)
    ours.receive(build_report(Report(THEIRS, sender, ())), 10.0)
    (said,) = report_in(ours.build(11.5, packetizer(), THEIRS, Reception(0))).blocks
    assert (said.last_report, said.delay) == (0x22223333, 98304)


def test_new_source_has_sent_no_report_yet():
    ours = exchange()
    sender = SenderInfo(ntp=0x1111222233334444, rtp_timestamp=0, packets=1, octets=1)
    ours.receive(build_report(Report(THEIRS, sender, ())), 10.0)
    (said,) = report_in(ours.build(11.5, packetizer(), 3, Reception(0))).blocks
    assert (said.last_report, said.delay) == (0, 0)


def test_peers_view_of_us_is_kept():
    ours = exchange()
    assert ours.receive(build_report(Report(THEIRS, None, (block(ssrc=99), block()))), 3.0)
    assert (ours.remote_fraction_lost, ours.remote_lost, ours.remote_jitter) == (64, 7, 40)
    assert ours.round_trip_seconds is None


def test_report_on_somebody_else_says_nothing_of_us():
    ours = exchange()
    ours.receive(build_report(Report(THEIRS, None, (block(ssrc=99),))), 3.0)
    assert ours.remote_lost is None


def test_round_trip_is_the_time_that_was_not_spent_at_the_peer():
    ours = exchange()
    sent_at = ntp_time(100.0) >> 16 & 0xFFFFFFFF
    said = block(last_report=sent_at, delay=2 * 65536)
    ours.receive(build_report(Report(THEIRS, None, (said,))), 102.25)
    assert ours.round_trip_seconds == 0.25


def test_forged_round_trip_is_not_believed():
    ours = exchange()
    said = block(last_report=0x7FFFFFFF, delay=1)
    ours.receive(build_report(Report(THEIRS, None, (said,))), 102.25)
    assert ours.round_trip_seconds is None


def test_goodbye_is_a_compound_packet():
    assert parse_rtcp(exchange().build_goodbye()) == (Report(OURS, None, ()), Goodbye(OURS))


def test_what_is_no_rtcp_is_counted():
    ours = exchange()
    assert not ours.receive(b"\x80\xc8nonsense", 1.0)
    assert ours.malformed == 1
