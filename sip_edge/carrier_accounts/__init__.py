"""Carriers' own HTTP APIs: what is searched, bought, wired and given back in an account there."""
