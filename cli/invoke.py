"""`paywright invoke`: one function, one event, over Lambda's own Invoke API."""

from __future__ import annotations

import base64
import json
import secrets
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cli.api import Merchant, call, reason
from cli.errors import Failure
from cli.merchants import demo
from cli.paths import Home
from cli.state import Urls

_TIMEOUT_S = 905  # Lambda's longest timeout, and a little
_EVENT_LIMIT_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True)
class Result:
    """What the function returned, or the error it ended with (`function_error` is then set)."""

    payload: str
    function_error: str | None
    log_tail: str


def read_event(source: str, home: Home, urls: Urls) -> bytes:
    """The JSON in a file, or in standard input for `-`; Failure if it is none.

    The samples in `events/` name what differs from one machine to the next: `${API_KEY}` and
    `${PAYMENT_METHOD}` are the demo merchant's, `${PAYMENT}` is a new payment on hold, and
    `${UNIQUE}` is new each time. Whatever else stands in an event is left as it is.
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
        b"${API_KEY}": lambda: demo(home).api_key,
        b"${PAYMENT_METHOD}": lambda: demo(home).payment_method_id,
        b"${PAYMENT}": lambda: _new_hold(home, urls),
    }
    for name, value in known.items():
        if name in content:
            content = content.replace(name, value().encode())
    return content


def _new_hold(home: Home, urls: Urls) -> str:
    merchant = demo(home)
    content = {
        "amount": 1999,
        "currency": "usd",
        "capture": False,
        "payment_method_id": merchant.payment_method_id,
    }
    client = Merchant(urls.gateway_url, merchant.api_key)
    return str(client.created("/v1/payments", content)["id"])


def _is_scheduled(event: bytes) -> bool:
    """Whether EventBridge Scheduler sends such an event: it queues it, and waits for no answer."""
    content = json.loads(event)
    return isinstance(content, dict) and content.get("source") == "aws.scheduler"


def invoke(lambda_url: str, name: str, event: bytes) -> Result:
    """Invoke and wait; Failure if the function does not exist or cannot be invoked now.

    A schedule's event is queued as the Scheduler does it, and runs when its turn comes.
    """
    scheduled = _is_scheduled(event)
    answer = call(
        "POST",
        f"{lambda_url}/2015-03-31/functions/{quote(name, safe='')}/invocations",
        event,
        headers={
            "X-Amz-Log-Type": "Tail",
            "Content-Type": "application/json",
            "X-Amz-Invocation-Type": "Event" if scheduled else "RequestResponse",
        },
        timeout_s=_TIMEOUT_S,
    )
    if scheduled and answer.status == 202:
        request_id = answer.headers.get("x-amzn-requestid", "")
        return Result(json.dumps({"queued": name, "request_id": request_id}), None, "")
    if answer.status != 200:
        said = answer.body.get("Message") if isinstance(answer.body, dict) else None
        because = str(said or reason(answer)).rstrip(".")
        raise Failure(f"{name} was not invoked ({answer.status}): {because}.")
    tail = base64.b64decode(answer.headers.get("x-amz-log-result", "")).decode(errors="replace")
    payload = json.dumps(answer.body, indent=2, ensure_ascii=False)
    return Result(payload, answer.headers.get("x-amz-function-error"), tail)
