"""A merchant's server for tests: keeps what it receives and answers as it is told."""

from __future__ import annotations

import contextlib
import ssl
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Received:
    """One request as it came; header names in lower case."""

    path: str
    headers: dict[str, str]
    body: bytes
    peer_port: int


Reply = Callable[[BaseHTTPRequestHandler], None]


def status(code: int, **headers: str) -> Reply:
    """Answer with a status and no body."""

    def reply(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(code)
        for name, value in headers.items():
            handler.send_header(name.replace("_", "-"), value)
        handler.send_header("Content-Length", "0")
        handler.end_headers()

    return reply


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    request_queue_size = 128

    def __init__(self, handler: type[BaseHTTPRequestHandler], tls: ssl.SSLContext | None) -> None:
        super().__init__(("127.0.0.1", 0), handler)
        self._tls = tls

    def process_request_thread(self, request: Any, client_address: Any) -> None:
        if self._tls is None:
            super().process_request_thread(request, client_address)
            return
        # Suppressed: a handshake that the sender breaks off.
        with (
            contextlib.suppress(OSError),
            self._tls.wrap_socket(request, server_side=True) as secured,
        ):
            super().process_request_thread(secured, client_address)

    def finish_request(self, request: Any, client_address: Any) -> None:
        # Suppressed: a sender that hangs up, as some are meant to.
        with contextlib.suppress(ConnectionError):
            super().finish_request(request, client_address)


@dataclass
class Receiver:
    """An HTTP server on a free port; it answers 200 when no other reply is waiting."""

    replies: deque[Reply] = field(default_factory=deque)
    received: list[Received] = field(default_factory=list)
    tls: ssl.SSLContext | None = None
    keeps_alive: bool = False

    def __post_init__(self) -> None:
        self._server = _Server(self._handler(), self.tls)
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}/hooks"

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def _handler(self) -> type[BaseHTTPRequestHandler]:
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1" if receiver.keeps_alive else "HTTP/1.0"

            def do_GET(self) -> None:
                self.do_POST()

            def do_POST(self) -> None:
                length = int(self.headers.get("Content-Length", 0))
                body = self.rfile.read(length)
                headers = {name.lower(): value for name, value in self.headers.items()}
                receiver.received.append(Received(self.path, headers, body, self.client_address[1]))
                reply = receiver.replies.popleft() if receiver.replies else status(200)
                reply(self)

            def log_message(self, *_: object) -> None:
                pass

            def handle(self) -> None:
                with contextlib.suppress(OSError):  # the sender hangs up: some tests make it
                    super().handle()

        return Handler
