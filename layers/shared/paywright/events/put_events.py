"""EventBridge's PutEvents over kept connections, several requests on their way at a time.

It takes a fifth of boto3's processor time, which is most of what relaying an event costs
(docs/decisions/0021). Sources: Amazon EventBridge API reference, "PutEvents" and "Common errors".
"""

from __future__ import annotations

import http.client
import json
import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.exceptions import BotoCoreError, NoCredentialsError

CONNECT_TIMEOUT_S, ANSWER_TIMEOUT_S = 1.0, 3.0
_TYPE, _TARGET = "application/x-amz-json-1.1", "AWSEvents.PutEvents"
_MALFORMED = (ValueError, LookupError, TypeError, AttributeError)
_MOST_BYTES = 64 * 1024
"""Of an answer; one for ten entries has less than two thousand."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a request as a whole was not taken; without a `code` nobody answered it."""

    code: str | None
    reason: str


Answer = Sequence[Mapping[str, Any]] | Refusal
"""What became of each entry of a request, or why of none."""


class PutEvents:
    """Sends requests to one endpoint, each on a connection of its own, none of them twice."""

    def __init__(
        self, endpoint_url: str, region: str, credentials: Callable[[], Any | None]
    ) -> None:
        """`credentials` gives botocore's, frozen, each time: a role's are renewed by then."""
        parts = urlsplit(endpoint_url)
        self._is_tls = parts.scheme == "https"
        self._host = parts.netloc
        self._url = f"{parts.scheme}://{parts.netloc}/"
        self._region = region
        self._credentials = credentials
        self._connections: list[http.client.HTTPConnection] = []

    def send(self, requests: Sequence[Sequence[Mapping[str, Any]]]) -> list[Answer]:
        """Send the entries of each request, all at once, and return their answers in order.

        Nothing is raised. All answers together are waited for as long as one.
        """
        while len(self._connections) < len(requests):
            self._connections.append(self._connection())
        used = self._connections[: len(requests)]
        failed = [
            self._post(connection, entries)
            for connection, entries in zip(used, requests, strict=True)
        ]
        until = time.monotonic() + ANSWER_TIMEOUT_S
        return [
            failure or self._answer(connection, until, len(entries))
            for connection, failure, entries in zip(used, failed, requests, strict=True)
        ]

    def close(self) -> None:
        """Close the connections."""
        for connection in self._connections:
            connection.close()

    def _connection(self) -> http.client.HTTPConnection:
        kind = http.client.HTTPSConnection if self._is_tls else http.client.HTTPConnection
        return kind(self._host, timeout=CONNECT_TIMEOUT_S)

    def _post(
        self, connection: http.client.HTTPConnection, entries: Sequence[Mapping[str, Any]]
    ) -> Refusal | None:
        body = json.dumps({"Entries": entries}, separators=(",", ":")).encode()
        try:
            headers = self._signed(body)
            _opened(connection).settimeout(ANSWER_TIMEOUT_S)
            connection.request("POST", "/", body, headers)
        except (OSError, http.client.HTTPException, BotoCoreError) as error:
            connection.close()
            return _failure(error)
        return None

    def _answer(
        self, connection: http.client.HTTPConnection, until: float, expected: int
    ) -> Answer:
        try:
            connection.sock.settimeout(max(until - time.monotonic(), 0.001))
            response = connection.getresponse()
            content = response.read(_MOST_BYTES)
            if not response.isclosed():
                raise http.client.HTTPException("a longer answer than there is")
            answer = json.loads(content)
            if response.status != 200:
                code = str(answer.get("__type", response.status)).rpartition("#")[2]
                return Refusal(code, f"{code}: {answer.get('message', answer.get('Message'))}")
            results = answer["Entries"]
            if len(results) != expected:
                raise ValueError(f"{len(results)} results for {expected} entries")
        except (OSError, http.client.HTTPException, *_MALFORMED) as error:
            connection.close()
            return _failure(error)
        found: Sequence[Mapping[str, Any]] = results
        return found

    def _signed(self, body: bytes) -> dict[str, str]:
        """The request's headers, signed with Signature Version 4."""
        credentials = self._credentials()
        if credentials is None:
            raise NoCredentialsError
        headers = {"Content-Type": _TYPE, "X-Amz-Target": _TARGET}
        request = AWSRequest("POST", self._url, headers=headers, data=body)
        SigV4Auth(credentials, "events", self._region).add_auth(request)
        return dict(request.headers.items())


def _opened(connection: http.client.HTTPConnection) -> socket.socket:
    """Its socket, opened anew where the other side has closed it."""
    if connection.sock is not None:
        waiting = select.poll()
        waiting.register(connection.sock, select.POLLIN)
        if waiting.poll(0):  # nothing else may come before a request
            connection.close()
    if connection.sock is None:
        connection.connect()
    opened: socket.socket = connection.sock
    return opened


def _failure(error: Exception) -> Refusal:
    return Refusal(None, f"{type(error).__name__}: {error}")
