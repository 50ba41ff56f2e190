"""The composition root: it alone knows every concrete class, and starts and stops them.

`server` runs everything; `sip_side` puts the SIP side together; `calls` keeps the books of who is
on the line; `database` is what the commands need; `observers` joins the parts with metrics and
logs; `control` puts the control API together, which `control_process` runs beside the server.
"""

from __future__ import annotations

from sip_edge.app.database import (
    explain_number,
    load_agents_and_numbers,
    migrate_database,
    newest_voicemail,
)
from sip_edge.app.errors import StartError
from sip_edge.app.server import Server, running_server, serve
from sip_edge.app.tls_side import check_tls

__all__ = [
    "Server",
    "StartError",
    "check_tls",
    "explain_number",
    "load_agents_and_numbers",
    "migrate_database",
    "newest_voicemail",
    "running_server",
    "serve",
]
