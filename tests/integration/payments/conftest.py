"""Payments are tested on a platform of their own worker."""

from tests.platform import api, new_merchant, owner, platform, settings

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]
