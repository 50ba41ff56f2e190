"""Turns valid SIP messages into odd, wrong and hostile ones, the same ones for the same seed."""

from __future__ import annotations

import random
import re
from collections.abc import Callable

NUMBERS = (
    b"0", b"1", b"-1", b"255", b"256", b"65535", b"65536", b"2147483647", b"2147483648",
    b"4294967295", b"4294967296", b"18446744073709551616", b"9" * 400, b"", b"0x10", b"1e9",
    b"00000000000000000001", "\uff11\u0662".encode(), b"1.5", b" 7", b"+7",
)  # fmt: skip
LENGTHS = (0, 1, 63, 64, 127, 128, 255, 256, 1023, 4096, 8191, 20_000)
DEBRIS = (
    b"\x00", b"\r", b"\n", b"\r\n", b"\r\n ", b"\t", b'"', b'"\\', b"<", b">", b"<<>>", b";;",
    b";=", b";tag", b";tag=", b",", b",,", b"@", b"%", b"%00", b"%zz", b":", b"[", b"[::1]", b"]",
    b"\xff\xfe", b"\xc3\x28", "\u202e".encode(), b"${jndi:x}", b"' OR 1=1 --",
    b"../../etc/passwd", b"{}",
)  # fmt: skip
URIS = (
    b"sip:", b"sip:@", b"sip::@:", b"sips:+12025550160@127.0.0.1", b"tel:+12025550160",
    b"tel:+1-202-555-0160;phone-context=+1", b"urn:service:sos", b"http://127.0.0.1/", b"*",
    b"sip:+12025550160@[::1]:5060", b"sip:+12025550160@[::1", b"sip:%2B12025550160@127.0.0.1",
    b"sip:+12025550160@127.0.0.1:99999", b"sip:+12025550160@127.0.0.1;transport=carrier-pigeon",
    b"sip:+12025550160@127.0.0.1;maddr=127.0.0.1;ttl=256;lr;lr=lr", b"sip:a:b@c:d@e",
    b"sip:+12025550160@127.0.0.1?To=x&body=y", b"sip:" + b"u" * 5000 + b"@127.0.0.1",
    b"sip:w0@127.0.0.1", b"SIP:+12025550160@LOCALHOST.",
)  # fmt: skip
HEADERS = (
    b"Require: 100rel", b"Require: timer", b"Require: nothing, 100rel",
    b"Proxy-Require: sec-agree", b"Supported: timer, 100rel, replaces, path, outbound",
    b"Session-Expires: 0", b"Min-SE: 0", b"Session-Expires: 1;refresher=uas",
    b"Session-Expires: 90;refresher=nobody", b"Session-Expires: 4294967296",
    b"Min-SE: 4294967295", b"RAck: 1 1 INVITE", b"RSeq: 0",
    b"Replaces: nobody;to-tag=a;from-tag=b", b"Refer-To: <sip:a@b>", b"Event: presence",
    b"Content-Encoding: gzip", b"Content-Disposition: render;handling=required",
    b"Content-Type: multipart/mixed;boundary=x", b"Content-Type: multipart/mixed",
    b"Content-Type: application/dtmf-relay", b"Content-Type: /", b"Accept: ", b"Expires: -1",
    b"Reason: Q.850;cause=999", b"Diversion: <tel:+12025550199>;reason=;;", b"Route: <sip:a;lr>",
    b"Record-Route: <sip:127.0.0.1;lr>", b"Record-Route: sip:x,<sip:y", b"Via: SIP/2.0/UDP",
    b"Via: SIP/2.0/UDP [::1]:5060;branch=", b"X-Twilio-AccountSid: \xff",
    b"X-" + b"N" * 300 + b": v", b"Identity: eyJ;info=<x>", b"Max-Forwards: 0",
    b"Max-Forwards: 300", b"Content-Length: 5", b"Contact: *",
    b"Contact: <sip:x>;expires=0, <sip:y>", b"Timestamp: 1e400", b": no name", b"No colon at all",
    b" folded from nowhere", b"P-Asserted-Identity: <sip:+12025550123@a>, tel:+1",
)  # fmt: skip
SDP_LINES = (
    b"c=IN IP4 0.0.0.0", b"c=IN IP6 ::1", b"c=IN IP4 999.1.1.1", b"c=IN IP4 224.2.3.4/127",
    b"m=audio 0 RTP/AVP 0", b"m=audio 65536 RTP/AVP 0", b"m=audio 1 RTP/SAVP 0",
    b"m=video 9 RTP/AVP 96", b"m=image 9 udptl t38", b"m=audio 9 RTP/AVP " + b"0 " * 400,
    b"m=audio 9/2 RTP/AVP 0", b"m=", b"a=rtpmap:0 PCMU/0", b"a=rtpmap:999 X/8000",
    b"a=rtpmap:101 telephone-event/16000", b"a=ptime:0", b"a=ptime:99999", b"a=maxptime:1",
    b"a=sendonly", b"a=inactive", b"a=rtcp:70000", b"a=rtcp-mux",
    b"a=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:short", b"a=fmtp:101 0-99999",
    b"a=" + b"x" * 3000, b"b=AS:-1", b"t=0 0", b"v=1", b"o=- - - - - -", b"=", b"\x00=\x00",
)  # fmt: skip
METHODS = (
    b"invite", b"INVITE2", b"REFER", b"SUBSCRIBE", b"PUBLISH", b"REGISTER", b"MESSAGE", b"NOTIFY",
    b"PRACK", b"UPDATE", b"ACK", b"CANCEL", b"M" * 300, b"", b"\x00",
)  # fmt: skip


