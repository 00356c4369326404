"""How a command fails: with one clear sentence and a non-zero exit code."""

from __future__ import annotations


class Failure(Exception):
    """What the command could not do and why; the message is printed as it is."""
