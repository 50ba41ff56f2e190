"""The application core of the control API: use cases, the values they speak of, and their ports.

It knows neither HTTP nor PostgreSQL nor any carrier's API: those are adapters of the Protocols in
`ports`. Every use case is given the workspace that asks and touches no other one's rows.
"""
