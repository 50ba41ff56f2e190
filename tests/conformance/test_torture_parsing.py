"""The torture messages of RFC 4475 and RFC 5118, as far as parsing decides.

Three verdicts: read; refused with a status; dropped without an answer. What a user agent says to
those that can be read (405, 416, 420, 481...) is tested with the endpoint.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from sip_edge.sip.fields import CSeq, Via
from sip_edge.sip.message import Request, Response, make_response
from sip_edge.sip.parser import ParseError, parse_message
from sip_edge.sip.stream import FramingError, Ping, StreamFramer
from sip_edge.sip.uri import OtherUri, SipUri

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"

pytestmark = pytest.mark.skipif(
    not CORPORA.is_dir(), reason="the torture messages are not in ../shared/corpora"
)

RFC_4475_READ = (
    "wsinv intmeth esc01 escnull esc02 lwsdisp longreq dblreq semiuri transports mpart01 unreason "
    "noreason baddate mismatch02 unkscm novelsc unksm2 bext01 invut regaut01 bcast zeromf cparam01 "
    "cparam02 regescrt sdp01 inv2543"
)
RFC_5118_READ = (
    "fixed/ipv6-good fixed/port-ambiguous fixed/port-unambiguous "
    "fixed/via-received-param-with-delim fixed/via-received-param-no-delim fixed/ipv6-in-sdp "
    "fixed/mult-ip-in-header fixed/mult-ip-in-sdp fixed/ipv4-mapped-ipv6 "
    "fixed/ipv6-bug-abnf-3-colons fixed/ipv6-correct-abnf-2-colons"
)
READ = [
    *(f"rfc4475/{name}" for name in RFC_4475_READ.split()),
    *(f"rfc5118/{name}" for name in RFC_5118_READ.split()),
]
REFUSED = [
    ("rfc4475/badinv01", 400, "Malformed Via: a malformed parameter name"),
    ("rfc4475/clerr", 400, "Content-Length Larger Than the Body"),
    ("rfc4475/ncl", 400, "Malformed Content-Length: not a number"),
    ("rfc4475/scalar02", 400, "Malformed CSeq: a number out of range"),
    ("rfc4475/quotbal", 400, "Malformed To: a quoted string without an end"),
    ("rfc4475/ltgtruri", 400, "Malformed Request-URI: a delimiter that must be escaped"),
    ("rfc4475/lwsruri", 400, "Malformed Request Line"),
    ("rfc4475/lwsstart", 400, "Malformed Request Line"),
    ("rfc4475/trws", 400, "Malformed Request Line"),
    ("rfc4475/escruri", 400, "Malformed Request-URI: headers in it"),
    ("rfc4475/regbadct", 400, "Malformed Contact: a URI that must stand in angle brackets"),
    ("rfc4475/badaspec", 400, "Malformed To: a blank, a control or a non-ASCII character"),
    ("rfc4475/baddn", 400, "No End of Headers"),
    ("rfc4475/fixed/baddn", 400, "Malformed To: a display name that must be quoted"),
    ("rfc4475/badvers", 505, "Version Not Supported"),
    ("rfc4475/mismatch01", 400, "CSeq Method Differs"),
    ("rfc4475/badbranch", 400, "Malformed Via: an empty branch"),
    ("rfc4475/insuf", 400, "Missing From"),
    ("rfc4475/multi01", 400, "Multiple From"),
    ("rfc4475/mcl01", 400, "Multiple Content-Length"),
    ("rfc5118/fixed/ipv6-bad", 400, "Malformed Request-URI: a malformed port"),
    ("rfc5118/crlf/ipv6-in-sdp", 400, "Content-Length Larger Than the Body"),
]
DROPPED = ["rfc4475/scalarlg", "rfc4475/bigcode"]


def load(name: str) -> bytes:
    return (CORPORA / f"{name}.dat").read_bytes()


def request_of(name: str) -> Request:
    message = parse_message(load(name))
    assert isinstance(message, Request)
    return message


def refusal_of(name: str) -> ParseError:
    with pytest.raises(ParseError) as caught:
        parse_message(load(name))
    return caught.value


def test_every_message_of_both_indexes_has_its_verdict_here() -> None:
    listed = set()
    for rfc in ("rfc4475", "rfc5118"):
        rows = (CORPORA / rfc / "index.tsv").read_text("utf-8").splitlines()[1:]
        listed |= {f"{rfc}/{row.partition('.dat')[0]}" for row in rows}
    judged = {*READ, *(name for name, _, _ in REFUSED), *DROPPED}

    assert len(listed) == 61
    assert listed <= judged


@pytest.mark.parametrize("name", READ)
def test_message_is_read(name: str) -> None:
    message = parse_message(load(name))

    assert message.top_via.host
    assert message.call_id


@pytest.mark.parametrize("name", READ)
def test_message_that_was_read_is_written_byte_for_byte_up_to_its_end(name: str) -> None:
    data = load(name)
    message = parse_message(data)

    assert data.startswith(message.serialize())


@pytest.mark.parametrize(("name", "status", "phrase"), REFUSED)
def test_message_is_refused_with_an_answer_that_says_why(
    name: str, status: int, phrase: str
) -> None:
    error = refusal_of(name)

    assert (error.status, error.phrase) == (status, phrase)
    assert error.request is not None
    answer = make_response(error.request, status, reason=phrase, to_tag="ours")
    assert answer.headers.get_all("Via") == error.request.headers.get_all("Via")
    assert "Via" in answer.headers


@pytest.mark.parametrize("name", DROPPED)
def test_message_is_dropped_without_an_answer(name: str) -> None:
    error = refusal_of(name)

    assert (error.status, error.request) == (None, None)


class TestWhatIsRead:
    def test_wsinv_with_blanks_and_folds_everywhere(self) -> None:
        request = request_of("rfc4475/wsinv")

        assert request.to.tag == "1918181833n"
        assert request.from_.display_name == 'J Rosenberg \\"'
        assert request.from_.tag == "98asjd8"
        assert request.max_forwards == 68
        assert request.cseq == CSeq(9, "INVITE")
        assert request.top_via == Via("UDP", "192.0.2.2", None, (("branch", "390skdjuw"),))
        assert request.headers.split("Via") == [
            "SIP  /   2.0 /UDP 192.0.2.2;branch=390skdjuw",
            "SIP  / 2.0  / TCP     spindle.example.com   ; branch  =   z9hG4bK9ikj8",
            "SIP  /    2.0   / UDP  192.168.255.111   ; branch= z9hG4bK30239",
        ]
        assert request.routes == [
            "<sip:services.example.com;lr;unknownwith=value;unknown-no-value>"
        ]
        assert request.contact is not None
        assert request.contact.display_name == 'Quoted string ""'
        assert request.contact.param("newparam") == "newvalue"
        assert request.contact.param("q") == "0.33"
        assert (
            request.headers.get("NewFangledHeader") == "newfangled value continued newfangled value"
        )
        assert request.headers.get("Subject") == ""
        assert len(request.body) == 150

    def test_intmeth_with_every_character_a_token_may_have(self) -> None:
        request = request_of("rfc4475/intmeth")

        assert request.method == "!interesting-Method0123456789_*+`.%indeed'~"
        assert request.to.display_name == "BEL:\x07 NUL:\x00 DEL:\x7f"
        assert request.from_.display_name == "token1~` token2'+_ token3*%!.-"
        assert request.from_.tag == "_token~1'+`*%!-."
        assert request.call_id == "intmeth.word%ZK-!.*_+'@word`~)(><:\\/\"][?}{"
        assert request.cseq.number == 139122385
        answer = make_response(request, 501, to_tag="ours").serialize()
        assert b'To: "BEL:\\\x07 NUL:\\\x00 DEL:\\\x7f" <sip:' in answer

    def test_esc01_with_escapes_that_are_decoded_once(self) -> None:
        request = request_of("rfc4475/esc01")

        assert isinstance(request.parsed_uri, SipUri)
        assert request.parsed_uri.user_unescaped == "sips:user@example.com"
        assert request.parsed_uri.host == "example.net"
        assert request.contact is not None
        assert isinstance(request.contact.uri, SipUri)
        assert request.contact.uri.has_param("lr")
        assert request.contact.uri.param("name") == "value%41"

    def test_escnull_whose_nul_does_not_end_the_user(self) -> None:
        request = request_of("rfc4475/escnull")

        assert isinstance(request.to.uri, SipUri)
        assert request.to.uri.user_unescaped == "null-\x00-null"
        assert request.headers.split("Contact") == [
            "<sip:%00@host5.example.com>",
            "<sip:%00%00@host5.example.com>",
        ]

    def test_esc02_whose_method_and_header_names_have_no_escapes(self) -> None:
        request = request_of("rfc4475/esc02")

        assert request.method == "RE%47IST%45R"
        assert request.to.display_name == "%Z%45"
        assert len(request.headers.split("Contact")) == 2

    def test_lwsdisp_without_a_blank_after_the_display_name(self) -> None:
        assert request_of("rfc4475/lwsdisp").from_.display_name == "caller"

    def test_longreq_whose_long_values_are_echoed(self) -> None:
        request = request_of("rfc4475/longreq")

        answer = make_response(request, 404, to_tag="ours")

        assert answer.call_id == request.call_id
        assert answer.from_.tag == request.from_.tag
        assert answer.headers.get_all("Via") == request.headers.get_all("Via")
        assert len(answer.headers.get_all("Via")) == 34

    def test_dblreq_whose_noise_is_ignored(self) -> None:
        assert request_of("rfc4475/dblreq").body == b""

    def test_semiuri_with_a_semicolon_in_the_user(self) -> None:
        uri = request_of("rfc4475/semiuri").parsed_uri

        assert isinstance(uri, SipUri)
        assert (uri.user_unescaped, uri.params) == ("user;par=u@example.net", ())

    def test_transports_are_echoed_in_order(self) -> None:
        answer = make_response(request_of("rfc4475/transports"), 200, to_tag="ours")

        assert [value.split()[0] for value in answer.headers.get_all("Via")] == [
            "SIP/2.0/UDP",
            "SIP/2.0/SCTP",
            "SIP/2.0/TLS",
            "SIP/2.0/UNKNOWN",
            "SIP/2.0/TCP",
        ]

    def test_mpart01_whose_binary_body_is_whole(self) -> None:
        request = request_of("rfc4475/mpart01")

        assert request.content_type == "multipart/mixed"
        assert request.body.count(b"\x00") > 0
        assert request.headers.get("Content-Length") == str(len(request.body))

    @pytest.mark.parametrize(
        ("name", "status", "reason"),
        [
            ("unreason", 200, "= 2**3 * 5**2 но сто девяносто девять - простое"),
            ("noreason", 100, ""),
        ],
    )
    def test_reason_phrase_may_be_unusual(self, name: str, status: int, reason: str) -> None:
        message = parse_message(load(f"rfc4475/{name}"))

        assert isinstance(message, Response)
        assert (message.status, message.reason.encode("latin-1").decode()) == (status, reason)

    @pytest.mark.parametrize(
        ("name", "uri"),
        [
            ("unkscm", OtherUri("nobodyknowsthisscheme", "totallyopaquecontent")),
            ("novelsc", OtherUri("soap.beep", "//192.0.2.103:3002")),
        ],
    )
    def test_unknown_scheme_is_read(self, name: str, uri: OtherUri) -> None:
        assert request_of(f"rfc4475/{name}").parsed_uri == uri

    def test_unksm2_with_unknown_schemes_in_its_headers(self) -> None:
        request = request_of("rfc4475/unksm2")

        assert request.to.uri == OtherUri("isbn", "2983792873")
        assert request.from_.uri == OtherUri("http", "//www.example.com")
        assert request.contact is not None
        assert request.contact.uri == OtherUri("name", "John_Smith")

    def test_cparam_tells_contact_parameters_from_uri_parameters(self) -> None:
        first = request_of("rfc4475/cparam01").contact
        second = request_of("rfc4475/cparam02").contact

        assert first is not None
        assert second is not None
        assert first.params == (("unknownparam", None),)
        assert second.params == ()
        assert str(second.uri).endswith(";unknownparam")

    def test_regescrt_whose_escaped_route_is_no_route(self) -> None:
        request = request_of("rfc4475/regescrt")

        assert request.routes == []
        assert request.contact is not None
        assert isinstance(request.contact.uri, SipUri)
        assert request.contact.uri.headers == "Route=%3Csip:sip.example.com%3E"

    def test_inv2543_without_branch_tag_and_hops(self) -> None:
        request = request_of("rfc4475/inv2543")

        assert request.top_via.branch is None
        assert request.from_.tag is None
        assert request.max_forwards is None
        assert request.body.endswith(b"m=audio 49217 RTP/AVP 0\r\n")

    def test_multi01_is_answered_with_each_header_once(self) -> None:
        error = refusal_of("rfc4475/multi01")

        assert error.request is not None
        assert [name for name, _ in make_response(error.request, 400).headers] == [
            "Via",
            "From",
            "To",
            "Call-ID",
            "CSeq",
            "Content-Length",
        ]

    @pytest.mark.parametrize(
        ("name", "host", "port"),
        [
            ("port-ambiguous", "2001:db8::10:5070", None),
            ("port-unambiguous", "2001:db8::10", 5070),
        ],
    )
    def test_port_after_an_ipv6_reference_is_told_from_its_groups(
        self, name: str, host: str, port: int | None
    ) -> None:
        uri = request_of(f"rfc5118/fixed/{name}").parsed_uri

        assert isinstance(uri, SipUri)
        assert (uri.host, uri.port) == (host, port)

    @pytest.mark.parametrize("name", ["with-delim", "no-delim"])
    def test_received_ipv6_address_is_read_with_and_without_brackets(self, name: str) -> None:
        via = request_of(f"rfc5118/fixed/via-received-param-{name}").top_via

        assert (via.host, via.received) == ("2001:db8::9:1", "2001:db8::9:255")

    def test_mixed_address_families_are_echoed_in_order(self) -> None:
        answer = make_response(request_of("rfc5118/fixed/mult-ip-in-header"), 481, to_tag="ours")

        assert [value.partition(";")[0] for value in answer.headers.split("Via")] == [
            "SIP/2.0/UDP [2001:db8::9:1]:6050",
            "SIP/2.0/UDP 192.0.2.1",
            "SIP/2.0/TCP [2001:db8::9:255]",
        ]

    def test_line_feeds_alone_end_no_lines(self) -> None:
        """RFC 5118's own archive has them; they are not guessed at, but answered."""
        data = (CORPORA / "rfc5118" / "archive_lf" / "ipv6-good").read_bytes()

        with pytest.raises(ParseError) as caught:
            parse_message(data)

        assert (caught.value.status, caught.value.phrase) == (400, "CR or LF Without the Other")
        assert caught.value.request is not None


