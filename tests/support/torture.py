"""The torture messages of RFC 4475 and RFC 5118, ready to be sent, and what may be answered."""

from __future__ import annotations

import csv
import re
from dataclasses import dataclass, replace
from pathlib import Path

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
WELL_FORMED = {*range(200, 400), 401, 403, 404, 407, 410, 480, 484, 486, 488, 503}
"""What a well-formed request may get, besides any 6xx: never a word on its form."""
_BRANCH = re.compile(rb"(branch *= *z9hG4bK)(?=[^\s;,])")
_CALL_ID = re.compile(rb"^((?:Call-ID|i)[ \t]*:\s*)", re.IGNORECASE | re.MULTILINE)
_NUMBERED = re.compile(rb"(\S+ +<?sips?:)(?:[^@ ]*@)?(.*)", re.DOTALL)


@dataclass(frozen=True)
class TortureMessage:
    """One message. `accepts` are the answers that the corpus lists, as it writes them."""

    name: str
    data: bytes
    kind: str
    method: str
    transport: str
    sent_by: str
    accepts: frozenset[str]

    def allows(self, statuses: list[int]) -> bool:
        """True if these final answers are what the RFC allows: one, or none."""
        if not statuses:
            return "none" in self.accepts
        if len(statuses) > 1:
            return False
        [status] = statuses
        return (
            str(status) in self.accepts
            or ("WF" in self.accepts and (status in WELL_FORMED or status >= 600))
            or ("error" in self.accepts and status >= 400)
        )

    def with_number(self, number: str) -> TortureMessage:
        """The same with a Request-URI whose user is this number; a strange scheme stays.

        Of the Request-URI only the user changes, so that what is wrong with it stays wrong.
        """
        line, rest = self.data.split(b"\r\n", 1)
        match = _NUMBERED.fullmatch(line)
        if match is None or self.kind != "request":
            return self
        line = match[1] + number.encode() + b"@" + match[2]
        return replace(self, data=line + b"\r\n" + rest)

    def with_mark(self, mark: str) -> TortureMessage:
        """The same with another branch and Call-ID: several share theirs, and two runs do."""
        head, end, body = self.data.partition(b"\r\n\r\n")
        head = _BRANCH.sub(rb"\g<1>" + mark.encode(), head)
        head = _CALL_ID.sub(rb"\g<1>" + mark.encode(), head)
        return replace(self, data=head + end + body)

    @property
    def reply_port(self) -> int:
        """Where a UDP answer goes without `rport`: the port of the sent-by."""
        _, colon, port = self.sent_by.rpartition(":")
        return int(port) if colon and port.isdigit() and not self.sent_by.endswith("]") else 5060


def torture_messages() -> list[TortureMessage]:
    """All of both RFCs, repaired where only the archive is at fault; empty if they are not here."""
    found = []
    for corpus in ("rfc4475", "rfc5118"):
        index = CORPORA / corpus / "index.tsv"
        if not index.exists():
            continue
        with index.open(newline="") as lines:
            for row in csv.DictReader(lines, delimiter="\t"):
                path = CORPORA / corpus / row["file"]
                fixed = CORPORA / corpus / "fixed" / row["file"]
                found.append(
                    TortureMessage(
                        name=f"{corpus}/{row['name']}",
                        data=(fixed if fixed.exists() else path).read_bytes(),
                        kind=row["kind"],
                        method=row["method"],
                        transport=row["via_transport"],
                        sent_by=row["via_sentby"],
                        accepts=frozenset(row["uas_accept"].split(",")),
                    )
                )
    return found
