"""A small SQS client for what is called all the time: it takes a third of botocore's CPU time.

Source: Amazon SQS Developer Guide, "Making query API requests using AWS JSON protocol"; AWS IAM
User Guide, "Create a signed AWS API request".
"""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import aiohttp
from botocore.exceptions import ClientError

_CONTENT_TYPE = "application/x-amz-json-1.0"
_CONNECT_TIMEOUT_S = 2
_ANSWER_TIMEOUT_S = 10
_MAX_CONNECTIONS = 1_000


@dataclass(frozen=True)
class Credentials:
    """An access key, with a session's token if it is a temporary one."""

    access_key: str
    secret_key: str
    token: str | None = None


class SqsClient:
    """Calls SQS over kept connections; an async context manager.

    A call is made again once if its connection turns out to be closed. It raises botocore's
    ClientError for what SQS refuses, and what aiohttp raises for what does not reach it.
    """

    def __init__(
        self, endpoint_url: str, region: str, credentials: Callable[[], Awaitable[Credentials]]
    ) -> None:
        parts = urlsplit(endpoint_url)
        self._url = f"{parts.scheme}://{parts.netloc}/"
        self._host = parts.netloc
        self._region = region
        self._credentials = credentials
        self._key: tuple[str, str, bytes] = ("", "", b"")
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=_MAX_CONNECTIONS)
        self._http = aiohttp.ClientSession(connector=connector)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._http is not None
        await self._http.close()

    async def call(
        self, action: str, parameters: Mapping[str, Any], *, wait_s: float = 0
    ) -> dict[str, Any]:
        """Return SQS's answer; `wait_s` is how long it may take its time."""
        body = json.dumps(parameters, separators=(",", ":")).encode()
        headers = self._signed(action, body, await self._credentials())
        try:
            status, content = await self._post(body, headers, wait_s)
        except (aiohttp.ServerDisconnectedError, ConnectionResetError):
            status, content = await self._post(body, headers, wait_s)
        answer = json.loads(content) if content else {}
        if status >= 300:
            raise _refusal(action, status, answer)
        result: dict[str, Any] = answer
        return result

    async def _post(
        self, body: bytes, headers: Mapping[str, str], wait_s: float
    ) -> tuple[int, bytes]:
        assert self._http is not None
        timeout = aiohttp.ClientTimeout(
            total=wait_s + _ANSWER_TIMEOUT_S, sock_connect=_CONNECT_TIMEOUT_S
        )
        async with self._http.post(
            self._url, data=body, headers=headers, timeout=timeout, allow_redirects=False
        ) as response:
            return response.status, await response.read()

    def _signed(self, action: str, body: bytes, credentials: Credentials) -> dict[str, str]:
        """Return the request's headers with Signature Version 4."""
        now = datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")
        headers = {
            "content-type": _CONTENT_TYPE,
            "host": self._host,
            "x-amz-date": now,
            "x-amz-target": f"AmazonSQS.{action}",
        }
        if credentials.token is not None:
            headers["x-amz-security-token"] = credentials.token
        names = ";".join(sorted(headers))
        lines = "".join(f"{name}:{headers[name]}\n" for name in sorted(headers))
        request = f"POST\n/\n\n{lines}\n{names}\n{hashlib.sha256(body).hexdigest()}"
        scope = f"{now[:8]}/{self._region}/sqs/aws4_request"
        digest = hashlib.sha256(request.encode()).hexdigest()
        signature = hmac.digest(
            self._signing_key(now[:8], credentials.secret_key),
            f"AWS4-HMAC-SHA256\n{now}\n{scope}\n{digest}".encode(),
            "sha256",
        ).hex()
        headers["authorization"] = (
            f"AWS4-HMAC-SHA256 Credential={credentials.access_key}/{scope},"
            f" SignedHeaders={names}, Signature={signature}"
        )
        return headers

    def _signing_key(self, day: str, secret: str) -> bytes:
        if self._key[:2] != (day, secret):
            key = f"AWS4{secret}".encode()
            for part in (day, self._region, "sqs", "aws4_request"):
                key = hmac.digest(key, part.encode(), "sha256")
            self._key = (day, secret, key)
        return self._key[2]


def _refusal(action: str, status: int, answer: Any) -> ClientError:
    fields = answer if isinstance(answer, dict) else {}
    code = str(fields.get("__type", "")).rpartition("#")[2] or str(status)
    message = str(fields.get("message") or fields.get("Message") or "")
    return ClientError(
        {
            "Error": {"Code": code, "Message": message},
            "ResponseMetadata": {
                "HTTPStatusCode": status,
                "RequestId": "",
                "HTTPHeaders": {},
                "RetryAttempts": 0,
                "HostId": "",
            },
        },
        action,
    )
