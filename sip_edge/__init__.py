"""sip_edge: answers carriers' SIP calls and hands them to AI agent workers.

Read `routing/inbound.py` first: one call's whole story in one function. The layers are drawn in the
README and kept by import-linter.
"""
