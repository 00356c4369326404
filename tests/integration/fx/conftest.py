"""Rates are tested with a provider of their own, and on a platform of their worker."""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from paywright.cache import Cache
from tests.platform import api, new_merchant, owner, platform, settings
from tests.receivers import Receiver, Reply

__all__ = ["api", "new_merchant", "owner", "platform", "settings"]

START = datetime(2026, 11, 25, 12, tzinfo=UTC)


class MovableClock:
    """A clock that a test moves."""

    def __init__(self) -> None:
        self.time = START

    def now(self) -> datetime:
        return self.time

    def advance(self, **step: float) -> None:
        self.time += timedelta(**step)


def answer(body: bytes | Any, code: int = 200) -> Reply:
    """Answer a request with a body; what is not bytes is sent as JSON."""
    text = body if isinstance(body, bytes) else json.dumps(body).encode()

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        handler.send_header("Content-Length", str(len(text)))
        handler.end_headers()
        handler.wfile.write(text)

    return reply


def table(usd: str = "1.1172", at: datetime = START) -> dict[str, Any]:
    """A provider's answer."""
    return {"base": "eur", "at": at.isoformat(), "rates": {"usd": usd, "jpy": "175.68"}}


@pytest.fixture
def clock() -> MovableClock:
    return MovableClock()


@pytest.fixture
def provider() -> Iterator[Receiver]:
    made = Receiver()
    yield made
    made.close()


@pytest.fixture
def cache(valkey_url: str) -> Iterator[Cache]:
    made = Cache(valkey_url, timeout_ms=1_000, prefix=f"{uuid.uuid4().hex}:")
    yield made
    made.close()
