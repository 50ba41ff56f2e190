"""The bounds on connections: who may come in when it is full."""

from __future__ import annotations

from sip_edge.transport.connection_books import (
    MAX_HANDSHAKES,
    MAX_HANDSHAKES_PER_SOURCE,
    MAX_OUTGOING,
    ConnectionBooks,
    Refused,
    StreamLimits,
)

LIMITS = StreamLimits(max_connections=3, max_connections_per_source=2, idle_seconds=60.0)
ROOMY = StreamLimits(max_connections=1000, max_connections_per_source=1000, idle_seconds=60.0)


def admitted(books: ConnectionBooks, *hosts: str) -> list[Refused | None]:
    return [books.admit(host, with_handshake=False) for host in hosts]


def test_newest_connection_of_a_source_loses_at_its_bound() -> None:
    books = ConnectionBooks(LIMITS)

    assert admitted(books, "a", "a", "a", "b") == [None, None, Refused.CROWDED, None]


def test_newest_connection_loses_when_all_places_are_taken() -> None:
    books = ConnectionBooks(LIMITS)

    assert admitted(books, "a", "b", "c", "d") == [None, None, None, Refused.FULL]


def test_place_of_a_connection_that_is_gone_is_free() -> None:
    books = ConnectionBooks(LIMITS)
    admitted(books, "a", "a", "b")

    books.release("a")

    assert admitted(books, "a", "a") == [None, Refused.FULL]


def test_handshakes_of_one_source_leave_room_for_the_others() -> None:
    books = ConnectionBooks(ROOMY)
    greedy = [books.admit("a", with_handshake=True) for _ in range(MAX_HANDSHAKES_PER_SOURCE + 1)]

    assert greedy[-2:] == [None, Refused.HANDSHAKES]
    assert books.admit("b", with_handshake=True) is None
    assert books.admit("a", with_handshake=False) is None


def test_handshakes_in_all_are_bounded() -> None:
    books = ConnectionBooks(ROOMY)
    results = [
        books.admit(f"host{number}", with_handshake=True) for number in range(MAX_HANDSHAKES + 1)
    ]

    assert results[-2:] == [None, Refused.HANDSHAKES]


def test_handshake_that_is_over_makes_room_though_its_connection_stays() -> None:
    books = ConnectionBooks(ROOMY)
    for _ in range(MAX_HANDSHAKES_PER_SOURCE):
        books.admit("a", with_handshake=True)

    books.handshake_ended("a")

    assert books.admit("a", with_handshake=True) is None
    assert books.admit("a", with_handshake=True) is Refused.HANDSHAKES


def test_refused_connection_takes_no_place() -> None:
    books = ConnectionBooks(LIMITS)
    admitted(books, "a", "a", "a", "a", "a")

    assert admitted(books, "b") == [None]


def test_connections_of_ours_are_bounded_apart() -> None:
    books = ConnectionBooks(LIMITS)
    opened = [books.open_outgoing() for _ in range(MAX_OUTGOING + 1)]
    books.release_outgoing()

    assert opened[-2:] == [True, False]
    assert books.open_outgoing()
    assert admitted(books, "a") == [None]


def test_all_addresses_of_an_ipv6_network_are_one_source() -> None:
    books = ConnectionBooks(LIMITS)

    assert admitted(books, "2001:db8::1", "2001:db8::2", "2001:db8::3") == [
        None,
        None,
        Refused.CROWDED,
    ]
    books.release("2001:db8::2")
    assert admitted(books, "2001:db8::4") == [None]
