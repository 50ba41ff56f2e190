"""The control API: numbers, agents, integrations, keys, and the records of calls, over HTTP.

It runs in a process of its own (`sip_edge.app.control`), never on the loop that carries speech.
`app.make_control_app` is its whole surface; nothing here knows where rows are kept.
"""
