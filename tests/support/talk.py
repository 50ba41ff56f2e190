"""A call by hand: an INVITE, offers while it lasts, and its end."""

from __future__ import annotations

from support.raw_sip import Caller, Received, UdpPhone


class Talk:
    """A call with its dialog's requests, written by hand."""

    def __init__(self, phone: UdpPhone, *, number: str, name: str) -> None:
        host, port = phone.address
        self._phone = phone
        self._number = number
        self._caller = Caller(host=host, port=port, number=number, name=name)
        self._cseq = 0
        self.answer: Received

    async def offer(self, body: str, *, answer_in_ack: str = "") -> Received:
        """INVITE or re-INVITE and the ACK for a 2xx; the final response."""
        self._cseq += 1
        invite = self._caller.invite(body=body, branch=f"i{self._cseq}", cseq=self._cseq)
        if self._cseq > 1:
            request_uri = f"INVITE sip:{self._number}@127.0.0.1 "
            invite = invite.replace(request_uri, f"INVITE {self.answer.contact_uri} ", 1)
            invite = invite.replace(
                f"To: <sip:{self._number}@127.0.0.1>", f"To: {self.answer.header('To')}", 1
            )
        self._phone.send(invite)
        response = await self._phone.final()
        branch = f"a{self._cseq}" if response.status < 300 else f"i{self._cseq}"
        ack = self._caller.ack(response, branch=branch, cseq=self._cseq)
        if answer_in_ack:
            ack = ack.replace(
                "Content-Length: 0\r\n",
                f"Content-Type: application/sdp\r\nContent-Length: {len(answer_in_ack)}\r\n",
            )
        self._phone.send(ack + answer_in_ack)
        if self._cseq == 1:
            self.answer = response
        return response

    async def hang_up(self) -> None:
        self._phone.send(self._caller.bye(self.answer, cseq=self._cseq + 1))
        assert (await self._phone.final("BYE")).status == 200
