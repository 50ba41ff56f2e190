"""The pool of RTP ports, with real sockets on the loopback address."""

from __future__ import annotations

import resource
import socket
from collections.abc import Callable

import pytest
from support.free_ports import free_ports

from sip_edge.transport.rtp_ports import NoRtpPortError, RtpPortPool


def first(count: int) -> int:
    """Stands in for chance."""
    return 0


def pool_of(
    pairs: int, *, choose: Callable[[int], int] = first, quarantine_seconds: float = 10.0
) -> tuple[RtpPortPool, int]:
    """A pool of that many pairs of free ports, and the first port."""
    port = free_ports(2 * pairs)
    pool = RtpPortPool(
        host="127.0.0.1",
        port_min=port,
        port_max=port + 2 * pairs - 1,
        quarantine_seconds=quarantine_seconds,
        choose=choose,
    )
    return pool, port


def test_pair_is_an_even_port_and_the_odd_one_above_it():
    pool, port = pool_of(1)
    sockets = pool.acquire(0.0)
    try:
        assert sockets.port == port
        assert sockets.rtp.getsockname() == ("127.0.0.1", port)
        assert sockets.rtcp.getsockname() == ("127.0.0.1", port + 1)
    finally:
        pool.release(sockets, 0.0)


def test_sockets_do_not_block():
    pool, _ = pool_of(1)
    sockets = pool.acquire(0.0)
    try:
        with pytest.raises(BlockingIOError):
            sockets.rtp.recv(10)
    finally:
        pool.release(sockets, 0.0)


@pytest.mark.parametrize(
    ("port_min", "port_max", "expected"),
    [(20_000, 20_009, 5), (20_001, 20_009, 4), (20_000, 20_008, 4), (20_000, 20_000, 0)],
)
def test_only_whole_pairs_count(port_min, port_max, expected):
    pool = RtpPortPool(
        host="127.0.0.1", port_min=port_min, port_max=port_max, quarantine_seconds=1.0
    )
    assert pool.count_free(0.0) == expected


def test_pairs_are_lent_until_none_is_left():
    pool, port = pool_of(3)
    lent = [pool.acquire(0.0) for _ in range(3)]
    try:
        assert {sockets.port for sockets in lent} == {port, port + 2, port + 4}
        assert (pool.count_free(0.0), pool.lent) == (0, 3)
        with pytest.raises(NoRtpPortError, match="3 in use, 0 resting"):
            pool.acquire(0.0)
    finally:
        for sockets in lent:
            pool.release(sockets, 0.0)


def test_order_is_left_to_chance():
    pool, port = pool_of(4, choose=lambda count: count - 2 if count > 1 else 0)
    lent = [pool.acquire(0.0) for _ in range(4)]
    for sockets in lent:
        pool.release(sockets, 0.0)
    assert [sockets.port - port for sockets in lent] == [4, 2, 0, 6]


def test_released_ports_rest_before_they_are_lent_again():
    pool, port = pool_of(1, quarantine_seconds=10.0)
    pool.release(pool.acquire(0.0), 5.0)
    assert (pool.count_free(14.9), pool.resting, pool.lent) == (0, 1, 0)
    with pytest.raises(NoRtpPortError, match="1 resting"):
        pool.acquire(14.9)
    sockets = pool.acquire(15.0)
    assert sockets.port == port
    pool.release(sockets, 15.0)


def test_released_sockets_are_closed_at_once():
    pool, port = pool_of(1)
    sockets = pool.acquire(0.0)
    pool.release(sockets, 0.0)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port))
    assert sockets.rtp.fileno() == sockets.rtcp.fileno() == -1


def test_releasing_twice_does_not_lend_a_port_twice():
    pool, _ = pool_of(1, quarantine_seconds=1.0)
    sockets = pool.acquire(0.0)
    pool.release(sockets, 0.0)
    pool.release(sockets, 0.0)
    assert pool.resting == 1


@pytest.mark.parametrize("taken", [0, 1], ids=["RTP", "RTCP"])
def test_port_that_another_program_holds_is_passed_over(taken):
    pool, port = pool_of(2)
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as other:
        other.bind(("127.0.0.1", port + taken))
        sockets = pool.acquire(0.0)
        pool.release(sockets, 0.0)
    assert sockets.port == port + 2
    assert pool.resting == 2


def test_all_ports_held_by_others_is_an_error():
    pool, port = pool_of(2)
    others = [socket.socket(socket.AF_INET, socket.SOCK_DGRAM) for _ in range(2)]
    try:
        others[0].bind(("127.0.0.1", port))
        others[1].bind(("127.0.0.1", port + 2))
        with pytest.raises(NoRtpPortError):
            pool.acquire(0.0)
    finally:
        for other in others:
            other.close()


def test_address_that_is_not_ours_is_an_error():
    pool = RtpPortPool(
        host="192.0.2.1", port_min=20_000, port_max=20_100, quarantine_seconds=1.0, choose=first
    )
    with pytest.raises(NoRtpPortError, match=r"192\.0\.2\.1 port 20000"):
        pool.acquire(0.0)


def test_port_that_could_not_be_opened_for_want_of_descriptors_is_not_lost():
    pool, _ = pool_of(2)
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (3, before[1]))
    try:
        for _ in range(3):
            with pytest.raises(NoRtpPortError, match="Too many open files"):
                pool.acquire(0.0)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)
    assert pool.count_free(0.0) == 2


def test_pairs_of_an_ipv6_address_can_be_lent():
    if not socket.has_ipv6:
        pytest.skip("this machine has no IPv6")
    port = free_ports(2)
    pool = RtpPortPool(host="::1", port_min=port, port_max=port + 1, quarantine_seconds=1.0)
    sockets = pool.acquire(0.0)
    assert sockets.rtp.getsockname()[:2] == ("::1", port)
    pool.release(sockets, 0.0)


def test_closed_pool_lends_nothing():
    pool, _ = pool_of(1)
    pool.close()
    with pytest.raises(NoRtpPortError, match="closed"):
        pool.acquire(0.0)
