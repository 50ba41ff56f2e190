"""Which way a call goes, and one call's life from its INVITE to its end.

Pure policy (`policy`, `number`, `refusal`) and two coroutines (`inbound`, `dispatch`). Owns the
ports (`ports`) that the adapters implement; knows no vendor library and no socket.
"""
