"""`paywright invoke`: one function, one event, over Lambda's own Invoke API."""

from __future__ import annotations

import base64
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from cli.api import call, reason
from cli.errors import Failure

_TIMEOUT_S = 905  # Lambda's longest timeout, and a little
_EVENT_LIMIT_BYTES = 6 * 1024 * 1024


@dataclass(frozen=True)
class Result:
    """What the function returned, or the error it ended with (`function_error` is then set)."""

    payload: str
    function_error: str | None
    log_tail: str


def read_event(source: str) -> bytes:
    """The JSON in a file, or in standard input for `-`; Failure if it is none."""
    try:
        content = sys.stdin.buffer.read() if source == "-" else Path(source).read_bytes()
        json.loads(content)
    except OSError as error:
        raise Failure(f"The event {source} cannot be read: {error.strerror}.") from error
    except ValueError as error:
        raise Failure(f"The event {source} is not JSON: {error}.") from error
    if len(content) > _EVENT_LIMIT_BYTES:
        raise Failure(f"The event {source} is over Lambda's limit of 6 MB.")
    return content


def invoke(lambda_url: str, name: str, event: bytes) -> Result:
    """Invoke and wait; Failure if the function does not exist or cannot be invoked now."""
    answer = call(
        "POST",
        f"{lambda_url}/2015-03-31/functions/{quote(name, safe='')}/invocations",
        event,
        headers={"X-Amz-Log-Type": "Tail", "Content-Type": "application/json"},
        timeout_s=_TIMEOUT_S,
    )
    if answer.status != 200:
        said = answer.body.get("Message") if isinstance(answer.body, dict) else None
        raise Failure(f"{name} was not invoked ({answer.status}): {said or reason(answer)}.")
    tail = base64.b64decode(answer.headers.get("x-amz-log-result", "")).decode(errors="replace")
    payload = json.dumps(answer.body, indent=2, ensure_ascii=False)
    return Result(payload, answer.headers.get("x-amz-function-error"), tail)
