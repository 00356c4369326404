"""Merchants that together do their worst to the webhooks of others."""

from __future__ import annotations

import itertools
import json
import threading
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

_ENDPOINTS_EACH = 2
_EVERY_S = 3.0
"""How often each endpoint has another URL. Their turns are spread over it: events that come
together are sent together, and hold up less."""
_LIMIT_S = 30.0


@contextmanager
def attacking(url: str, api_keys: Sequence[str], hanging: str) -> Iterator[None]:
    """Each gives endpoints that hang another URL, and has events sent there, again and again."""
    stop = threading.Event()
    threads = [
        threading.Thread(target=_attack, args=(url, api_key, hanging, stop)) for api_key in api_keys
    ]
    try:
        for each in threads:
            each.start()
            time.sleep(_EVERY_S / _ENDPOINTS_EACH / len(threads))
        yield
    finally:
        stop.set()
        for each in threads:
            each.join()


def _attack(url: str, api_key: str, hanging: str, stop: threading.Event) -> None:
    def call(method: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
        headers = {"Authorization": f"Bearer {api_key}", "Content-Type": "application/json"}
        request = urllib.request.Request(
            f"{url}/v1/webhook_endpoints{path}", json.dumps(body).encode(), headers, method=method
        )
        with urllib.request.urlopen(request, timeout=_LIMIT_S) as answer:
            return dict(json.loads(answer.read()))

    made = [call("POST", "", {"url": hanging})["id"] for _ in range(_ENDPOINTS_EACH)]
    for number in itertools.count():
        endpoint_id = made[number % len(made)]
        call("PATCH", f"/{endpoint_id}", {"url": f"{hanging}?{number}"})
        call("POST", f"/{endpoint_id}/test", {})
        if stop.wait(_EVERY_S / _ENDPOINTS_EACH):
            break
    for endpoint_id in made:
        call("DELETE", f"/{endpoint_id}", {})
