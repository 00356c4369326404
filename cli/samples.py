"""Events from files: what the samples in `events/` leave open is filled in."""

from __future__ import annotations

import json
import secrets
import sys
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cli.api import Merchant
from cli.errors import Failure
from cli.merchants import demo
from cli.paths import Home
from cli.state import Emulated, Urls

_EVENT_LIMIT_BYTES = 6 * 1024 * 1024
_DECLINED_CARD = "4000000000000002"


def read_event(source: str, home: Home, urls: Emulated, *, trace: str | None = None) -> bytes:
    """The JSON in a file, or in standard input for `-`; Failure if it is none.

    The samples in `events/` name what differs from one machine and moment to the next:
    `${API_KEY}`, `${MERCHANT}` and `${PAYMENT_METHOD}` are the demo merchant's,
    `${DECLINED_PAYMENT_METHOD}` is a card of theirs that the bank declines, `${PAYMENT}` a new
    payment on hold, `${CAPTURED_PAYMENT}` a new one that is captured, `${EVENT}` a new event's id,
    `${NOW}` the time, `${TRACE}` the trace's id, and `${UNIQUE}` is new each time. Whatever else
    stands in an event is left as it is, and so are the demo merchant's where another application
    runs.
    """
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        json.loads(content)
    except OSError as error:
        raise Failure(f"The event {source} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Failure(f"The event {source} is not JSON: {error}.") from error
    if len(content) > _EVENT_LIMIT_BYTES:
        raise Failure(f"The event {source} is over Lambda's limit of 6 MB.")
    known: dict[bytes, Callable[[], str]] = {
        b"${UNIQUE}": lambda: secrets.token_hex(8),
        b"${TRACE}": lambda: trace or secrets.token_hex(16),
        b"${NOW}": lambda: datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        b"${EVENT}": _new_event_id,
    }
    if isinstance(urls, Urls):
        known |= {
            b"${API_KEY}": lambda: demo(home).api_key,
            b"${MERCHANT}": lambda: demo(home).id,
            b"${PAYMENT_METHOD}": lambda: demo(home).payment_method_id,
            b"${DECLINED_PAYMENT_METHOD}": lambda: _declined_card(home, urls),
            b"${PAYMENT}": lambda: _new_payment(home, urls, capture=False),
            b"${CAPTURED_PAYMENT}": lambda: _new_payment(home, urls, capture=True),
        }
    for name, value in known.items():
        if name in content:
            content = content.replace(name, value().encode())
    return content


def _new_event_id() -> str:
    from paywright.clock import SystemClock  # noqa: PLC0415 - for few events
    from paywright.ids import UuidSource, typeid  # noqa: PLC0415

    return typeid("evt", UuidSource(SystemClock()).new())


def _new_payment(home: Home, urls: Urls, *, capture: bool) -> str:
    merchant = demo(home)
    content = {
        "amount": 1999,
        "currency": "usd",
        "capture": capture,
        "payment_method_id": merchant.payment_method_id,
    }
    client = Merchant(urls.gateway_url, merchant.api_key)
    return str(client.created("/v1/payments", content)["id"])


def _declined_card(home: Home, urls: Urls) -> str:
    merchant = demo(home)
    card = {"number": _DECLINED_CARD, "exp_month": 12, "exp_year": 2034, "cvc": "123"}
    client = Merchant(urls.gateway_url, merchant.api_key)
    path = f"/v1/customers/{merchant.customer_id}/payment_methods"
    return str(client.created(path, {"type": "card", "card": card})["id"])
