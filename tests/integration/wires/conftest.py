"""Connections are tested on this worker's servers."""

from tests.platform import owner

__all__ = ["owner"]
