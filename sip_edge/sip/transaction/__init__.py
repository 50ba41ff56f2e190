"""Transactions (RFC 3261 section 17, RFC 6026): one file for each figure of a state machine."""
