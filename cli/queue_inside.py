"""What the emulator's own AWS endpoint tells of its queues, and AWS has no call for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import quote

from cli.api import call
from cli.errors import Failure

_TIMEOUT_S = 10


def ages(sqs: Any) -> Mapping[str, int]:
    """The age in seconds of the oldest message by queue's ARN; nothing from another endpoint."""
    found = _get(sqs, "/_emulator/queues") or {"queues": ()}
    told = {queue["arn"]: queue["oldest_age_s"] for queue in found["queues"]}
    return {arn: int(age_s) for arn, age_s in told.items() if age_s is not None}


def messages(sqs: Any, arn: str, limit: int) -> list[dict[str, Any]] | None:
    """A queue's messages, without receiving them; None if the endpoint cannot show them."""
    region, account, name = arn.split(":")[3:]
    scope = f"limit={limit}&account={account}&region={region}"
    found = _get(sqs, f"/_emulator/queues/{quote(name, safe='')}/messages?{scope}")
    return None if found is None else list(found["messages"])


def _get(sqs: Any, target: str) -> dict[str, Any] | None:
    """What is at a path of the endpoint that the client speaks to."""
    try:
        answer = call("GET", f"{sqs.meta.endpoint_url}{target}", timeout_s=_TIMEOUT_S)
    except Failure:
        return None
    return answer.body if answer.status == 200 and isinstance(answer.body, dict) else None
