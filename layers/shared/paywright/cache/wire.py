"""One connection to Valkey: commands out, replies in, by hiredis.

A whole client library costs three times as much for each command, most of it for what is not needed
here: pools, retries, decoding, metrics (docs/decisions/0013).
"""

from __future__ import annotations

import select
import socket
import ssl
from contextlib import suppress
from typing import Any
from urllib.parse import SplitResult, parse_qs, unquote, urlsplit

import hiredis

Command = tuple[str | bytes | int, ...]

_PORT = 6379
_CHUNK_BYTES = 65_536
_TLS = frozenset({"rediss", "valkeys"})
_SCHEMES = _TLS | {"redis", "valkey", "unix"}


class Wire:
    """An open connection, logged in. `timeout_s` bounds each wait; it raises OSError.

    Once an exception has left it, only `close` is of use: a late reply would pass for another's.
    """

    def __init__(self, url: str, timeout_s: float) -> None:
        parts = urlsplit(url)
        assert parts.scheme in _SCHEMES, "Cache checks it"
        self._socket = _connected(parts, timeout_s)
        self._reader = hiredis.Reader()
        self._owed = 0  # replies that nobody waits for
        self._incoming = select.poll()
        self._incoming.register(self._socket, select.POLLIN)
        self._greet(unquote(parts.username or ""), unquote(parts.password or ""), _database(parts))

    def is_usable(self) -> bool:
        """Whether nothing is heard but what is owed: a server that speaks unasked hangs up."""
        owed, self._owed = self._owed, 0
        try:
            self._read(owed)
        except ConnectionError:
            return False
        return not self._incoming.poll(0)

    def send(self, commands: tuple[Command, ...], undo: Command | None = None) -> list[Any]:
        """Send commands in one round trip; an error reply stands as an exception in its place.

        When replies take too long `undo` is sent, which the server comes to after the commands.
        """
        assert not self._owed, "is_usable() has read them"
        self._write(commands)
        try:
            return self._read(len(commands))
        except TimeoutError:
            if undo is not None:
                with suppress(OSError):
                    self._write((undo,))
            raise

    def post(self, commands: tuple[Command, ...]) -> None:
        """Send commands and do not wait for their replies, which nobody will see."""
        self._write(commands)
        self._owed += len(commands)

    def _write(self, commands: tuple[Command, ...]) -> None:
        # Its stub knows tuples of one element only.
        packed = [hiredis.pack_command(each) for each in commands]  # type: ignore[arg-type]
        self._socket.sendall(b"".join(packed))

    def _read(self, count: int) -> list[Any]:
        replies: list[Any] = []
        while len(replies) < count:
            reply = self._reader.gets()
            if reply is not False:
                replies.append(reply)
                continue
            received = self._socket.recv(_CHUNK_BYTES)
            if not received:
                raise ConnectionError("the server closed the connection")
            self._reader.feed(received)
        return replies

    def close(self) -> None:
        """Close it; what nobody closes closes itself."""
        self._socket.close()

    def __del__(self) -> None:
        if hasattr(self, "_socket"):  # it was connected
            self.close()

    def _greet(self, user: str, password: str, database: str) -> None:
        commands: list[Command] = []
        if password:
            commands.append(("AUTH", user, password) if user else ("AUTH", password))
        if database:
            commands.append(("SELECT", database))
        for reply in self.send(tuple(commands)):
            if isinstance(reply, hiredis.ReplyError):
                raise ConnectionError(str(reply))


def _connected(parts: SplitResult, timeout_s: float) -> socket.socket:
    if parts.scheme == "unix":
        near = socket.socket(socket.AF_UNIX)
        near.settimeout(timeout_s)
        try:
            near.connect(unquote(parts.path))
        except BaseException:
            near.close()
            raise
        return near
    host = parts.hostname or "127.0.0.1"
    far = socket.create_connection((host, parts.port or _PORT), timeout_s)
    far.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if parts.scheme in _TLS:
        return ssl.create_default_context().wrap_socket(far, server_hostname=host)
    return far


def _database(parts: SplitResult) -> str:
    """The number of the database: of a Unix socket in `?db=`, else the path."""
    if parts.scheme == "unix":
        return parse_qs(parts.query).get("db", [""])[0]
    return parts.path.strip("/")


def check_url(url: str) -> None:
    """Raise ValueError for a URL that is not Valkey's."""
    scheme = urlsplit(url).scheme
    if scheme not in _SCHEMES:
        raise ValueError(f"VALKEY_URL begins with {scheme}://; give redis://, rediss:// or unix://")
