"""The one error of this package: a sentence for a person."""

from __future__ import annotations


class ServiceError(Exception):
    """A server or its process could not do what was asked; the message is one clear sentence."""
