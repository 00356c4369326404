"""A merchant's webhook receiver for trying things out: verifies signatures and shows what came.

Run as `python -m cli.receiver PORT SECRETS_FILE`; the file is JSON, `{"secrets": ["whsec_…"]}`, and
is read again when it changes.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
from collections import deque
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httptools
from standardwebhooks import Webhook

_KEPT = 1_000
_BODY_LIMIT_BYTES = 65_536
_HEAD_LIMIT_BYTES = 32_768
_IDLE_TIMEOUT_S = 75
_CONNECTIONS = 500
_SECRETS = 100
_REASONS = {
    200: "OK",
    400: "Bad Request",
    404: "Not Found",
    405: "Method Not Allowed",
    413: "Content Too Large",
}


class Inbox:
    """The last 1,000 webhooks that came, each with whether a known secret signed it."""

    def __init__(self, secrets_file: Path) -> None:
        self._file = secrets_file
        self._version = (0, 0)
        self._verifiers: list[Webhook] = []
        self._received: deque[str] = deque(maxlen=_KEPT)

    def listing(self) -> bytes:
        """All of them as a JSON array, oldest first."""
        return f"[{','.join(self._received)}]".encode()

    def take(self, headers: dict[str, str], body: bytes) -> bool:
        """Record a webhook; whether its Standard Webhooks signature is right and fresh."""
        verified = self._verified(headers, body)
        payload = _parsed(body)
        about = payload if isinstance(payload, dict) else {}
        item = {
            "id": headers.get("webhook-id") or about.get("id"),
            "type": about.get("type"),
            "verified": verified,
            "received_at": datetime.now(UTC).isoformat(timespec="milliseconds"),
        }
        self._received.append(json.dumps({**item, "payload": payload}))
        print(json.dumps({"message": "webhook received", **item}), flush=True)
        return verified

    def _verified(self, headers: dict[str, str], body: bytes) -> bool:
        self._read_secrets()
        for verifier in self._verifiers:
            try:
                verifier.verify(body, headers, json_parse=False)
            except Exception:  # noqa: S112 - whatever a stranger sends: not verified
                continue
            return True
        return False

    def _read_secrets(self) -> None:
        try:
            status = self._file.stat()
            version = (status.st_ino, status.st_mtime_ns)
            if version == self._version:
                return
            secrets = json.loads(self._file.read_text())["secrets"][-_SECRETS:]
            self._verifiers = [Webhook(str(secret)) for secret in secrets]
            self._version = version
        except Exception:  # no file, or none that makes sense: nothing can be verified
            self._verifiers = []


def _parsed(body: bytes) -> Any:
    """The body as JSON that can be shown again, else as text."""
    try:
        payload = json.loads(body)
        json.dumps([[payload]], allow_nan=False)
    except (ValueError, RecursionError):
        return body.decode(errors="replace")
    return payload


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection; httptools calls the `on_…` methods as it parses."""

    def __init__(self, inbox: Inbox, open_connections: set[_Connection]) -> None:
        self._inbox = inbox
        self._open = open_connections
        self._parser = httptools.HttpRequestParser(self)
        self._transport: asyncio.Transport | None = None
        self._idle: asyncio.TimerHandle | None = None
        self._begin()

    def _begin(self) -> None:
        self._target = b""
        self._headers: dict[str, str] = {}
        self._body = bytearray()
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.Transport)
        self._transport = transport
        self._open.add(self)
        if len(self._open) > _CONNECTIONS:
            transport.abort()
        self._expect()

    def connection_lost(self, _error: Exception | None) -> None:
        self._open.discard(self)
        if self._idle:
            self._idle.cancel()

    def data_received(self, data: bytes) -> None:
        self._expect()
        assert self._transport is not None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade:
            self._transport.close()  # the request has its answer; what follows is not HTTP
        except httptools.HttpParserError as error:
            too_large = isinstance(error.__context__, _TooLargeError)
            self._answer(413 if too_large else 400, b"not understood\n", close=True)

    def on_url(self, part: bytes) -> None:
        self._count(len(part))
        self._target += part

    def on_header(self, name: bytes, value: bytes) -> None:
        self._count(len(name) + len(value))
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_body(self, part: bytes) -> None:
        self._body += part
        if len(self._body) > _BODY_LIMIT_BYTES:
            raise _TooLargeError

    def on_message_complete(self) -> None:
        method = self._parser.get_method()
        path = self._target.split(b"?")[0]
        if path == b"/received":
            if method == b"GET":
                self._answer(200, self._inbox.listing(), kind="application/json")
            else:
                self._answer(405, b"GET only\n")
        elif path == b"/webhooks" or path.startswith(b"/webhooks/"):
            if method == b"POST":
                verified = self._inbox.take(self._headers, bytes(self._body))
                self._answer(*((200, b"thanks\n") if verified else (400, b"wrong signature\n")))
            else:
                self._answer(405, b"POST only\n")
        else:
            self._answer(404, b"POST /webhooks, GET /received\n")
        self._begin()

    def _count(self, head_bytes: int) -> None:
        self._head_bytes += head_bytes
        if self._head_bytes > _HEAD_LIMIT_BYTES:
            raise _TooLargeError

    def _answer(
        self, status: int, body: bytes, *, kind: str = "text/plain", close: bool = False
    ) -> None:
        assert self._transport is not None
        close = close or not self._parser.should_keep_alive()
        self._transport.write(
            f"HTTP/1.1 {status} {_REASONS[status]}\r\nContent-Type: {kind}\r\n"
            f"Content-Length: {len(body)}\r\n{'Connection: close' if close else ''}"
            f"{chr(13) + chr(10) if close else ''}\r\n".encode()
            + body
        )
        if close:
            self._transport.close()

    def _expect(self) -> None:
        if self._idle:
            self._idle.cancel()
        assert self._transport is not None
        self._idle = asyncio.get_running_loop().call_later(_IDLE_TIMEOUT_S, self._transport.abort)


class _TooLargeError(Exception):
    """A head or body over the limit."""


async def _serve(port: int, inbox: Inbox) -> None:
    loop = asyncio.get_running_loop()
    stop = asyncio.Event()
    for signum in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(signum, stop.set)
    connections: set[_Connection] = set()
    server = await loop.create_server(lambda: _Connection(inbox, connections), "127.0.0.1", port)
    print(json.dumps({"message": "receiver ready", "port": port, "pid": os.getpid()}), flush=True)
    await stop.wait()
    server.close()


def main() -> None:
    """Serve until SIGTERM."""
    asyncio.run(_serve(int(sys.argv[1]), Inbox(Path(sys.argv[2]))))


if __name__ == "__main__":
    main()
