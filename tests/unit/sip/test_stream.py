"""Messages out of a byte stream: RFC 3261 section 18.3, RFC 5626 section 4.4.1."""

from __future__ import annotations

import pytest

from sip_edge.sip.message import make_response
from sip_edge.sip.parser import Limits, parse_message
from sip_edge.sip.stream import FramingError, Ping, StreamFramer

HEAD = (
    b"OPTIONS sip:a@b SIP/2.0\r\n"
    b"Via: SIP/2.0/TCP host.example.com;branch=z9hG4bK1\r\n"
    b"From: <sip:a@b>;tag=1\r\n"
    b"To: <sip:a@b>\r\n"
    b"Call-ID: x\r\n"
    b"CSeq: 1 OPTIONS\r\n"
)


def message(body: bytes = b"", length: bytes = b"Content-Length: %d\r\n") -> bytes:
    if b"%d" in length:
        length = length % len(body)
    return HEAD + length + b"\r\n" + body


def failure_of(framer: StreamFramer, data: bytes) -> FramingError:
    with pytest.raises(FramingError) as caught:
        framer.feed(data)
    return caught.value


class TestMessages:
    def test_whole_message_comes_out_as_it_went_in(self) -> None:
        assert StreamFramer().feed(message(b"abc")) == [message(b"abc")]

    def test_several_messages_in_one_read_come_out_in_order(self) -> None:
        data = message(b"1") + message() + message(b"three")

        assert StreamFramer().feed(data) == [message(b"1"), message(), message(b"three")]

    def test_message_comes_out_with_its_last_byte(self) -> None:
        framer = StreamFramer()

        assert framer.feed(message(b"abc")[:-1]) == []
        assert framer.feed(b"c" + HEAD) == [message(b"abc")]

    def test_large_message_may_come_byte_by_byte(self) -> None:
        head = message(length=b"X: " + b"y" * 8_000 + b"\r\nl: 52000\r\n")
        data = head + b"\r\n\r\n" * 13_000
        framer = StreamFramer()

        frames = [frame for byte in data for frame in framer.feed(bytes([byte]))]

        assert frames == [data]

    @pytest.mark.parametrize(
        "line",
        [
            b"Content-Length: 3",
            b"content-length:3",
            b"CONTENT-LENGTH \t:\t 3",
            b"l: 3",
            b"L : 003",
            b"Content-Length:\r\n 3",
            b"l\t:\r\n\t\r\n  3",
        ],
    )
    def test_content_length_is_found_however_it_is_written(self, line: bytes) -> None:
        data = message(b"abc", line + b"\r\n")

        assert StreamFramer().feed(data + message()) == [data, message()]

    def test_header_that_only_looks_like_it_is_not_taken(self) -> None:
        data = message(b"ab", b"X: y\r\n Content-Length: 9\r\nContent-Length-Of: 8\r\nl: 2\r\n")

        assert StreamFramer().feed(data) == [data]

    def test_cancel_is_no_content_length(self) -> None:
        data = message().replace(b"OPTIONS", b"CANCEL")

        assert StreamFramer().feed(data) == [data]


class TestKeepalives:
    def test_two_line_ends_between_messages_are_a_ping(self) -> None:
        frames = StreamFramer().feed(message() + b"\r\n\r\n" + message())

        assert frames == [message(), Ping(), message()]

    def test_ping_may_come_in_pieces(self) -> None:
        framer = StreamFramer()

        assert [framer.feed(piece) for piece in (b"\r", b"\n\r", b"\n")] == [[], [], [Ping()]]

    def test_one_line_end_before_a_message_is_ignored(self) -> None:
        """A pong, or what RFC 3261 section 7.5 has us skip."""
        framer = StreamFramer()

        assert framer.feed(b"\r\n") == []
        assert framer.feed(message()) == [message()]

    def test_three_line_ends_are_a_ping_and_one_to_ignore(self) -> None:
        assert StreamFramer().feed(b"\r\n\r\n\r\n" + message()) == [Ping(), message()]

    @pytest.mark.parametrize("pieces", [[b"\r\n\rO", HEAD[1:]], [b"\r", b"\n", b"\rO", HEAD[1:]]])
    def test_half_a_line_end_begins_a_message(self, pieces: list[bytes]) -> None:
        framer = StreamFramer()
        for piece in pieces:
            framer.feed(piece)

        assert framer.feed(b"l: 0\r\n\r\n") == [b"\r" + message(length=b"l: 0\r\n")]

    def test_line_ends_within_a_body_are_no_ping(self) -> None:
        assert StreamFramer().feed(message(b"\r\n\r\n")) == [message(b"\r\n\r\n")]


