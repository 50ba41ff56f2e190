"""Voicemail: greet a caller whom no agent could serve, and keep what they say.

`service` is the adapter behind `routing.ports.Voicemail`. A caller hears a greeting (`greetings`:
from `greeting_cache`, or rendered by `renderer` in a process of its own, or `packaged`), then the
beep; then `recording` decides what belongs to the message and when it ends, `scribe` writes it into
the `spool`, and `mailbox` sees to it that PostgreSQL gets its row, now or later.

A caller never waits for a disk, a database or a speech synthesis beyond the limits in `limits`, and
what a caller said is lost only with the disk itself. Knows nothing of SIP, RTP or SQL.
"""
