"""A test phone: one call over SIP and RTP, and what came of it."""

from __future__ import annotations

from sip_edge.phone.call import PhoneCall, PhoneReport, place_call
from sip_edge.phone.report import as_dict, as_lines

__all__ = ["PhoneCall", "PhoneReport", "as_dict", "as_lines", "place_call"]