class TestProgress:
    @pytest.mark.parametrize("data", [b"", b"\r\n", b"\r\n\r\n", message(), message() + b"\r\n\r"])
    def test_between_messages_nothing_waits(self, data: bytes) -> None:
        framer = StreamFramer()

        framer.feed(data)

        assert not framer.is_within_message

    @pytest.mark.parametrize("data", [b"O", b"\r\nO", HEAD, message(b"ab")[:-1], b"\r\n\r\n\x00"])
    def test_beginning_of_a_message_waits_for_its_end(self, data: bytes) -> None:
        framer = StreamFramer()

        framer.feed(data)

        assert framer.is_within_message


class TestFailures:
    @pytest.mark.parametrize(
        ("line", "phrase"),
        [
            (b"", "Missing Content-Length"),
            (b"Content-Length: -999\r\n", "Malformed Content-Length: not a number"),
            (b"Content-Length: \xb2\r\n", "Malformed Content-Length: not a number"),
            (b"Content-Length:\r\n", "Malformed Content-Length: not a number"),
            (
                b"l: 5\r\nContent-Length: 13\r\n",
                "Malformed Content-Length: more than one",
            ),
            (b"l: 5\r\nl: 5\r\n", "Malformed Content-Length: more than one"),
        ],
    )
    def test_unknown_length_is_answered_with_400(self, line: bytes, phrase: str) -> None:
        error = failure_of(StreamFramer(), message(length=line))

        assert str(error) == phrase
        assert error.cause is not None
        assert error.cause.request is not None
        assert (error.cause.status, error.cause.phrase) == (400, phrase)
        assert make_response(error.cause.request, 400).call_id == "x"

    def test_message_that_would_not_fit_is_answered_with_513_before_it_comes(self) -> None:
        error = failure_of(StreamFramer(), message(length=b"l: 65535\r\n"))

        assert error.cause is not None
        assert (error.cause.status, error.cause.phrase) == (513, "Message Too Large")

    def test_largest_message_fits(self) -> None:
        size = 65_535 - len(message(length=b"Content-Length: 65000\r\n"))
        data = message(b"x" * size)

        assert len(data) == 65_535
        assert StreamFramer().feed(data) == [data]
        assert parse_message(data).body == b"x" * size

    def test_headers_without_an_end_are_given_up_at_their_bound(self) -> None:
        framer = StreamFramer()
        framer.feed(HEAD + b"X: ")

        error = failure_of(framer, b"y" * 32_768)

        assert error.cause is not None
        assert (error.cause.status, error.cause.phrase) == (513, "Header Section Too Large")

    def test_bound_is_the_same_whether_the_end_has_come_or_not(self) -> None:
        exact = message(length=b"l: 0\r\n")
        limits = Limits(header_bytes=len(exact) - 4)

        assert StreamFramer(limits).feed(exact) == [exact]
        framer = StreamFramer(limits)
        for byte in exact[:-4]:
            assert framer.feed(bytes([byte])) == []
        assert failure_of(framer, b"abcd").frames == []
        assert str(failure_of(StreamFramer(limits), exact[:-4] + b"a\r\n\r\n")) == (
            "Header Section Too Large"
        )

    def test_noise_that_cannot_be_answered_has_no_cause(self) -> None:
        assert failure_of(StreamFramer(), b"\x16\x03\x01" * 20_000).cause is None
        assert failure_of(StreamFramer(), b"GET / HTTP/1.1\r\n\r\n").cause is None

    def test_messages_before_the_fault_are_not_lost(self) -> None:
        error = failure_of(StreamFramer(), message(b"1") + b"\r\n\r\n" + message(length=b""))

        assert error.frames == [message(b"1"), Ping()]

    def test_framer_that_failed_fails_for_good(self) -> None:
        framer = StreamFramer()
        failure_of(framer, message(length=b""))

        error = failure_of(framer, message())

        assert (str(error), error.frames, error.cause) == ("Missing Content-Length", [], None)
        assert not framer.is_within_message
