"""Why the program cannot do what it was asked to."""

from __future__ import annotations


class StartError(Exception):
    """It cannot start or go on, for a reason that an operator can act on: one line."""
