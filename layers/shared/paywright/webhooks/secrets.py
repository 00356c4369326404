"""Secrets of webhook endpoints: `whsec_` and the base64 of 24 random bytes (Standard Webhooks)."""

from __future__ import annotations

import base64
import secrets

_PREFIX = "whsec_"
_BYTES = 24


def new_secret() -> str:
    """A secret for a new endpoint; it is shown once and stored encrypted."""
    return _PREFIX + base64.b64encode(secrets.token_bytes(_BYTES)).decode()


def key_of(secret: str) -> bytes:
    """The key that a secret stands for; padding may be missing, as libraries of receivers allow."""
    return base64.b64decode(secret.removeprefix(_PREFIX) + "==")
