"""Carriers of our own: small, stateful, over real HTTP on loopback, with faults to order.

They answer with the fields of the carriers' specifications that anybody reads here, keep what they
were told, and count what was bought, so that a test can say what a customer would have paid.
"""

from __future__ import annotations

from support.carrier_fakes.server import Fault, FaultKind, Recorded
from support.carrier_fakes.telnyx import FakeTelnyx
from support.carrier_fakes.twilio import FakeTwilio

__all__ = ["FakeTelnyx", "FakeTwilio", "Fault", "FaultKind", "Recorded"]
