"""A way to the real Valkey on which replies can be made to come late."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from urllib.parse import urlsplit, urlunsplit

_CHUNK_BYTES = 65_536


@dataclass
class ValkeyProxy:
    """Replies to requests with `needle` in them come `late_s` later; with None all are in time.

    With `every` 2 that is so on every second connection, and the others are never late.
    """

    url: str
    needle: bytes | None = None
    late_s: float = 0.0
    every: int = 1
    late: int = 0  # how many replies were
    _connections: int = field(default=0, repr=False)

    def serve(self, client: socket.socket, server: socket.socket) -> None:
        """Pass on what client and server say to each other, until one of them hangs up."""
        self._connections += 1
        can_be_late = self._connections % self.every == 0
        is_late = threading.Event()

        def ask() -> None:
            with closing(server), suppress(OSError):
                while data := client.recv(_CHUNK_BYTES):
                    if can_be_late and self.needle is not None and self.needle in data:
                        is_late.set()
                    server.sendall(data)

        def answer() -> None:
            with closing(client), suppress(OSError):
                while data := server.recv(_CHUNK_BYTES):
                    if is_late.is_set():
                        is_late.clear()
                        self.late += 1
                        time.sleep(self.late_s)
                    client.sendall(data)

        for each in (ask, answer):
            threading.Thread(target=each, daemon=True).start()


@contextmanager
def valkey_proxy(valkey_url: str) -> Iterator[ValkeyProxy]:
    """A proxy before the Valkey of that URL, on a port of its own."""
    parts = urlsplit(valkey_url)
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    login = parts.netloc.rpartition("@")[0]
    address = f"{login}@127.0.0.1:{listener.getsockname()[1]}"
    proxy = ValkeyProxy(urlunsplit(parts._replace(netloc=address)))

    def accept() -> None:
        while True:
            try:
                client, _ = listener.accept()
            except OSError:
                return
            proxy.serve(client, socket.create_connection((parts.hostname or "", parts.port or 0)))

    thread = threading.Thread(target=accept, daemon=True)
    thread.start()
    try:
        yield proxy
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)
