"""Simulations act on a platform as its merchants do."""

from tests.platform import platform, settings

__all__ = ["platform", "settings"]
