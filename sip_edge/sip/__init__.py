"""The SIP core: RFC 3261 and its friends as state machines over messages.

Bytes and time in, effects out. Nothing here sends, sleeps, logs, reads a clock or rolls dice:
`endpoint.Endpoint` is handed datagrams and `now` and returns what should happen.
Layers, bottom up: uri, status, timers, ids, flow; settings; headers, fields; message; parser;
stream; effects, inspection; transaction; dialog; user_agent_server; endpoint.
"""