class Mutator:
    """`mutate` gives the name of what was done, and the message."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)
        self._kinds: list[Callable[[bytes], bytes]] = [
            self.header_deleted,
            self.header_doubled,
            self.header_moved,
            self.header_emptied,
            self.header_long,
            self.header_added,
            self.header_respelt,
            self.value_with_debris,
            self.number_at_a_bound,
            self.uri_replaced,
            self.method_replaced,
            self.sdp_line_added,
            self.sdp_line_deleted,
            self.body_cut,
            self.body_longer_than_said,
            self.line_ends_changed,
            self.bytes_changed,
            self.cut_anywhere,
            self.turned_into_a_response,
        ]

    def mutate(self, message: bytes) -> tuple[str, bytes]:
        """One mutation, seldom two."""
        kind = self._random.choice(self._kinds)
        mutated = kind(message)
        if self._random.random() < 0.1 and len(mutated) > 1:
            mutated = self._random.choice(self._kinds)(mutated)
        return kind.__name__.replace("_", " "), mutated

    def header_deleted(self, message: bytes) -> bytes:
        return self._change_line(message, lambda _: [])

    def header_doubled(self, message: bytes) -> bytes:
        times = self._random.choice((2, 2, 3, 70, 300))
        return self._change_line(message, lambda line: [line] * times)

    def header_moved(self, message: bytes) -> bytes:
        first, lines, body = _apart(message)
        self._random.shuffle(lines)
        return _joined(first, lines, body)

    def header_emptied(self, message: bytes) -> bytes:
        return self._change_line(message, lambda line: [line.partition(b":")[0] + b": "])

    def header_long(self, message: bytes) -> bytes:
        filler = self._random.choice((b"x", b" ", b";a=b", b",", b"\\", b'"', b"1"))
        size = self._random.choice(LENGTHS)
        return self._change_line(message, lambda line: [line + filler * (size // len(filler))])

    def header_added(self, message: bytes) -> bytes:
        added = self._random.choice(HEADERS)
        return self._change_line(message, lambda line: [line, added])

    def header_respelt(self, message: bytes) -> bytes:
        def respell(line: bytes) -> list[bytes]:
            name, _, value = line.partition(b":")
            return [
                self._random.choice(
                    (
                        name.upper() + b":" + value,
                        name.lower() + b" \t : " + value,
                        name + b":\r\n " + value,
                        name[:1].lower() + b":" + value,
                        b" " + line,
                        name + value,
                    )
                )
            ]

        return self._change_line(message, respell)

    def value_with_debris(self, message: bytes) -> bytes:
        debris = self._random.choice(DEBRIS)

        def spoil(line: bytes) -> list[bytes]:
            at = self._random.randrange(len(line) + 1)
            return [line[:at] + debris + line[at:]]

        return self._change_line(message, spoil)

    def number_at_a_bound(self, message: bytes) -> bytes:
        found = list(re.finditer(rb"\d+", message))
        if not found:
            return message
        number = self._random.choice(found)
        return message[: number.start()] + self._random.choice(NUMBERS) + message[number.end() :]

    def uri_replaced(self, message: bytes) -> bytes:
        found = list(re.finditer(rb"sip:[^\s>;]+", message))
        if not found:
            return message
        uri = self._random.choice(found)
        return message[: uri.start()] + self._random.choice(URIS) + message[uri.end() :]

    def method_replaced(self, message: bytes) -> bytes:
        first, lines, body = _apart(message)
        method = self._random.choice(METHODS)
        first = method + b" " + first.partition(b" ")[2]
        if self._random.random() < 0.7:
            lines = [
                line.rpartition(b" ")[0] + b" " + method if line.startswith(b"CSeq") else line
                for line in lines
            ]
        return _joined(first, lines, body)

    def sdp_line_added(self, message: bytes) -> bytes:
        return self._change_body(message, lambda lines, at: [*lines[:at], self._sdp(), *lines[at:]])

    def sdp_line_deleted(self, message: bytes) -> bytes:
        return self._change_body(message, lambda lines, at: [*lines[:at], *lines[at + 1 :]])

    def body_cut(self, message: bytes) -> bytes:
        first, lines, body = _apart(message)
        return _joined(first, lines, body[: self._random.randrange(len(body) + 1)])

    def body_longer_than_said(self, message: bytes) -> bytes:
        return message + self._random.randbytes(self._random.choice((1, 10, 1000)))

    def line_ends_changed(self, message: bytes) -> bytes:
        end = self._random.choice((b"\n", b"\r", b"\r\r\n", b"\r\n\r\n", b" \r\n"))
        if self._random.random() < 0.5:
            return message.replace(b"\r\n", end)
        at = self._random.choice([found.start() for found in re.finditer(b"\r\n", message)] or [0])
        return message[:at] + end + message[at + 2 :]

    def bytes_changed(self, message: bytes) -> bytes:
        changed = bytearray(message)
        for _ in range(self._random.choice((1, 1, 2, 4, 16))):
            changed[self._random.randrange(len(changed))] = self._random.randrange(256)
        return bytes(changed)

    def cut_anywhere(self, message: bytes) -> bytes:
        return message[: self._random.randrange(1, len(message))]

    def turned_into_a_response(self, message: bytes) -> bytes:
        _, lines, body = _apart(message)
        status = self._random.choice((b"100", b"180", b"200", b"302", b"404", b"699", b"999", b"0"))
        return _joined(b"SIP/2.0 " + status + b" So", lines, body)

    def _sdp(self) -> bytes:
        return self._random.choice(SDP_LINES)

    def _change_line(self, message: bytes, change: Callable[[bytes], list[bytes]]) -> bytes:
        first, lines, body = _apart(message)
        if not lines:
            return message
        at = self._random.randrange(len(lines))
        return _joined(first, [*lines[:at], *change(lines[at]), *lines[at + 1 :]], body)

    def _change_body(
        self, message: bytes, change: Callable[[list[bytes], int], list[bytes]]
    ) -> bytes:
        """Change a line of the body, and mostly the Content-Length with it."""
        first, lines, body = _apart(message)
        content = body.split(b"\r\n")
        body = b"\r\n".join(change(content, self._random.randrange(len(content))))
        if self._random.random() < 0.9:
            lines = [
                b"Content-Length: %d" % len(body) if line.startswith(b"Content-Length") else line
                for line in lines
            ]
        return _joined(first, lines, body)


def _apart(message: bytes) -> tuple[bytes, list[bytes], bytes]:
    head, _, body = message.partition(b"\r\n\r\n")
    first, *lines = head.split(b"\r\n")
    return first, lines, body


def _joined(first: bytes, lines: list[bytes], body: bytes) -> bytes:
    return b"\r\n".join([first, *lines, b"", body])
