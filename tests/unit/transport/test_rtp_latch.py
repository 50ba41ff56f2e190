"""Whose packets are taken: the SDP's address, a NAT's, never a stranger's."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from sip_edge.media.rtp import RtpPacket
from sip_edge.transport.rtp_latch import SourceLatch
from sip_edge.transport.sources import NetworkSet

SDP = ("192.0.2.10", 4000)
NAT = ("198.51.100.7", 61000)
STRANGER = ("203.0.113.66", 9999)


def packet(sequence: int, *, ssrc: int = 1) -> RtpPacket:
    return RtpPacket(0, False, sequence % 65536, 160 * sequence, ssrc, bytes(160))


def latch(*, is_symmetric: bool = True, now: float = 0.0) -> SourceLatch:
    expecting = SourceLatch(is_symmetric=is_symmetric, signalling_host=NAT[0])
    expecting.expect(SDP, now)
    return expecting


def offer(
    latching: SourceLatch, source: tuple[str, int], count: int, *, now: float = 0.1, start: int = 0
) -> list[bool]:
    return [latching.accept(source, packet(start + n), now + 0.02 * n) for n in range(count)]


def test_address_of_the_sdp_is_believed_at_once():
    latching = latch()
    assert offer(latching, SDP, 1) == [True]
    assert latching.target == SDP


def test_until_somebody_speaks_packets_go_where_the_sdp_says():
    assert latch().target == SDP


def test_peer_behind_a_nat_is_believed_after_four_packets_in_a_row():
    latching = latch()
    assert offer(latching, NAT, 5) == [False, False, False, True, True]
    assert latching.target == NAT


def test_peer_behind_a_nat_may_lose_packets():
    latching = latch()
    taken = [latching.accept(NAT, packet(sequence), 0.1) for sequence in (1, 3, 4, 8)]
    assert taken == [False, False, False, True]


def test_sequence_numbers_of_a_candidate_may_wrap():
    latching = latch()
    assert offer(latching, NAT, 4, start=65534)[-1]


def test_nobody_but_the_sdp_is_believed_without_symmetric_rtp():
    latching = latch(is_symmetric=False)
    assert not any(offer(latching, NAT, 20))
    assert offer(latching, SDP, 1) == [True]


def test_stranger_is_refused_once_the_sdps_address_has_spoken():
    latching = latch()
    offer(latching, SDP, 1)
    assert not any(offer(latching, STRANGER, 200))
    assert latching.target == SDP


def test_stranger_is_refused_once_the_peer_behind_the_nat_is_known():
    latching = latch()
    offer(latching, NAT, 4)
    assert not any(offer(latching, STRANGER, 200))
    assert latching.target == NAT


def test_stranger_who_is_faster_than_the_peer_is_refused():
    latching = latch()
    assert not any(offer(latching, STRANGER, 50))
    assert latching.target == SDP
    assert offer(latching, NAT, 4)[-1]
    assert latching.target == NAT


def test_other_port_of_the_sdps_host_may_be_what_a_nat_made_of_it():
    latching = latch()
    other_port = (SDP[0], 50_000)
    assert offer(latching, other_port, 4) == [False, False, False, True]
    assert latching.target == other_port


def test_without_a_signalling_host_only_the_sdps_host_is_learned():
    latching = SourceLatch(is_symmetric=True)
    latching.expect(SDP, 0.0)
    assert not any(offer(latching, NAT, 20))
    assert offer(latching, (SDP[0], 50_000), 4)[-1]


def test_gateway_in_the_carriers_networks_is_learned_while_the_sdps_address_is_silent():
    gateways = NetworkSet([ip_network("192.0.2.128/25"), ip_network("2001:db8::/32")])
    gateway, neighbour = ("192.0.2.200", 4000), ("192.0.2.100", 4000)
    latching = SourceLatch(is_symmetric=True, media_hosts=gateways)
    latching.expect(SDP, 0.0)
    assert not any(offer(latching, neighbour, 50))
    assert not any(offer(latching, STRANGER, 50))
    assert offer(latching, gateway, 5) == [False, False, False, True, True]
    assert latching.target == gateway
    assert not any(offer(latching, ("192.0.2.201", 4000), 50))
    assert latching.accept(SDP, packet(1), 2.0)


def test_gateway_in_the_carriers_networks_is_a_stranger_once_the_sdps_address_has_spoken():
    latching = SourceLatch(
        is_symmetric=True, media_hosts=NetworkSet([ip_network("203.0.113.0/24")])
    )
    latching.expect(SDP, 0.0)
    offer(latching, SDP, 1)
    assert not any(offer(latching, STRANGER, 50))
    assert latching.target == SDP


def test_address_of_the_sdp_takes_over_from_one_that_was_faster():
    latching = latch()
    offer(latching, NAT, 10)
    assert latching.accept(SDP, packet(1), 2.0)
    assert latching.target == SDP
    assert not any(offer(latching, NAT, 50, now=2.0))


def test_authentic_packet_is_proof_enough_from_any_host():
    latching = latch()
    assert latching.accept(STRANGER, packet(1), 0.1, is_authentic=True)
    assert latching.target == STRANGER
    assert latching.accept(SDP, packet(2), 1.0, is_authentic=True)
    assert latching.target == SDP


def test_authentic_packet_from_elsewhere_is_refused_once_the_source_is_settled():
    latching = latch()
    offer(latching, SDP, 1)
    assert not latching.may_accept(STRANGER, 1.0)
    assert not latching.accept(STRANGER, packet(1), 1.0, is_authentic=True)
    assert latching.target == SDP


def test_authentic_packet_from_elsewhere_is_refused_without_symmetric_rtp():
    latching = latch(is_symmetric=False)
    assert not latching.accept(STRANGER, packet(1), 0.1, is_authentic=True)


def test_after_probation_the_peer_behind_the_nat_is_settled():
    latching = latch()
    offer(latching, NAT, 4)
    assert not latching.accept(SDP, packet(1), 6.0)
    assert latching.target == NAT


def test_spray_of_single_packets_from_one_source_is_not_a_stream():
    latching = latch()
    taken = [latching.accept(NAT, packet(n * 1000), 0.1) for n in range(50)]
    assert not any(taken)


def test_spray_of_changing_streams_from_one_source_is_not_a_stream():
    latching = latch()
    taken = [latching.accept(NAT, packet(n, ssrc=n), 0.1) for n in range(50)]
    assert not any(taken)


def test_same_packet_repeated_is_not_a_stream():
    latching = latch()
    assert not any(latching.accept(NAT, packet(7), 0.1) for _ in range(50))


def test_peer_behind_a_nat_is_found_among_single_packets_of_others():
    latching = latch()
    taken = []
    for n in range(4):
        taken.append(latching.accept(NAT, packet(n), 0.1 + 0.02 * n))
        for other in range(3):
            latching.accept((NAT[0], 1000 + 10 * n + other), packet(n), 0.1)
    assert taken == [False, False, False, True]


def test_candidates_are_bounded():
    latching = latch()
    for n in range(2):
        for source in range(4):
            latching.accept((NAT[0], 1000 + source), packet(n), 0.1)
    # Four sources speak already: a fifth one is not even watched.
    assert not any(offer(latching, NAT, 20))


def test_latch_closes_when_nobody_spoke_for_ten_seconds():
    latching = latch()
    assert not any(offer(latching, NAT, 20, now=10.0))
    assert offer(latching, SDP, 1, now=30.0) == [True]


def test_new_address_in_a_later_offer_opens_the_latch_again():
    latching = latch()
    offer(latching, SDP, 1)
    moved = ("192.0.2.20", 5000)
    latching.expect(moved, 60.0)
    assert latching.target == moved
    assert offer(latching, moved, 1, now=60.1) == [True]
    assert not latching.accept(SDP, packet(9), 60.2)


def test_new_address_may_be_behind_a_nat_too():
    latching = latch()
    offer(latching, SDP, 1)
    latching.expect(("10.0.0.5", 5000), 60.0)
    assert offer(latching, NAT, 4, now=60.1)[-1]


def test_later_offer_with_the_same_address_changes_nothing():
    latching = latch()
    offer(latching, NAT, 4)
    latching.expect(SDP, 60.0)
    assert latching.target == NAT


def test_hold_without_an_address_keeps_the_source():
    latching = latch()
    offer(latching, NAT, 4)
    latching.expect(None, 60.0)
    assert latching.accept(NAT, packet(99), 61.0)


def test_without_any_address_nobody_is_believed():
    latching = SourceLatch(is_symmetric=True)
    assert not any(offer(latching, NAT, 20))
    assert latching.target is None


def test_source_that_the_peer_has_left_does_not_call_the_stream_back():
    latching = latch()
    offer(latching, NAT, 4)
    latching.expect(("192.0.2.10", 5000), 60.0)
    assert not any(offer(latching, NAT, 50, now=60.0))
    assert not any(offer(latching, SDP, 50, now=60.0))
    assert latching.target == ("192.0.2.10", 5000)


def test_peer_that_returns_to_an_address_is_believed_there_again():
    latching = latch()
    offer(latching, SDP, 1)
    latching.expect(("192.0.2.20", 5000), 60.0)
    latching.expect(SDP, 120.0)
    assert offer(latching, SDP, 1, now=120.1) == [True]


def test_many_moves_leave_a_bounded_number_of_addresses_behind():
    latching = latch()
    for port in range(5000, 5020):
        latching.expect((SDP[0], port), 60.0)
    refused = [port for port in range(5000, 5019) if not latching.may_accept((SDP[0], port), 60.1)]
    assert refused == list(range(5011, 5019))


@pytest.mark.parametrize("host", ["127.0.0.1", "169.254.169.254", "::1"])
def test_sdp_leads_nothing_to_this_machine_or_its_link_but_a_nat_is_found_all_the_same(host: str):
    latching = SourceLatch(is_symmetric=True, signalling_host=NAT[0])
    latching.expect((host, 4000), 0.0)
    assert latching.target is None
    assert offer(latching, NAT, 4)[-1]
    assert latching.target == NAT


def test_peer_on_this_machine_may_name_it():
    latching = SourceLatch(is_symmetric=True, signalling_host="127.0.0.1")
    latching.expect(("127.0.0.2", 4000), 0.0)
    assert latching.target == ("127.0.0.2", 4000)
