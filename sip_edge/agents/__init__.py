"""Reaching agents' workers: the adapter behind `routing.ports.AgentGateway`.

The edge dials a worker over WebSocket and speaks Twilio's Media Streams. `websocket` offers a call;
`url`, `signature` and `dialer` get it there; `connection` carries frames, `session` is the worker's
part in the call, `speech` what it says, `messages` the dialect. `demo_worker` is the other side.
Knows nothing of SIP, RTP or PostgreSQL; every limit is in `settings`.
"""
