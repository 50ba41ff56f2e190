"""Requests that a SIP server must refuse, each in its own way (RFC 3261), and useless messages."""

from __future__ import annotations

import asyncio

from support.line import Line
from support.raw_sip import Received, UdpPhone

REFUSED: dict[int, tuple[str, str]] = {
    405: ("INVITE", "SUBSCRIBE"),
    501: ("INVITE", "JUGGLE"),
    406: ("\r\nContent-Length", "\r\nAccept: text/html\r\nContent-Length"),
    415: ("application/sdp", "text/html"),
    416: ("INVITE sip:", "INVITE mailto:"),
    420: ("\r\nContent-Length", "\r\nRequire: teleportation\r\nContent-Length"),
    483: ("Max-Forwards: 70", "Max-Forwards: 0"),
    400: ("Max-Forwards: 70", "Max-Forwards: many"),
    414: ("INVITE sip:", "INVITE sip:" + "9" * 9000),
    505: ("SIP/2.0\r\nVia", "SIP/3.0\r\nVia"),
    488: ("RTP/AVP 0 8 101", "RTP/AVP 18 4 97"),
}
"""What to replace in an ordinary INVITE, by the answer that it then gets."""


async def send_every_misfit(edge: tuple[str, int], number: str) -> None:
    """AssertionError if one gets another answer than it should."""
    for status, change in REFUSED.items():
        await send_misfit(edge, number, status, change)
    await asyncio.gather(
        too_large(edge, number),
        same_invite_by_two_ways(edge, number),
        requests_out_of_order(edge, number),
    )
    async with Line(edge, number) as line:
        stray = line.invite().replace("INVITE ", "ACK ", 1).replace(" INVITE\r", " ACK\r")
        line.phone.send(stray)
        line.phone.send(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP 127.0.0.1:5060;branch=z9hG4bKnobody\r\n"
            "From: <sip:a@127.0.0.1>;tag=a\r\nTo: <sip:b@127.0.0.1>;tag=b\r\n"
            "Call-ID: nobody\r\nCSeq: 1 OPTIONS\r\nContent-Length: 0\r\n\r\n"
        )
        bye = line.invite().replace("INVITE ", "BYE ", 1).replace(" INVITE\r", " BYE\r")
        line.phone.send(bye.replace("@127.0.0.1>\r\nCall-ID", "@127.0.0.1>;tag=x\r\nCall-ID"))
        assert (await line.phone.final("BYE")).status == 481


async def send_misfit(
    edge: tuple[str, int], number: str, status: int, change: tuple[str, str]
) -> None:
    """One INVITE with a change in it."""
    old, new = change
    async with Line(edge, number) as line:
        invite = line.invite()
        assert old in invite
        method = new if old == "INVITE" else "INVITE"
        count = -1 if old == "INVITE" else 1
        line.phone.send(invite.replace(old, new, count))
        final = await line.phone.final(method)
        assert final.status == status, (status, final.first_line)
        if method == "INVITE":
            line.phone.send(line.caller.ack(final, branch="1"))


async def too_large(edge: tuple[str, int], number: str) -> None:
    """More headers than any SIP message needs."""
    async with Line(edge, number) as line:
        many = "".join(f"X-{n}: y\r\n" for n in range(4000))
        line.phone.send(line.invite().replace("Max-Forwards", many + "Max-Forwards", 1))
        final = await line.phone.final()
        assert final.status == 513, final.first_line


async def same_invite_by_two_ways(edge: tuple[str, int], number: str) -> None:
    """8.2.2.2: a proxy forked, and both branches ended here."""
    async with Line(edge, number) as line:
        line.phone.send(line.invite())
        line.phone.send(line.caller.invite(branch="other"))
        finals = [await line.phone.final(), await line.phone.final()]
        assert sorted(final.status for final in finals) == [200, 482]
        line.answer = next(final for final in finals if final.status == 200)
        line.phone.send(line.caller.ack(line.answer))
        await line.hang_up()


async def requests_out_of_order(edge: tuple[str, int], number: str) -> None:
    """A re-INVITE while an answer of ours waits for its ACK, and a request that comes too late."""
    async with Line(edge, number) as line:
        answer = await line.dial()
        bare = [line.caller.invite(body="", branch=f"re{n}", cseq=n) for n in (10, 11)]
        line.phone.send(in_dialog(bare[0], answer))
        assert (await line.phone.final()).status == 200  # Our offer, which is not answered.
        line.phone.send(in_dialog(bare[1], answer))
        await line.receives(491, "11 INVITE")
        late = line.caller.bye(answer, cseq=3).replace("BYE", "INFO").replace("bye;", "info;")
        line.phone.send(late)
        await line.receives(500, "3 INFO")
        line.phone.send(line.caller.bye(answer, cseq=20))
        await line.receives(200, "20 BYE")


def in_dialog(request: str, answer: Received) -> str:
    """The same request, to who answered."""
    head, _, rest = request.partition("\r\n")
    method = head.split(" ", 1)[0]
    to = next(line for line in rest.split("\r\n") if line.startswith("To: "))
    return f"{method} {answer.contact_uri} SIP/2.0\r\n" + rest.replace(
        to, f"To: {answer.header('To')}", 1
    )


async def many_options(edge: tuple[str, int], count: int, *, host: str) -> None:
    """OPTIONS from one address, none of them a repetition."""
    async with UdpPhone(edge, local=(host, 0)) as phone:
        host, port = phone.address
        for n in range(count):
            phone.send(
                f"OPTIONS sip:{edge[0]} SIP/2.0\r\n"
                f"Via: SIP/2.0/UDP {host}:{port};branch=z9hG4bKmany{port}x{n};rport\r\n"
                f"From: <sip:a@{host}>;tag=many{n}\r\nTo: <sip:{edge[0]}>\r\n"
                f"Call-ID: many{port}x{n}\r\nCSeq: 1 OPTIONS\r\nMax-Forwards: 70\r\n"
                "Content-Length: 0\r\n\r\n"
            )
        await phone.receive()


async def many_datagrams(edge: tuple[str, int], count: int, *, host: str) -> None:
    """Keep-alives, which cost nobody more than to be read."""
    async with UdpPhone(edge, local=(host, 0)) as phone:
        for n in range(count):
            phone.send(b"\r\n\r\n")
            if n % 100 == 99:
                await asyncio.sleep(0.02)  # No more than a socket's buffer holds.