class TestOnAStream:
    def test_dblreq_is_two_messages_and_noise(self) -> None:
        with pytest.raises(FramingError) as caught:
            StreamFramer().feed(load("rfc4475/dblreq"))

        assert [frame[:8] for frame in caught.value.frames if not isinstance(frame, Ping)] == [
            b"REGISTER",
            b"INVITE s",
        ]

    def test_clerr_waits_for_the_rest(self) -> None:
        framer = StreamFramer()

        assert framer.feed(load("rfc4475/clerr")) == []
        assert framer.is_within_message

    @pytest.mark.parametrize("name", ["ncl", "mcl01", "inv2543"])
    def test_unknown_length_ends_the_stream_with_an_answer(self, name: str) -> None:
        with pytest.raises(FramingError) as caught:
            StreamFramer().feed(load(f"rfc4475/{name}"))

        assert caught.value.cause is not None
        assert caught.value.cause.status == 400

    @pytest.mark.parametrize(
        "name", [n for n in READ if n not in ("rfc4475/inv2543", "rfc4475/dblreq")]
    )
    def test_message_that_can_be_read_is_framed(self, name: str) -> None:
        data = load(name)

        frames = StreamFramer().feed(data)

        assert not isinstance(frames[0], Ping)
        assert parse_message(frames[0]) == parse_message(data)
