"""Events are emitted by the platform, as its merchants make it."""

from tests.platform import platform, settings

__all__ = ["platform", "settings"]
