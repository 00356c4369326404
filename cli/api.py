"""A small client of HTTP APIs on this machine; JSON in, JSON out."""

from __future__ import annotations

import http.client
import json
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from cli.errors import Failure

_TIMEOUT_S = 35  # a little longer than the gateway's own


@dataclass(frozen=True)
class Answer:
    """What came back; `body` is text when it is not JSON.

    `headers` are by lower-case name; `pairs` are as they came, a name perhaps several times.
    """

    status: int
    headers: Mapping[str, str]
    body: Any
    pairs: Sequence[tuple[str, str]] = ()


def call(
    method: str,
    url: str,
    body: bytes | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    timeout_s: float = _TIMEOUT_S,
) -> Answer:
    """One request; Failure if nobody answers."""
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
    connection = kind(parts.netloc, timeout=timeout_s)
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    try:
        connection.request(method, target, body, dict(headers or {}))
        response = connection.getresponse()
        content = response.read()
    except (OSError, http.client.HTTPException) as error:
        raise Failure(f"{parts.scheme}://{parts.netloc} does not answer: {error}.") from error
    finally:
        connection.close()
    received = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, received, _parsed(content), response.getheaders())


@dataclass(frozen=True)
class Merchant:
    """Calls the platform's API with one merchant's key."""

    gateway_url: str
    api_key: str

    def get(self, path: str) -> Answer:
        """GET; the path starts with `/`."""
        return call("GET", self.gateway_url + path, headers=self._headers())

    def post(self, path: str, content: Any, *, idempotency_key: str | None = None) -> Answer:
        """POST JSON, under a new idempotency key unless one is given."""
        headers = {
            **self._headers(),
            "Content-Type": "application/json",
            "Idempotency-Key": idempotency_key or str(uuid.uuid4()),
        }
        return call("POST", self.gateway_url + path, json.dumps(content).encode(), headers=headers)

    def created(self, path: str, content: Any) -> dict[str, Any]:
        """POST and return the object that was made; Failure if it was not."""
        answer = self.post(path, content)
        if answer.status not in (200, 201) or not isinstance(answer.body, dict):
            raise Failure(f"POST {path} was answered {answer.status}: {reason(answer)}.")
        return answer.body

    def _headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}


def reason(answer: Answer) -> str:
    """The message of an error of ours, else the beginning of the body."""
    try:
        return str(answer.body["error"]["message"]).rstrip(".")
    except (KeyError, TypeError):
        return str(answer.body)[:200].strip() or "empty body"


def _parsed(content: bytes) -> Any:
    try:
        return json.loads(content)
    except ValueError:
        return content.decode(errors="replace")
