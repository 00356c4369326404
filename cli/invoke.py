"""`paywright invoke`: one function, one event, over Lambda's own Invoke API."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from urllib.parse import quote

from cli.api import call, reason
from cli.errors import Failure

_TIMEOUT_S = 905  # Lambda's longest timeout, and a little


@dataclass(frozen=True)
class Result:
    """What the function returned, or the error it ended with (`function_error` is then set).

    Of an event that was queued, only the request's id is known yet.
    """

    payload: str
    request_id: str
    function_error: str | None = None
    log_tail: str = ""


def is_scheduled(event: bytes) -> bool:
    """Whether EventBridge Scheduler sends such an event: it queues it, and waits for no answer."""
    content = json.loads(event)
    return isinstance(content, dict) and content.get("source") == "aws.scheduler"


def invoke(lambda_url: str, name: str, event: bytes, *, wait: bool = True) -> Result:
    """Invoke and wait for the end, or only until the event is queued.

    Failure if the function does not exist or cannot be invoked now.
    """
    answer = call(
        "POST",
        f"{lambda_url}/2015-03-31/functions/{quote(name, safe='')}/invocations",
        event,
        headers={
            "X-Amz-Log-Type": "Tail",
            "Content-Type": "application/json",
            "X-Amz-Invocation-Type": "RequestResponse" if wait else "Event",
        },
        timeout_s=_TIMEOUT_S,
    )
    request_id = answer.headers.get("x-amzn-requestid", "")
    if answer.status == 202:
        return Result(json.dumps({"queued": name, "request_id": request_id}), request_id)
    if answer.status != 200:
        said = answer.body if isinstance(answer.body, dict) else {}
        because = said.get("Message") or said.get("message") or reason(answer)
        raise Failure(f"{name} was not invoked ({answer.status}): {str(because).rstrip('.')}.")
    return Result(
        payload=json.dumps(answer.body, indent=2, ensure_ascii=False),
        request_id=request_id,
        function_error=answer.headers.get("x-amz-function-error"),
        log_tail=base64.b64decode(answer.headers.get("x-amz-log-result", "")).decode(
            errors="replace"
        ),
    )
