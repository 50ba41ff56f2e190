"""RFC 4475 and RFC 5118: what the endpoint answers to each message, by the corpora's verdicts."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from support.messages import TCP_FLOW, TLS_FLOW, UDP_FLOW, make_endpoint, of_type, settle

from sip_edge.sip.effects import InviteReceived, Send

CORPORA = Path(__file__).parents[3] / "shared" / "corpora"
FLOWS = {"UDP": UDP_FLOW, "TCP": TCP_FLOW, "TLS": TLS_FLOW}
WELL_FORMED = {200, 202, 401, 403, 404, 407, 410, 480, 484, 486, 488, 503, 600, 603, 604}


def torture_messages() -> list[tuple[str, bytes, str, set[str]]]:
    """Name, bytes, transport, and the answers that the RFC allows."""
    found = []
    for corpus in ("rfc4475", "rfc5118"):
        index = CORPORA / corpus / "index.tsv"
        if index.exists():
            with index.open(newline="") as lines:
                found += [
                    (
                        f"{corpus}-{row['name']}",
                        (CORPORA / corpus / row["file"]).read_bytes(),
                        row["via_transport"],
                        set(row["uas_accept"].split(",")),
                    )
                    for row in csv.DictReader(lines, delimiter="\t")
                ]
    return found


MESSAGES = torture_messages()


def test_all_messages_of_both_rfcs_are_there() -> None:
    if not MESSAGES:
        pytest.skip("the torture messages of RFC 4475 and 5118 are not beside this repository")
    assert len(MESSAGES) == 61


@pytest.mark.parametrize(
    ("data", "transport", "accepted"),
    [entry[1:] for entry in MESSAGES],
    ids=[entry[0] for entry in MESSAGES],
)
def test_message_gets_an_answer_that_the_rfc_allows(
    data: bytes, transport: str, accepted: set[str]
) -> None:
    endpoint = make_endpoint()
    effects = endpoint.receive_datagram(data, FLOWS[transport], 0.0)
    answers = [send.status for send in of_type(effects, Send)]
    if calls := of_type(effects, InviteReceived):
        assert (answers, len(calls), "WF" in accepted) == ([100], 1, True)
        endpoint.reject(1, 404, 0.1)
    elif not answers:
        assert "none" in accepted
    else:
        [status] = answers
        assert (
            str(status) in accepted
            or ("WF" in accepted and status in WELL_FORMED)
            or ("error" in accepted and status >= 400)
        )
    settle(endpoint, 0.1)
