"""What the payload types of an m= line mean (RFC 8866 section 6.6, RFC 3551 section 6).

A meaning is the text of the rtpmap, in upper case because encoding names are compared without case
(RFC 4855 section 3), and without the `/1` that means one channel: `PCMU/8000`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sip_edge.media.sdp import MediaDescription

PCMU = "PCMU/8000"
PCMA = "PCMA/8000"
TELEPHONE_EVENT = "TELEPHONE-EVENT/8000"
"""Only events on the codec's own clock serve us (RFC 4733 section 2.1): never 48000."""

MAX_PAYLOAD_TYPE = 127
"""Seven bits of the RTP header (RFC 3550 section 5.1)."""

_STATIC = {"0": PCMU, "8": PCMA}


def read_formats(media: MediaDescription) -> dict[int, str]:
    """The formats of the m= line by payload type, in its order; those of no known meaning left out.

    An rtpmap overrules the static meaning of 0 and 8; one that cannot be read counts for nothing.
    """
    meanings = _STATIC.copy()
    for attribute in media.attributes:
        if attribute.name == "rtpmap" and attribute.value is not None:
            payload_type, _, encoding = attribute.value.partition(" ")
            if "/" in encoding:
                meanings[payload_type] = encoding.strip(" ").upper().removesuffix("/1")
    return {
        int(text): meanings[text]
        for text in media.formats
        if text in meanings and _is_payload_type(text)
    }


def _is_payload_type(text: str) -> bool:
    return len(text) <= 3 and text.isascii() and text.isdigit() and int(text) <= MAX_PAYLOAD_TYPE
