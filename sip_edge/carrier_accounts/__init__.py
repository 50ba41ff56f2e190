"""Accounts at carriers: their HTTP APIs behind `provisioning.carrier_port.CarrierAccount`.

Plain httpx, not the carriers' own packages (looked at: twilio 9.13.0, telnyx 4.189.0). Of some
hundred resources the edge needs six. Twilio's package brings 776 modules (22 MB of source), two
more HTTP libraries, and no type information. Telnyx's brings 3,340 modules (13 MB) and, unless told
otherwise, repeats a POST that timed out or got 5xx: an order sent twice buys twice. Here every
request has a deadline, every answer a bound, and what may be sent again is said at each call.

Where the requests go is the operator's configuration, never a customer's. Nothing here logs, and no
error repeats a header, a body or a URL: those hold keys and numbers.
"""

from __future__ import annotations
